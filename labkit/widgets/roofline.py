"""Roofline: how fast a kernel can be on a GPU at most, and which of its limits comes first.

Four limits, all in FLOP/s (one multiply-add is two FLOP):

    peak      every float32 lane ends a multiply-add per clock
    issue     the peak times the share of multiply-adds among the instructions of the hot loop, where schedulers and
              lanes are equally many
    loads     the load path of an SM serves 128 bytes per clock (64 on capability 7.5), from shared memory or the L1
    memory    FLOP per byte that moves to and from the memory, times its bandwidth

The first and the last are the classical roofline; issue and loads are what stops kernels written in Python first. The
smallest is the kernel's roof. Latency, barriers and a grid that does not fill the GPU come on top.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import anywidget
import traitlets

from labkit.errors import LabError, suggest
from labkit.machine.gpus import GPUS, GpuData, find
from labkit.machine.origin import CLAIMED, MEASURED_HERE, MODELLED
from labkit.widgets._base import css, decode, encode, esm, one_of, within

KIND = "roofline"
YOURS = "yours"
OLDEST = (7, 5)  # the first GPUs that labkit runs on; older ones issue by other rules
LOAD_BYTES_PER_CLOCK = {(7, 5): 64}
LATER_LOAD_BYTES_PER_CLOCK = 128
L2_BYTES_PER_CLOCK = 64  # what one SM takes from the L2 at most; all SMs together may get less
PASS_BYTES = 128  # of one pass through the load path: one value for each thread of a warp
DEFAULTS = {"gpu": "h200", "kernel": "", "own": False, "intensity": 30.0, "instructions": 5.9, "loads": 2.0}
LIMITS = (("intensity", 0.1, 10_000), ("instructions", 1, 100), ("loads", 0.01, 10))


@dataclass(frozen=True)
class KernelPoint:
    """One kernel at work on one layer.

    flops_per_byte: of what has to move to and from the memory (each array once, unless it was measured).
    instructions_per_fma: of the hot loop, as machine code has it. loads_per_fma: passes of 128 bytes through the load
    path, shared memory and L1 together, per multiply-add of a warp. flops_per_s: what it reached, None where nobody
    ran it; `origin` says where that comes from (or the machine code, if there is no time).
    """

    name: str
    flops_per_byte: float
    instructions_per_fma: float = 1.0
    loads_per_fma: float = 0.0
    flops_per_s: float | None = None
    origin: str = MODELLED

    def __post_init__(self) -> None:
        within(f"flops_per_byte of {self.name!r}", self.flops_per_byte, 1e-6, 1e9)
        within(f"instructions_per_fma of {self.name!r}", self.instructions_per_fma, 1, 1e6)
        within(f"loads_per_fma of {self.name!r}", self.loads_per_fma, 0, 1e6)
        if self.flops_per_s is not None:
            within(f"flops_per_s of {self.name!r}", self.flops_per_s, 1, 1e18)
        known = self.origin in (MEASURED_HERE, MODELLED, CLAIMED) or self.origin.startswith("recorded on ")
        if not known:
            raise LabError(f"origin {self.origin!r} of {self.name!r}", "give one of labkit.machine.origin")


def bounds(point: KernelPoint, gpu: GpuData) -> dict[str, float]:
    """The four limits of a kernel on `gpu`, in FLOP/s, by name; the smallest is its roof."""
    slots = 32 * gpu.sm.schedulers / gpu.sm.cores
    path = LOAD_BYTES_PER_CLOCK.get(gpu.capability, LATER_LOAD_BYTES_PER_CLOCK)
    peak = gpu.float32_flops_per_s
    passes = path / PASS_BYTES / (gpu.sm.cores / 32)  # per multiply-add of a warp, at the peak
    return {
        "peak": peak,
        "issue": peak * min(1.0, slots / point.instructions_per_fma),
        "loads": peak * min(1.0, passes / point.loads_per_fma) if point.loads_per_fma else peak,
        "memory": point.flops_per_byte * gpu.memory_GB_per_s * 1e9,
    }


class Roofline(anywidget.AnyWidget):
    """Ceilings and kernels; make one with `roofline`.

    gpus: key -> {name, peak, memory, l2, loads (FLOP/s, bytes/s), slots, passes}. kernels: fields of KernelPoint.
    state: gpu, kernel (the chosen one), own (show one of the learner's), and that one's three numbers.
    """

    _esm = esm("choice.js", "toggle.js", "roofline.js")
    _css = css()
    title = traitlets.Unicode("Roofline").tag(sync=True)
    gpus = traitlets.Dict().tag(sync=True)
    kernels = traitlets.List(traitlets.Dict()).tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def state_string(self) -> str:
        """The settings as a line; `roofline(kernels, from_state=line)` shows the same view."""
        return encode(KIND, self.state)


def roofline(
    kernels: Iterable[KernelPoint] = (),
    gpu: GpuData | str = "h200",
    *,
    own: tuple[float, float, float] | None = None,
    from_state: str | None = None,
) -> Roofline:
    """Where kernels stand under the ceilings of a GPU; ceilings and a kernel of your own move in the page.

    kernels: KernelPoints with different names. gpu: a record or a name of labkit.machine.gpus, capability 7.5 or later.
    own: (FLOP per byte, instructions per multiply-add, load passes per multiply-add) of a kernel that is being thought
    about. from_state: a line of `state_string()`; it overrides the rest. Raises LabError for anything else.
    """
    points = [asdict(point) for point in kernels]
    names = [point["name"] for point in points]
    if len(set(names)) < len(names) or YOURS in names:
        raise LabError(f"kernels called {names}", f"give each its own name, and none {YOURS!r}")
    record = gpu if isinstance(gpu, GpuData) else find(gpu)
    known = {one.key: _ceilings(one) for one in (*GPUS.values(), record) if one.capability >= OLDEST}
    if record.key not in known:
        raise LabError(f"a roofline of {record.name}", suggest(record.key, known))
    state = DEFAULTS | {"gpu": record.key}
    if own is not None:
        state |= dict(zip(("intensity", "instructions", "loads"), own, strict=True)) | {"own": True, "kernel": YOURS}
    if from_state is not None:
        state = decode(KIND, from_state, state)
    one_of("gpu", state["gpu"], tuple(known))
    one_of("kernel", state["kernel"], ("", YOURS, *names))
    for key, low, high in LIMITS:
        state[key] = within(key, state[key], low, high)
    return Roofline(gpus=known, kernels=points, state=state)


def _ceilings(gpu: GpuData) -> dict:
    path = LOAD_BYTES_PER_CLOCK.get(gpu.capability, LATER_LOAD_BYTES_PER_CLOCK)
    return {
        "name": gpu.name,
        "peak": gpu.float32_flops_per_s,
        "memory": gpu.memory_GB_per_s * 1e9,
        "l2": gpu.multiprocessors * L2_BYTES_PER_CLOCK * gpu.clock_Hz,
        "loads": gpu.multiprocessors * path * gpu.clock_Hz,
        "slots": 32 * gpu.sm.schedulers / gpu.sm.cores,
        "passes": path / PASS_BYTES / (gpu.sm.cores / 32),
    }
