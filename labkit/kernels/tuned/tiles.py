"""The inner part of every tuned matrix product: a block's tile of the result, and eight steps of its reduction.

out[m, j] = sum over k of a[k, m] * b[k, j]. A block owns BM x BN values of out; each of its threads owns TM x TN of
them and keeps their sums in registers. BK values of k at a time lie in shared memory, a as [BK][BM], b as [BK][BN].
Per step of k a thread reads TM + TN values and multiplies and adds TM * TN times: that is what tiling buys.

A thread's values are groups of 4 x 4: four neighbours are one 128-bit access, and the next group is a whole tile's
width of such groups away, so that at any moment neighbouring threads read neighbouring 16 bytes.
"""

from dataclasses import dataclass

from labkit.errors import LabError
from labkit.kernels.intrinsics import ld4
from labkit.kernels.launch import WARP
from labkit.kernels.source import device_function

STEPS = 8  # of the reduction that `multiply` does; BK is a multiple of it


@dataclass(frozen=True)
class Tile:
    """BM x BN values of the result per block, BK steps of the reduction per chunk, TM x TN values per thread.

    blocks_per_sm: with how many blocks on one multiprocessor the compiler is to make do with registers. Raises LabError
    where the threads do not fill whole warps of LX x LY, or a tile of `b` is narrower than a row of threads.
    """

    BM: int
    BN: int
    BK: int = 8
    TM: int = 8
    TN: int = 8
    blocks_per_sm: int = 2

    def __post_init__(self) -> None:
        fits = self.MX % self.LX == 0 and (self.BM // self.TM) % self.LY == 0 and self.BK % STEPS == 0
        if not fits or self.TM % 4 or self.TN % 4:
            raise LabError(f"no block of warps computes {self}", "take e.g. Tile(64, 64) or Tile(16, 32, TM=4, TN=4)")

    @property
    def name(self) -> str:
        """Such as '128x128'."""
        return f"{self.BM}x{self.BN}"

    @property
    def threads(self) -> int:
        """Per block."""
        return (self.BM // self.TM) * (self.BN // self.TN)

    @property
    def MX(self) -> int:
        """Threads side by side along BN."""
        return self.BN // self.TN

    @property
    def LX(self) -> int:
        """Lanes of one warp side by side along BN; 8 x 4 lanes read the fewest different 16 bytes."""
        return min(8, self.MX)

    @property
    def LY(self) -> int:
        """Lanes of one warp along BM."""
        return WARP // self.LX

    @property
    def all_copy(self) -> bool:
        """Whether there are 16 bytes of a chunk of `a` for every thread to copy."""
        return 4 * self.threads <= self.BK * self.BM

    @property
    def shared_values(self) -> int:
        """float32 values of shared memory that one chunk of a and b takes."""
        return self.BK * (self.BM + self.BN)


LARGE = Tile(128, 128)


def refuse_idle_copies(tile: Tile) -> None:
    """Raise LabError for a tile so low that some threads would have nothing to copy of `a`."""
    if not tile.all_copy:
        raise LabError(f"{tile} leaves threads without a copy, which this kernel does not expect", "take Tile(64, 64)")


@device_function
def multiply(a, b, sums, left, right, i, j, a_row, b_row, TM, TN, a_gap, b_gap):
    """Eight steps: sums[TM, TN] += a[i + step * a_row + ...] * b[j + step * b_row + ...].

    left[TM], right[TN]: registers. a_gap, b_gap: from one group of four to a thread's next. Written out, because the
    compiler unrolls the loops over registers but not one around them, and a rolled loop costs an eighth of the speed.
    """
    _step(a, b, sums, left, right, i, j, TM, TN, a_gap, b_gap)
    _step(a, b, sums, left, right, i + a_row, j + b_row, TM, TN, a_gap, b_gap)
    _step(a, b, sums, left, right, i + 2 * a_row, j + 2 * b_row, TM, TN, a_gap, b_gap)
    _step(a, b, sums, left, right, i + 3 * a_row, j + 3 * b_row, TM, TN, a_gap, b_gap)
    _step(a, b, sums, left, right, i + 4 * a_row, j + 4 * b_row, TM, TN, a_gap, b_gap)
    _step(a, b, sums, left, right, i + 5 * a_row, j + 5 * b_row, TM, TN, a_gap, b_gap)
    _step(a, b, sums, left, right, i + 6 * a_row, j + 6 * b_row, TM, TN, a_gap, b_gap)
    _step(a, b, sums, left, right, i + 7 * a_row, j + 7 * b_row, TM, TN, a_gap, b_gap)


@device_function
def _step(a, b, sums, left, right, i, j, TM, TN, a_gap, b_gap):
    for m in range(TM // 4):
        left[m * 4], left[m * 4 + 1], left[m * 4 + 2], left[m * 4 + 3] = ld4(a, i + m * a_gap)
    for n in range(TN // 4):
        right[n * 4], right[n * 4 + 1], right[n * 4 + 2], right[n * 4 + 3] = ld4(b, j + n * b_gap)
    for m in range(TM):
        for n in range(TN):
            sums[m * TN + n] += left[m] * right[n]
