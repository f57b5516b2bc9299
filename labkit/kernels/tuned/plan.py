"""Which kernel, which tile and how many parts a layer gets, and why: the choice that a model of time finds best.

A block of a tiled product does 2 BM BN flops per step of its reduction. A multiprocessor that is full of them reaches
`share` of its FP32 peak: the multiply-adds among the instructions of the kernel's loop or, if that is less, what its
loads from shared memory allow, both read from machine code compiled for sm_90. With B blocks, n of them at once on each
of M multiprocessors, there are floor(B / (M n)) full waves and a last one; the fewer warps there are at once, the less
of their latency they hide, and no chunk of a reduction passes faster than memory answers. Parts (split-K) fill the GPU
where tiles are few, at the price of writing and reading every part once.

A model, not a measurement: it is there to rank choices, and its seconds are optimistic.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import ceil

from labkit.errors import LabError, suggest
from labkit.kernels.launch import WARP
from labkit.kernels.occupancy import occupancy
from labkit.kernels.sizes import ConvSizes, DenseSizes
from labkit.kernels.tuned import maps
from labkit.kernels.tuned.gemm import Product
from labkit.kernels.tuned.recipe import Pick
from labkit.kernels.tuned.tiles import Tile
from labkit.machine import gpus
from labkit.machine.gpus import GpuData
from labkit.machine.origin import MODELLED

DIRECTIONS = ("FP", "BP", "KU")
H200 = gpus.find("h200")
WARPS_HALF = 2  # per multiprocessor, with which it is half as fast as with very many: latency is not hidden (assumed)
CHUNK_S = 0.5e-6  # from the start of a chunk's copies until the last value has arrived
START_S = 3e-6  # of one more kernel
SPLITS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
LEAST_STEPS = 64  # of the reduction in one part
ASYNCHRONOUS_FROM = (8, 0)  # compute capability
MOST_TABLE = 2048  # rows of the tables that `few_channels` keeps in shared memory

_LARGE, _LOW, _NARROW, _SQUARE = (
    Tile(128, 128),
    Tile(64, 128, blocks_per_sm=4),
    Tile(128, 64, blocks_per_sm=4),
    Tile(64, 64, blocks_per_sm=8),
)
_FLAT, _FLATTER = Tile(32, 128, TN=4, blocks_per_sm=4), Tile(16, 128, TM=4, TN=4, blocks_per_sm=4)
_TALL, _WIDE = Tile(64, 32, TN=4, blocks_per_sm=8), Tile(32, 64, TN=4, blocks_per_sm=8)
_SMALL, _LEAST = Tile(32, 32, TM=4, TN=4, blocks_per_sm=8), Tile(16, 32, TM=4, TN=4, blocks_per_sm=8)
_DEEP = {
    tile: Tile(tile.BM, tile.BN, 16, blocks_per_sm=tile.blocks_per_sm) for tile in (_LARGE, _LOW, _NARROW, _SQUARE)
}

SHARES = {
    "implicit": {
        _LARGE: 0.82, _LOW: 0.81, _NARROW: 0.81, _SQUARE: 0.79, _DEEP[_LARGE]: 0.84, _DEEP[_LOW]: 0.83,
        _DEEP[_NARROW]: 0.83, _DEEP[_SQUARE]: 0.79, _FLAT: 0.56, _FLATTER: 0.39, _TALL: 0.52, _WIDE: 0.52, _SMALL: 0.39,
    },
    "few_channels": {
        _LARGE: 0.72, _NARROW: 0.71, _SQUARE: 0.62, _FLAT: 0.42, _FLATTER: 0.27, _TALL: 0.45, _SMALL: 0.31,
    },
    "weights": {
        _LARGE: 0.79, _LOW: 0.77, _NARROW: 0.77, _SQUARE: 0.76, _FLAT: 0.54, _TALL: 0.52, _WIDE: 0.52, _SMALL: 0.39,
    },
    "weights_few": {_LARGE: 0.73, _SQUARE: 0.64, _TALL: 0.52, _SMALL: 0.39, _LEAST: 0.35},
    "gemm": {_LARGE: 0.82, _LOW: 0.79, _NARROW: 0.79, _SQUARE: 0.77, _TALL: 0.52, _WIDE: 0.52, _SMALL: 0.39},
}  # fmt: skip
"""Share of the FP32 peak that the loop of a kernel allows with each of its tiles (origin: modelled, for sm_90)."""


@dataclass(frozen=True)
class Task:
    """A product that a kernel could do: tiles x repeats blocks with `steps` steps each, for `flops` that are wanted.

    values: of the result, all parts of which are written and read once more where there are several. adds: whether the
    kernel needs the sum of parts even if there is only one. divides: whether it can work in parts.
    """

    kernel: str
    tile: Tile
    share: float
    tiles: int
    repeats: int
    steps: float
    values: int
    adds: bool = False
    divides: bool = True


@dataclass(frozen=True)
class Choice(Pick):
    """What `plan` has picked. seconds: of the model, for this GPU. share, blocks_per_sm: see above."""

    what: str = ""
    direction: str = ""
    blocks: int = 1
    blocks_per_sm: int = 1
    multiprocessors: int = 1
    seconds: float = 1.0
    flops: float = 0.0
    share: float = 1.0
    origin: str = MODELLED

    @property
    def waves(self) -> float:
        """How often the GPU is filled with blocks; the part after the point is the last, not full, wave."""
        return self.blocks / (self.multiprocessors * self.blocks_per_sm)

    @property
    def TFLOP_per_s(self) -> float:
        """Useful flops (those of the definition) per modelled second."""
        return self.flops / self.seconds / 1e12

    @property
    def why(self) -> str:
        """One sentence for people."""
        parts = f", its sum divided into {self.split} parts" if self.split > 1 else ""
        return (
            f"{self.direction} of {self.what}: {self.kernel} with tiles of {self.tile.name}{parts}: {self.blocks} "
            f"blocks, {self.blocks_per_sm} at once per multiprocessor, {self.waves:.2f} waves, at most "
            f"{self.share:.0%} of the FP32 peak ({self.origin}: {self.TFLOP_per_s:.1f} TFLOP/s)"
        )


@cache
def plan(sizes: ConvSizes | DenseSizes, direction: str, gpu: GpuData = H200) -> Choice:
    """The fastest of all kernels, tiles and parts that fit, as the model has it.

    direction: 'FP', 'BP' (gradient of the inputs) or 'KU' (of the weights). Raises LabError for another one.
    """
    if direction not in DIRECTIONS:
        raise LabError(f"unknown direction {direction!r}", suggest(direction, DIRECTIONS))
    found = _dense(sizes, direction) if isinstance(sizes, DenseSizes) else _convolution(sizes, direction)
    options = [(task, split) for task in found for split in SPLITS if _sensible(task, split)]
    task, split = min(options, key=lambda option: seconds(*option, gpu))
    return Choice(
        task.kernel,
        task.tile,
        split,
        gpu.capability >= ASYNCHRONOUS_FROM,
        what=str(sizes),
        direction=direction,
        blocks=task.tiles * task.repeats * split,
        blocks_per_sm=_at_once(task.tile, gpu),
        multiprocessors=gpu.multiprocessors,
        seconds=seconds(task, split, gpu),
        flops=2.0 * sizes.macs,
        share=task.share,
    )


def seconds(task: Task, split: int, gpu: GpuData) -> float:
    """Time of one launch, and of adding its parts, by the model of this file's docstring."""
    tile, at_once = task.tile, _at_once(task.tile, gpu)
    chunks = ceil(task.steps / tile.BK / split)
    rate = gpu.sm.cores * 2 * gpu.clock_Hz * task.share

    def wave(blocks: int) -> float:
        warps = blocks * tile.threads / WARP
        busy = warps / (warps + WARPS_HALF)
        return max(blocks * 2 * tile.BM * tile.BN * tile.BK * chunks / (rate * busy), chunks * CHUNK_S)

    full, rest = divmod(task.tiles * task.repeats * split, gpu.multiprocessors * at_once)
    total = START_S + full * wave(at_once) + (wave(ceil(rest / gpu.multiprocessors)) if rest else 0)
    if split > 1 or task.adds:
        total += START_S + 2 * 4 * task.values * split / (gpu.memory_GB_per_s * 1e9)
    return total


