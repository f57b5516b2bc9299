"""Dense layers: out[m, j] = sum over k of a[k, m] * b[k, j], for matrices stored one way or the other.

    FP  y[n, k] = sum over f of x[n, f] * weight[k, f]     both stored with the summed index innermost: "across"
    BP  dx[n, f] = sum over k of dy[n, k] * weight[k, f]   dy across; weight as the product wants it: "along"
    KU  dweight[k, f] = sum over n of dy[n, k] * x[n, f]   both along

A matrix stored along is copied 16 bytes at a time where its rows begin at such boundaries; one stored across is turned
round on its way into shared memory, as in `weights`. The reduction is divided into parts where there are few tiles.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import ceil

from labkit.errors import LabError
from labkit.kernels.intrinsics import (
    copy4z,
    copy16z,
    cp_async4z,
    cp_async16z,
    cp_async_commit,
    cp_async_wait0,
    st,
    st4,
)
from labkit.kernels.launch import WARP, Launch
from labkit.kernels.source import cuda, device_function, float32, int32
from labkit.kernels.tuned.parts import finished
from labkit.kernels.tuned.tiles import STEPS, Tile, multiply
from labkit.kernels.tuned.weights import SKEW


@dataclass(frozen=True)
class Product:
    """out[rows, columns] = sum over `steps` values of k of a[k, row] * b[k, column].

    a_across: a is stored [rows][steps], otherwise [steps][rows]; b_across the same with columns.
    """

    rows: int
    columns: int
    steps: int
    a_across: bool
    b_across: bool


@dataclass(frozen=True)
class Moves:
    """How the threads of a block copy a tile [BK][extent] of one matrix: thread t's first value, and the next ones.

    First: step t // per_step for along, t % BK for across; `values` at once. Then `copies` times step_apart steps and
    row_apart rows on. step_stride, row_stride: how far apart neighbours are in global memory.
    """

    across: bool
    values: int
    copies: int
    step_apart: int
    row_apart: int
    step_stride: int
    row_stride: int

    @property
    def source_apart(self) -> int:
        """From one copy to the next in global memory."""
        return self.step_apart * self.step_stride + self.row_apart * self.row_stride


def moves(extent: int, rows: int, steps: int, across: bool, tile: Tile, aligned: bool) -> Moves:
    """Moves of a matrix with `rows` rows for a tile of `extent` rows; LabError for one with too many threads for it."""
    if across:
        apart = tile.threads // tile.BK
        return Moves(True, 1, extent // apart, 0, apart, 1, steps)
    values = 4 if rows % 4 == 0 and aligned else 1
    apart = values * tile.threads // extent
    if apart > tile.BK:
        raise LabError(f"{tile} leaves threads without a copy, which this kernel does not expect", "take Tile(64, 64)")
    return Moves(False, values, tile.BK // apart, apart, 0, rows, 1)


@device_function
def bring(dst, i, src, j, steps, rows, values, copies, step_apart, row_apart, dst_apart, src_apart, asynchronous):
    """Copy `values` values `copies` times; zeros where the step or the row is not among the `steps`, `rows` left."""
    for n in range(copies):
        ok = n * step_apart < steps and n * row_apart < rows
        if values == 4:
            if asynchronous:
                cp_async16z(dst, i + n * dst_apart, src, j + n * src_apart, ok)
            else:
                copy16z(dst, i + n * dst_apart, src, j + n * src_apart, ok)
        elif asynchronous:
            cp_async4z(dst, i + n * dst_apart, src, j + n * src_apart, ok)
        else:
            copy4z(dst, i + n * dst_apart, src, j + n * src_apart, ok)


@cache
def make(
    product: Product,
    tile: Tile,
    split: int = 1,
    function: int = 0,
    add_bias: bool = False,
    asynchronous: bool = True,
    aligned: bool = True,
) -> tuple[Callable, Launch]:
    """Kernel (a, b, bias, out), all flat float32, and its launch. out: [split][rows][columns].

    bias [columns]: read only if `add_bias`. function: index of f in `activate.FUNCTIONS`; with split > 1 bias and f
    belong into `parts`, which adds the parts. aligned: False where b or out does not begin at a 16-byte boundary.
    Block (x, y, z): BN columns x, BM rows y, part z.
    """
    M, J, KS = product.rows, product.columns, product.steps
    BM, BN, BK, TM, TN, THREADS = tile.BM, tile.BN, tile.BK, tile.TM, tile.TN, tile.threads
    LX, LY, WARPS_X, A_GAP, B_GAP = tile.LX, tile.LY, tile.MX // tile.LX, BM * 4 // TM, BN * 4 // TN
    A_ROW, B_ROW = BM + SKEW, BN + SKEW
    A_SIZE, B_SIZE, A_BOTH, B_BOTH, SUMS = BK * A_ROW, BK * B_ROW, 2 * BK * A_ROW, 2 * BK * B_ROW, TM * TN
    one, two = moves(BM, M, KS, product.a_across, tile, True), moves(BN, J, KS, product.b_across, tile, aligned)
    A_ACROSS, A_VALUES, A_COPIES, A_STEP, A_APART = one.across, one.values, one.copies, one.step_stride, one.step_apart
    B_ACROSS, B_VALUES, B_COPIES, B_STEP, B_APART = two.across, two.values, two.copies, two.step_stride, two.step_apart
    A_NEXT, A_ROWS, A_LINE, A_TO = one.source_apart, one.row_apart, one.row_stride, A_APART * A_ROW + one.row_apart
    B_NEXT, B_ROWS, B_LINE, B_TO = two.source_apart, two.row_apart, two.row_stride, B_APART * B_ROW + two.row_apart
    CHUNKS, ASYNCHRONOUS, VECTORS = ceil(KS / (BK * split)), asynchronous, J % 4 == 0 and aligned
    WHOLE, FUNCTION, BIAS = KS % (BK * split) == 0, function, add_bias

    def product_of_matrices(a, b, bias, out):
        a_tile = cuda.shared.array(A_BOTH, float32, alignment=16)
        b_tile = cuda.shared.array(B_BOTH, float32, alignment=16)
        sums = cuda.local.array(SUMS, float32)
        left = cuda.local.array(TM, float32)
        right = cuda.local.array(TN, float32)
        tid, m0, j0, part = cuda.threadIdx.x, cuda.blockIdx.y * BM, cuda.blockIdx.x * BN, cuda.blockIdx.z
        tx, ty = tid % LX + tid // WARP % WARPS_X * LX, tid // LX % LY + tid // WARP // WARPS_X * LY
        a_step, a_line = (tid % BK, tid // BK) if A_ACROSS else (tid * A_VALUES // BM, tid * A_VALUES % BM)
        b_step, b_line = (tid % BK, tid // BK) if B_ACROSS else (tid * B_VALUES // BN, tid * B_VALUES % BN)
        at_a = int32((part * CHUNKS * BK + a_step) * A_STEP + (m0 + a_line) * A_LINE)
        at_b = int32((part * CHUNKS * BK + b_step) * B_STEP + (j0 + b_line) * B_LINE)
        for i in range(SUMS):
            sums[i] = float32(0)
        for coming in range(CHUNKS + 1):
            half = coming & 1
            if ASYNCHRONOUS:
                cp_async_wait0()
            cuda.syncthreads()
            if coming < CHUNKS:
                more = BK if WHOLE else KS - (part * CHUNKS + coming) * BK
                more_a, more_b = (BK, BK) if WHOLE else (more - a_step, more - b_step)
                i, j = a_step * A_ROW + a_line + half * A_SIZE, b_step * B_ROW + b_line + half * B_SIZE
                bring(a_tile, i, a, at_a, more_a, M - m0 - a_line, A_VALUES, A_COPIES, A_APART, A_ROWS, A_TO, A_NEXT,
                      ASYNCHRONOUS)  # fmt: skip
                bring(b_tile, j, b, at_b, more_b, J - j0 - b_line, B_VALUES, B_COPIES, B_APART, B_ROWS, B_TO, B_NEXT,
                      ASYNCHRONOUS)  # fmt: skip
                at_a, at_b = int32(at_a + BK * A_STEP), int32(at_b + BK * B_STEP)
                if ASYNCHRONOUS:
                    cp_async_commit()
            if coming > 0:
                i, j = ty * 4 + (1 - half) * A_SIZE, tx * 4 + (1 - half) * B_SIZE
                for k in range(0, BK, STEPS):
                    multiply(a_tile, b_tile, sums, left, right, i + k * A_ROW, j + k * B_ROW, A_ROW, B_ROW, TM, TN,
                             A_GAP, B_GAP)  # fmt: skip
        for v in range(0, TN, 4):
            j = j0 + v // 4 * B_GAP + tx * 4
            for i in range(TM):
                m = m0 + i // 4 * A_GAP + ty * 4 + i % 4
                at = (part * M + m) * J + j
                if VECTORS and m < M and j < J:
                    x = finished(bias, sums[i * TN + v], j, 1, J, FUNCTION, BIAS)
                    y = finished(bias, sums[i * TN + v + 1], j + 1, 1, J, FUNCTION, BIAS)
                    z = finished(bias, sums[i * TN + v + 2], j + 2, 1, J, FUNCTION, BIAS)
                    w = finished(bias, sums[i * TN + v + 3], j + 3, 1, J, FUNCTION, BIAS)
                    st4(out, at, x, y, z, w)
                elif m < M:
                    for u in range(4):
                        if j + u < J:
                            st(out, at + u, finished(bias, sums[i * TN + v + u], j + u, 1, J, FUNCTION, BIAS))

    product_of_matrices.options = {"launch_bounds": (THREADS, tile.blocks_per_sm)}
    return product_of_matrices, Launch((ceil(J / BN), ceil(M / BM), split), THREADS)
