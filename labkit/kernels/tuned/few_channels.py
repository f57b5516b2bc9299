"""FP of a convolution with few input channels, such as the first layer of a network: `implicit` in another order.

`implicit` takes BK channels of one tap at a time; of three channels that would be mostly zeros. Here the rows of the
reduction are (c, r, s), as the weights are stored. Which tap of which channel row k is, and how far its inputs lie from
those of row 0, a block works out once and keeps in two tables in shared memory.
"""

from collections.abc import Callable
from functools import cache
from math import ceil

from labkit.kernels.intrinsics import (
    copy4z,
    cp_async4z,
    cp_async_commit,
    cp_async_wait0,
    ld,
    st,
)
from labkit.kernels.launch import WARP, Launch
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.source import cuda, device_function, float32, int32
from labkit.kernels.tuned import maps
from labkit.kernels.tuned.implicit import fetch_weights, put
from labkit.kernels.tuned.tiles import STEPS, Tile, multiply

ROW_BITS = 10
ROW = 1 << ROW_BITS  # tap (r, s) is kept as r * ROW + s
NEVER = 1 << 30  # as a tap: so far down that no image reaches it, for rows beyond the last


@device_function
def gather(x, b, i, offset, tap, first, h0, w0, origin, mine, H, W, copies, apart, threads, asynchronous):
    """Copy the inputs of one pixel that rows first, first + apart, ... of the reduction read."""
    for n in range(copies):
        place = ld(tap, first + n * apart)
        h, w = int32(h0 + (place >> ROW_BITS)), int32(w0 + (place & ROW - 1))
        ok = mine and h >= 0 and h < H and w >= 0 and w < W
        at = int32(origin + ld(offset, first + n * apart) if ok else 0)
        if asynchronous:
            cp_async4z(b, i + n * threads, x, at, ok)
        else:
            copy4z(b, i + n * threads, x, at, ok)


@cache
def make(sizes: ConvSizes, tile: Tile, function: int = 0, asynchronous: bool = True) -> tuple[Callable, Launch]:
    """Kernel (x, packed, bias, y), all flat float32, and its launch; packed: from `pack` with taps_first=False.

    function: index of f in `activate.FUNCTIONS`. Block (x, y, z): BN pixels x, BM filters y of group z.
    """
    job = maps.forward(sizes)
    G, C, K, H, W, R, S, Q = job.groups, job.summed, job.made, job.H, job.W, job.R, job.S, sizes.Q
    STRIDE_H, STRIDE_W, PAD_H, PAD_W = sizes.stride_h, sizes.stride_w, sizes.pad_h, sizes.pad_w
    BM, BN, BK, TM, TN, THREADS = tile.BM, tile.BN, tile.BK, tile.TM, tile.TN, tile.threads
    LX, LY, WARPS_X, A_GAP, B_GAP = tile.LX, tile.LY, tile.MX // tile.LX, BM * 4 // TM, BN * 4 // TN
    A_SIZE, B_SIZE, A_BOTH, B_BOTH, SUMS = BK * BM, BK * BN, 2 * BK * BM, 2 * BK * BN, TM * TN
    CRS, PQ, PIXELS, K_P, VECTORS = C * R * S, sizes.P * Q, job.pixels, job.made_padded, job.vectors
    CHUNKS, LANES, TABLE = ceil(CRS / BK), 4 if job.vectors else 1, ceil(CRS / BK) * BK
    A_COPIES, A_STEPS, ALL_COPY = ceil(A_SIZE / (4 * THREADS)), (4 * THREADS, 4 * THREADS // BM * K_P), tile.all_copy
    B_COPIES, B_ROWS = B_SIZE // THREADS, THREADS // BN
    FUNCTION, ASYNCHRONOUS = function, asynchronous

    def few_channels(x, packed, bias, y):
        a = cuda.shared.array(A_BOTH, float32, alignment=16)
        b = cuda.shared.array(B_BOTH, float32, alignment=16)
        sums = cuda.local.array(SUMS, float32)
        left = cuda.local.array(TM, float32)
        right = cuda.local.array(TN, float32)
        offset = cuda.shared.array(TABLE, int32)
        tap = cuda.shared.array(TABLE, int32)
        tid, k0, j0, group = cuda.threadIdx.x, cuda.blockIdx.y * BM, cuda.blockIdx.x * BN, cuda.blockIdx.z
        tx, ty = tid % LX + tid // WARP % WARPS_X * LX, tid // LX % LY + tid // WARP // WARPS_X * LY
        j, k = j0 + tid % BN, k0 + tid * 4 % BM
        n, i = j // PQ, j % PQ
        h0, w0 = int32(i // Q * STRIDE_H - PAD_H), int32(i % Q * STRIDE_W - PAD_W)
        origin = int32(((n * G + group) * C * H + h0) * W + w0)
        at_a, mine = int32((group * CHUNKS * BK + tid * 4 // BM) * K_P + k), j < PIXELS
        for i in range(SUMS):
            sums[i] = float32(0)
        for i in range(tid, TABLE, THREADS):
            st(offset, i, int32((i // (R * S) * H + i // S % R) * W + i % S))
            st(tap, i, int32(i // S % R * ROW + i % S if i < CRS else NEVER))
        cuda.syncthreads()
        for coming in range(CHUNKS + 1):
            half = coming & 1
            if ASYNCHRONOUS:
                cp_async_wait0()
            cuda.syncthreads()
            if coming < CHUNKS:
                if ALL_COPY or tid * 4 < A_SIZE:
                    fetch_weights(packed, a, tid * 4 + half * A_SIZE, at_a, k < K_P, A_COPIES, A_STEPS, ASYNCHRONOUS)
                row = int32(coming * BK + tid // BN)
                gather(x, b, tid + half * B_SIZE, offset, tap, row, h0, w0, origin, mine, H, W, B_COPIES, B_ROWS,
                       THREADS, ASYNCHRONOUS)  # fmt: skip
                at_a = int32(at_a + BK * K_P)
                if ASYNCHRONOUS:
                    cp_async_commit()
            if coming > 0:
                at_a0, at_b0 = ty * 4 + (1 - half) * A_SIZE, tx * 4 + (1 - half) * B_SIZE
                for i in range(0, BK, STEPS):
                    multiply(a, b, sums, left, right, at_a0 + i * BM, at_b0 + i * BN, BM, BN, TM, TN, A_GAP, B_GAP)
        for v in range(0, TN, LANES):
            j = j0 + v // 4 * B_GAP + tx * 4 + v % 4
            for i in range(TM):
                k = k0 + i // 4 * A_GAP + ty * 4 + i % 4
                if j < PIXELS and k < K:
                    at = ((j // PQ * G + group) * K + k) * PQ + j % PQ
                    put(y, at, sums, i * TN + v, ld(bias, group * K + k), FUNCTION, VECTORS)

    few_channels.options = {"launch_bounds": (THREADS, tile.blocks_per_sm)}
    return few_channels, Launch((ceil(PIXELS / BN), ceil(K / BM), G), THREADS)
