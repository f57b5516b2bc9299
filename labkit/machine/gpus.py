"""GPUs as data: what one multiprocessor holds, how many there are, how fast they run and what memory they have.

Figures of the three GPUs of krishna-gupta-nayak table II (multiprocessors, memory, L2) are that table's. Limits of a
multiprocessor are those of NVIDIA's CUDA C++ Programming Guide ("Technical Specifications per Compute Capability"), and
how registers and shared memory are handed out is what NVIDIA's occupancy calculator assumes. Clocks and
bandwidths are from NVIDIA's data sheets and white papers; `source` of each record names which.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from labkit.errors import LabError, suggest
from labkit.machine.cuda_driver import attributes
from labkit.machine.gpu import CORES_PER_MULTIPROCESSOR, first_gpu

KiB, MiB = 2**10, 2**20
WARP = 32


@dataclass(frozen=True)
class Multiprocessor:
    """What one multiprocessor (SM) of a compute capability has, and in which portions it is handed out.

    cores: float32 lanes. schedulers: each starts one instruction of one warp per clock, and owns an equal part of the
    registers. threads, blocks: most that are resident at once. registers: of 32 bits. register_unit: a warp gets
    registers in multiples of this. shared_bytes: of the multiprocessor; a block can have at most
    `shared_bytes_per_block` of it (where it asks for more than 48 KiB), rounded up to `shared_unit_bytes`, with
    `reserved_shared_bytes` taken by the driver on top.
    """

    capability: tuple[int, int]
    cores: int
    schedulers: int
    threads: int
    blocks: int
    shared_bytes: int
    shared_bytes_per_block: int
    shared_unit_bytes: int
    reserved_shared_bytes: int = 0
    registers: int = 65536
    register_unit: int = 256
    registers_per_thread: int = 255

    @property
    def warps(self) -> int:
        """Most warps that are resident at once."""
        return self.threads // WARP


_SM_OF = {
    sm.capability: sm
    for sm in (
        Multiprocessor((3, 5), 192, 4, 2048, 16, 48 * KiB, 48 * KiB, 256),
        Multiprocessor((6, 0), 64, 2, 2048, 32, 64 * KiB, 48 * KiB, 256),
        Multiprocessor((6, 1), 128, 4, 2048, 32, 96 * KiB, 48 * KiB, 256),
        Multiprocessor((7, 5), 64, 4, 1024, 16, 64 * KiB, 64 * KiB, 256),
        Multiprocessor((8, 0), 64, 4, 2048, 32, 164 * KiB, 163 * KiB, 128, 1024),
        Multiprocessor((8, 9), 128, 4, 1536, 24, 100 * KiB, 99 * KiB, 128, 1024),
        Multiprocessor((9, 0), 128, 4, 2048, 32, 228 * KiB, 227 * KiB, 128, 1024),
    )
}


@dataclass(frozen=True)
class GpuData:
    """One kind of GPU. `key` is what `find` and `--device` know it by; `clock_Hz` is the highest that it promises."""

    key: str
    name: str
    sm: Multiprocessor
    multiprocessors: int
    clock_Hz: float
    memory_bytes: int
    memory_GB_per_s: float
    l2_bytes: int
    source: str

    @property
    def capability(self) -> tuple[int, int]:
        """Compute capability (major, minor)."""
        return self.sm.capability

    @property
    def cores(self) -> int:
        """float32 lanes of the whole GPU."""
        return self.multiprocessors * self.sm.cores

    @property
    def float32_flops_per_s(self) -> float:
        """Peak: every lane ends one fused multiply-add, two operations, per clock."""
        return 2 * self.cores * self.clock_Hz

    @property
    def warps(self) -> int:
        """Most warps that the whole GPU holds at once."""
        return self.multiprocessors * self.sm.warps


_PAPER = "krishna-gupta-nayak table II; clock and bandwidth: NVIDIA, "
_K40 = _PAPER + "Tesla K40 board specification (without boost)"
_1080 = _PAPER + "GeForce GTX 1080 Ti specifications (boost clock)"
_P100 = _PAPER + "Pascal white paper (SXM2; the table does not say which board)"
_T4 = "NVIDIA, T4 product brief"
_A100 = "NVIDIA, A100 white paper (SXM4, 40 GB)"
_4090 = "NVIDIA, Ada white paper"
_H100 = "NVIDIA, H100 white paper and data sheet (SXM5)"
_H200 = "NVIDIA, H200 data sheet (SXM); L2 as its driver reports it"
GPUS = {
    gpu.key: gpu
    for gpu in (
        GpuData("k40", "Tesla K40s", _SM_OF[3, 5], 15, 745e6, 11440 * MiB, 288.0, 1572864, _K40),
        GpuData("gtx1080ti", "GeForce GTX 1080 Ti", _SM_OF[6, 1], 28, 1582e6, 11178 * MiB, 484.0, 2883584, _1080),
        GpuData("p100", "Tesla P100", _SM_OF[6, 0], 56, 1480e6, 16281 * MiB, 732.0, 4194304, _P100),
        GpuData("t4", "T4", _SM_OF[7, 5], 40, 1590e6, 16 * 10**9, 320.0, 4 * MiB, _T4),
        GpuData("a100", "A100", _SM_OF[8, 0], 108, 1410e6, 40 * 10**9, 1555.0, 40 * MiB, _A100),
        GpuData("rtx4090", "GeForce RTX 4090", _SM_OF[8, 9], 128, 2520e6, 24 * 10**9, 1008.0, 72 * MiB, _4090),
        GpuData("h100", "H100", _SM_OF[9, 0], 132, 1980e6, 80 * 10**9, 3350.0, 50 * MiB, _H100),
        GpuData("h200", "H200", _SM_OF[9, 0], 132, 1980e6, 141 * 10**9, 4800.0, 60 * MiB, _H200),
    )
}
TABLE_2 = ("k40", "gtx1080ti", "p100")  # the paper's three, in its order


def find(name: str) -> GpuData:
    """The GPU called `name`: a key of GPUS, or its name with or without its maker's words ('Tesla K40s', 'RTX 4090').

    Raises LabError for one that is not among them, with the closest.
    """
    wanted = _plain(name)
    for gpu in GPUS.values():
        if wanted in (gpu.key, _plain(gpu.name)):
            return gpu
    raise LabError(f"unknown GPU {name!r}", suggest(wanted, GPUS))


def _plain(name: str) -> str:
    """'NVIDIA GeForce RTX 4090' -> 'rtx4090'."""
    letters = "".join(letter for letter in str(name).lower() if letter.isalnum())
    for word in ("nvidia", "geforce", "tesla"):
        letters = letters.removeprefix(word)
    return letters


@cache
def this_gpu() -> GpuData | None:
    """The first GPU of this machine as its driver describes it, or None without one; looked at once.

    Asks the driver itself, so that no CUDA toolkit is needed. The clock and the bandwidth are the ones it states.
    """
    card = first_gpu()
    attribute = attributes() if card else None
    return read(card.name, card.memory_bytes, attribute) if attribute else None


# Numbers of CUdevice_attribute (cuda.h), which the driver's interface keeps from version to version.
_CLOCK_kHz, _SMS, _MEMORY_CLOCK_kHz, _BUS_BITS, _L2_BYTES, _SM_THREADS = 13, 16, 36, 37, 38, 39
_MAJOR, _MINOR, _SM_SHARED, _SM_REGISTERS, _BLOCK_SHARED, _SM_BLOCKS, _RESERVED = 75, 76, 81, 82, 97, 106, 111


def read(name: str, memory_bytes: int, attribute: Callable[[int], int]) -> GpuData:
    """A record from the numbers that `attribute(CUdevice_attribute)` gives."""
    capability = attribute(_MAJOR), attribute(_MINOR)
    pattern = _SM_OF.get(capability) or replace(
        _SM_OF[9, 0], capability=capability, cores=CORES_PER_MULTIPROCESSOR.get(capability, 128)
    )
    sm = replace(
        pattern,
        threads=attribute(_SM_THREADS),
        blocks=attribute(_SM_BLOCKS),
        registers=attribute(_SM_REGISTERS),
        shared_bytes=attribute(_SM_SHARED),
        shared_bytes_per_block=attribute(_BLOCK_SHARED),
        reserved_shared_bytes=attribute(_RESERVED),
    )
    both_edges = 2  # memory transfers on the rising and the falling edge of its clock
    GB_per_s = both_edges * attribute(_MEMORY_CLOCK_kHz) * 1e3 * attribute(_BUS_BITS) / 8 / 1e9
    clock_Hz, l2_bytes = attribute(_CLOCK_kHz) * 1e3, attribute(_L2_BYTES)
    source = "this machine's driver"
    return GpuData(_plain(name), name, sm, attribute(_SMS), clock_Hz, memory_bytes, GB_per_s, l2_bytes, source)
