"""Why a launch is fast or slow on a GPU, before it has run: blocks per SM, waves, tail, occupancy; numbers and words.

An SM takes as many blocks as fit (`occupancy.py`); all SMs together take one *wave*. A grid runs in waves, and the last
one is rarely full. With B blocks, b of them per SM and M SMs:

    waves = B / (b M)        tail efficiency = waves / ceil(waves)

Blocks that end early make room for the next, so waves blur on a real GPU; the last one does not.
"""

from dataclasses import dataclass
from math import ceil

from labkit.kernels.launch import WARP, Launch
from labkit.kernels.occupancy import occupancy
from labkit.machine.gpus import GpuData
from labkit.machine.origin import MODELLED


@dataclass(frozen=True)
class Explanation:
    """One launch of one kernel on one GPU. `str()` of it is the text.

    shared_bytes: of a block, static and dynamic. registers: of a thread. blocks_per_sm: resident at once. waves, and
    tail_efficiency: see above. busy_sms: SMs that get any block at all. occupancy: of an SM that is full, the share of
    its places for warps that are taken. limited_by: what keeps more blocks out.
    """

    layer: str
    mapping: str
    kernel: str
    device: str
    multiprocessors: int
    grid: tuple[int, int, int]
    block: int
    shared_bytes: int
    registers: int
    blocks: int
    blocks_per_sm: int
    warps_per_sm: int
    busy_sms: int
    waves: float
    tail_efficiency: float
    occupancy: float
    limited_by: str
    origin: str = MODELLED

    @property
    def sentences(self) -> list[str]:
        """What the numbers mean, one sentence each."""
        return [self._start(), self._residency(), self._waves()]

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    def _start(self) -> str:
        shared = f" and {self.shared_bytes:,} bytes of shared memory each" if self.shared_bytes else ""
        what = f"{self.layer}, mapping {self.mapping}" if self.mapping else self.layer
        blocks = f"{_count(self.blocks, 'block')} of {self.block} threads"
        return f"{what}: {blocks}{shared}, {self.registers} registers a thread."

    def _residency(self) -> str:
        return (
            f"An SM of {self.device} holds {_count(self.blocks_per_sm, 'such block')} at once: "
            f"{_count(self.warps_per_sm, 'warp')}, {self.occupancy:.0%} of its places (occupancy). "
            f"What keeps more out: {self.limited_by}."
        )

    def _waves(self) -> str:
        room = self.blocks_per_sm * self.multiprocessors
        if self.busy_sms < self.multiprocessors:
            idle = self.multiprocessors - self.busy_sms
            return f"{idle} of its {_count(self.multiprocessors, 'SM')} get no block at all and stay idle throughout."
        if self.blocks <= room:
            return (
                f"All {self.multiprocessors} SMs get work, and all blocks run at once: {self.waves:.2f} of a wave; "
                f"the other {1 - self.waves:.0%} of the places stay empty."
            )
        last = self.waves - ceil(self.waves) + 1
        return (
            f"Its {self.multiprocessors} SMs hold {room:,} blocks, so the grid runs in {ceil(self.waves):,} waves, the "
            f"last {last:.0%} full: {self.tail_efficiency:.0%} of all places are used (tail efficiency)."
        )


def explain(
    launch: Launch,
    registers: int,
    gpu: GpuData,
    layer: str = "",
    mapping: str = "",
    kernel: str = "",
    static_shared_bytes: int = 0,
) -> Explanation:
    """What `launch` of a kernel with so many registers per thread does on `gpu`.

    static_shared_bytes: what the kernel takes besides the launch's dynamic shared memory. Raises LabError where not
    even one block fits an SM.
    """
    shared = launch.shared_bytes + static_shared_bytes
    held = occupancy(gpu, launch.block, registers, shared)
    waves = launch.blocks / (held.blocks_per_sm * gpu.multiprocessors)
    return Explanation(
        layer=layer or kernel or "the kernel",
        mapping=mapping,
        kernel=kernel,
        device=gpu.name,
        multiprocessors=gpu.multiprocessors,
        grid=launch.grid,
        block=launch.block,
        shared_bytes=shared,
        registers=registers,
        blocks=launch.blocks,
        blocks_per_sm=held.blocks_per_sm,
        warps_per_sm=held.blocks_per_sm * -(-launch.block // WARP),
        busy_sms=min(launch.blocks, gpu.multiprocessors),
        waves=waves,
        tail_efficiency=waves / ceil(waves),
        occupancy=held.occupancy,
        limited_by=held.limited_by,
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
