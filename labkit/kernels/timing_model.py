"""How long one launch of a teaching kernel takes on a GPU that need not be here: four bounds, the largest wins.

A block has `items` values to compute, each the sum of `taps` products; its threads stride over the items. A warp of 32
threads computes 32 items together, so a block issues

    I = taps * i * ceil(items / 32) + copies      warp instructions; i of them per tap (from its machine code)

An SM that holds b blocks at once is done with them when all of these are:

    issue     b I / S                S schedulers, each starts one instruction of one warp per clock
    loads     b (load passes)        the load path serves 128 bytes per clock; scattered lanes need a pass each
    latency   L                      one warp's own chain of instructions that wait for one another; b does not matter
                                     (krishna-gupta-nayak section V: "latency hiding by warp and block switching")

With B blocks on M SMs the busiest SM has n = ceil(B / M) of them, b at a time: floor(n / b) full waves, then the rest.

    memory    bytes / bandwidth      of the whole GPU: every array once; once per wave where it does not fit the L2

What follows of the figures 11-19 of the paper, and what does not, is in tests/kernels/test_paper_figures.py.
What is left out: bank conflicts, caches too small for a block, several kernels at once, clocks that sink under load.
It has not been compared with a GPU yet, so trust what grows and where it bends, not seconds; origin `modelled`.
"""

from dataclasses import dataclass
from math import ceil

from labkit.kernels.launch import WARP, Launch
from labkit.kernels.occupancy import occupancy
from labkit.machine.gpus import GpuData
from labkit.machine.origin import MODELLED

# Assumed clocks until a result can be used, by compute capability: of arithmetic, of a load of recently used global
# memory (from L1, or from L2 where global loads pass by L1: Kepler and consumer Pascal), of an atomic addition in L2.
# They are rounded, and of the size that microbenchmarks report (such as Jia et al., arXiv 1804.06826 and 1903.07486).
ARITHMETIC_CLOCKS = {3: 9, 5: 6, 6: 6}
LOAD_CLOCKS = {(3, 5): 200, (6, 0): 82, (6, 1): 216, (7, 5): 32}
LATER_ARITHMETIC_CLOCKS, LATER_LOAD_CLOCKS, ATOMIC_CLOCKS = 4, 40, 250

SIDE_BY_SIDE = 2  # instructions of a warp under way at once: the addresses of a tap's two operands need not wait
UNROLLED = 4  # the compiler unrolls the innermost loop by four; the loads of four taps are then under way at once
ITEM_INSTRUCTIONS = 60  # to find an item's place and to store it
COPY_INSTRUCTIONS = 30  # to copy one value into shared memory: the same divisions, and a load
ATOMICS_PER_CLOCK = 1  # of one SM, where they hit different addresses
START_S = 2e-6  # from one kernel's end to the next one's first block, on the GPU


@dataclass(frozen=True)
class BlockWork:
    """What one block of a kernel does, and which arrays its grid touches.

    items: values that its threads compute, stride by stride. taps: products that each is the sum of. copies: values
    that all threads first copy into shared memory. atomics: atomic additions per item. passes: of the load path for
    one tap of one warp (1 for 32 neighbours, or for one value that all read; up to 32 where lanes are scattered).
    row: taps of the innermost loop, such as a row of the filter. bytes_once: of all arrays of the whole grid, each
    once. bytes_per_wave: of arrays that every block reads whole.
    """

    items: int
    taps: float
    copies: int = 0
    atomics: int = 0
    passes: float = 2
    row: int = UNROLLED
    bytes_once: int = 0
    bytes_per_wave: int = 0


@dataclass(frozen=True)
class Code:
    """What the machine code of a kernel says: registers per thread, instructions per tap of its innermost loop.

    per_tap: where the loop is unrolled. per_tap_short: for what is left of it, all of a row of three or fewer.
    """

    registers: int
    per_tap: float
    per_tap_short: float
    shared_bytes: int = 0


@dataclass(frozen=True)
class Timing:
    """Seconds of one launch on the GPU, and which bound they come from; the bounds themselves for the busiest SM.

    bound: 'issue', 'loads', 'latency' or 'memory'. waves: blocks of the busiest SM over those that it holds at once.
    """

    seconds: float
    bound: str
    bounds_s: dict[str, float]
    waves: float
    origin: str = MODELLED


def seconds_of(launch: Launch, work: BlockWork, code: Code, gpu: GpuData) -> Timing:
    """The modelled time of one launch; LabError where a block does not fit an SM."""
    held = occupancy(gpu, launch.block, code.registers, launch.shared_bytes + code.shared_bytes).blocks_per_sm
    most = -(-launch.blocks // gpu.multiprocessors)
    waves = [held] * (most // held) + ([most % held] if most % held else [])
    one = {"issue": _issue(work, code, gpu), "loads": _loads(work, code), "latency": 0.0}
    chain = _chain(launch, work, code, gpu)
    clocks = {name: sum(blocks * value for blocks in waves) for name, value in one.items()}
    clocks["latency"] = chain * len(waves)
    total = sum(max(chain, *(blocks * value for value in one.values())) for blocks in waves)
    bounds = {name: value / gpu.clock_Hz for name, value in clocks.items()}
    bounds["memory"] = _bytes(work, gpu, len(waves)) / (gpu.memory_GB_per_s * 1e9)
    bound = max(bounds, key=bounds.get)
    return Timing(max(total / gpu.clock_Hz, bounds["memory"]) + START_S, bound, bounds, most / held)


def _issue(work: BlockWork, code: Code, gpu: GpuData) -> float:
    """Clocks in which an SM issues all instructions of one block."""
    per_item = work.taps * _per_tap(work, code) + ITEM_INSTRUCTIONS
    instructions = per_item * _warps(work.items) + COPY_INSTRUCTIONS * _warps(work.copies)
    return instructions / gpu.sm.schedulers


def _per_tap(work: BlockWork, code: Code) -> float:
    """Instructions per tap: fours of a row in the unrolled loop, the rest of it in the short one."""
    rest = work.row % UNROLLED
    return ((work.row - rest) * code.per_tap + rest * code.per_tap_short) / work.row


def _loads(work: BlockWork, code: Code) -> float:
    """Clocks in which the load path of an SM serves one block."""
    atomics = WARP * work.atomics / ATOMICS_PER_CLOCK
    return (work.taps * work.passes + atomics) * _warps(work.items) + 2 * _warps(work.copies)


def _chain(launch: Launch, work: BlockWork, code: Code, gpu: GpuData) -> float:
    """Clocks that the busiest warp of a block needs when nobody is in its way."""
    step = ARITHMETIC_CLOCKS.get(gpu.capability[0], LATER_ARITHMETIC_CLOCKS) / SIDE_BY_SIDE
    load = LOAD_CLOCKS.get(gpu.capability, LATER_LOAD_CLOCKS)
    unrolled, rest = divmod(work.row, UNROLLED)
    tap = _per_tap(work, code) * step + load * (unrolled + rest) / work.row
    item = work.taps * tap + ITEM_INSTRUCTIONS * step + work.atomics * ATOMIC_CLOCKS
    copy = COPY_INSTRUCTIONS * step + load
    return ceil(work.items / launch.block) * item + ceil(work.copies / launch.block) * copy


def _bytes(work: BlockWork, gpu: GpuData, waves: int) -> float:
    """Bytes from and to memory: blocks of one wave keep step, so they read what all of them read once."""
    fits = work.bytes_per_wave <= gpu.l2_bytes
    return work.bytes_once + (0 if fits else work.bytes_per_wave * (waves - 1))


def _warps(values: int) -> int:
    return -(-values // WARP)