def _sensible(task: Task, split: int) -> bool:
    return split == 1 or (task.divides and task.steps // split >= LEAST_STEPS)


def _at_once(tile: Tile, gpu: GpuData) -> int:
    """Blocks on one multiprocessor: as many as the registers were capped for, if shared memory and threads allow."""
    registers = gpu.sm.registers // (tile.blocks_per_sm * tile.threads) // 8 * 8
    shared_bytes = 2 * 4 * (tile.shared_values + 8 * tile.BK)
    return min(tile.blocks_per_sm, occupancy(gpu, tile.threads, min(128, registers), shared_bytes).blocks_per_sm)


def _convolution(z: ConvSizes, direction: str) -> Iterator[Task]:
    C, K, RS = z.C // z.groups, z.K // z.groups, z.R * z.S
    if direction == "KU":
        steps, values = z.N * z.P * z.Q, z.K * C * RS
        for tile, share in SHARES["weights"].items():
            tiles = RS * ceil(C / tile.BN) * ceil(K / tile.BM)
            yield Task("weights", tile, share, tiles, z.groups, steps, values, adds=True)
        for tile, share in SHARES["weights_few"].items():
            tiles = ceil(C * RS / tile.BN) * ceil(K / tile.BM)
            yield Task("weights_few", tile, share, tiles, z.groups, steps, values)
        return
    job = maps.forward(z) if direction == "FP" else maps.backward(z)
    for tile, share in SHARES["implicit"].items():
        tiles = ceil(job.pixels / tile.BN) * ceil(job.made / tile.BM)
        steps = RS / job.kinds * job.summed_padded(tile.BK)  # of a block of average kind
        yield Task("implicit", tile, share, tiles, z.groups * job.kinds, steps, job.out_values)
    if direction == "FP" and C * RS <= MOST_TABLE:
        for tile, share in SHARES["few_channels"].items():
            tiles = ceil(job.pixels / tile.BN) * ceil(job.made / tile.BM)
            steps = ceil(C * RS / tile.BK) * tile.BK
            yield Task("few_channels", tile, share, tiles, z.groups, steps, job.out_values, divides=False)


def product(z: DenseSizes, direction: str) -> Product:
    """The matrix product of one direction of a dense layer, see `gemm`."""
    return {
        "FP": Product(z.N, z.K, z.F, a_across=True, b_across=True),
        "BP": Product(z.N, z.F, z.K, a_across=True, b_across=False),
        "KU": Product(z.K, z.F, z.N, a_across=False, b_across=False),
    }[direction]


def _dense(z: DenseSizes, direction: str) -> Iterator[Task]:
    p = product(z, direction)
    for tile, share in SHARES["gemm"].items():
        tiles = ceil(p.rows / tile.BM) * ceil(p.columns / tile.BN)
        yield Task("gemm", tile, share, tiles, 1, p.steps, p.rows * p.columns)
