"""Rung 5: asynchronous double buffering. The next chunk is on its way while this one is multiplied.

Rung 4 waits for every chunk as long as global memory takes to answer. Here there are two halves of shared memory: the
block starts the copies of chunk i + 1 into the one, multiplies chunk i in the other, and only then waits. The copies
(cp.async) bypass the registers, and one barrier per chunk is enough. Chunks count through the taps, C / BK for each.
"""

from collections.abc import Callable
from functools import cache
from math import ceil

from labkit.kernels.intrinsics import cp_async4z, cp_async16z, cp_async_commit, cp_async_wait0, ld, st
from labkit.kernels.launch import WARP, Launch
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.source import cuda, float32, int32
from labkit.kernels.tuned.tiles import LARGE, STEPS, Tile, multiply, refuse_idle_copies


@cache
def make(sizes: ConvSizes, tile: Tile = LARGE) -> tuple[Callable, Launch]:
    """Kernel (x, packed, bias, y), flat, and blocks as in rung 4. Needs compute capability 8.0."""
    refuse_idle_copies(tile)
    C, H, W, K, R, S, P, Q = sizes.C, sizes.H, sizes.W, sizes.K, sizes.R, sizes.S, sizes.P, sizes.Q
    STRIDE_H, STRIDE_W, PAD_H, PAD_W, NPQ = sizes.stride_h, sizes.stride_w, sizes.pad_h, sizes.pad_w, sizes.N * P * Q
    BM, BN, BK, TM, TN, THREADS = tile.BM, tile.BN, tile.BK, tile.TM, tile.TN, tile.threads
    LX, LY, WARPS_X, A_GAP, B_GAP = tile.LX, tile.LY, tile.MX // tile.LX, BM * 4 // TM, BN * 4 // TN
    A_SIZE, B_SIZE, A_BOTH, B_BOTH, SUMS = BK * BM, BK * BN, 2 * BK * BM, 2 * BK * BN, TM * TN
    PER_TAP, K_P = ceil(C / BK), ceil(K / 4) * 4
    CHUNKS = R * S * PER_TAP
    A_COPIES, A_ROWS, B_COPIES, B_ROWS = BK * BM // (4 * THREADS), 4 * THREADS // BM, BK * BN // THREADS, THREADS // BN

    def asynchronous(x, packed, bias, y):
        a = cuda.shared.array(A_BOTH, float32, alignment=16)
        b = cuda.shared.array(B_BOTH, float32, alignment=16)
        sums = cuda.local.array(SUMS, float32)
        left = cuda.local.array(TM, float32)
        right = cuda.local.array(TN, float32)
        tid, k0, j0 = cuda.threadIdx.x, cuda.blockIdx.y * BM, cuda.blockIdx.x * BN
        tx, ty = tid % LX + tid // WARP % WARPS_X * LX, tid // LX % LY + tid // WARP // WARPS_X * LY
        j, k = j0 + tid % BN, k0 + tid * 4 % BM
        h0, w0 = int32(j // Q % P * STRIDE_H - PAD_H), int32(j % Q * STRIDE_W - PAD_W)
        origin = int32((j // (P * Q) * C + tid // BN) * H * W + h0 * W + w0)
        weights = int32(tid * 4 // BM * K_P + k)
        for i in range(SUMS):
            sums[i] = float32(0)
        for coming in range(CHUNKS + 1):
            cp_async_wait0()
            cuda.syncthreads()
            half = coming & 1
            if coming < CHUNKS:
                tap, c = coming // PER_TAP, coming % PER_TAP * BK
                r, s = tap // S, tap % S
                inside = j < NPQ and h0 + r >= 0 and h0 + r < H and w0 + s >= 0 and w0 + s < W
                at_b = int32(origin + (c * H + r) * W + s if inside else 0)
                for i in range(A_COPIES):
                    to, at_a = (tid + i * THREADS) * 4 + half * A_SIZE, weights + (coming * BK + i * A_ROWS) * K_P
                    cp_async16z(a, to, packed, at_a, k < K_P)
                for i in range(B_COPIES):
                    ok = inside and c + tid // BN + i * B_ROWS < C
                    cp_async4z(b, tid + i * THREADS + half * B_SIZE, x, at_b + i * B_ROWS * H * W, ok)
                cp_async_commit()
            if coming > 0:
                at_a, at_b = ty * 4 + (1 - half) * A_SIZE, tx * 4 + (1 - half) * B_SIZE
                for i in range(0, BK, STEPS):
                    multiply(a, b, sums, left, right, at_a + i * BM, at_b + i * BN, BM, BN, TM, TN, A_GAP, B_GAP)
        for v in range(TN):
            j = j0 + v // 4 * B_GAP + tx * 4 + v % 4
            for i in range(TM):
                k = k0 + i // 4 * A_GAP + ty * 4 + i % 4
                if j < NPQ and k < K:
                    st(y, (j // (P * Q) * K + k) * P * Q + j % (P * Q), sums[i * TN + v] + ld(bias, k))

    asynchronous.options = {"launch_bounds": (THREADS, tile.blocks_per_sm)}
    return asynchronous, Launch((ceil(NPQ / BN), ceil(K / BM), 1), THREADS)
