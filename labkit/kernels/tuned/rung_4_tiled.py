"""Rung 4: a tiled matrix product, out[k, pixel] = sum over taps and channels of weight * input, read by 128 bits.

Hybrid's block owns one sample and one channel; this one owns 128 channels of 128 pixels, of whichever samples. Each
weight that it fetches meets 128 pixels and each input 128 channels, and of shared memory a thread reads 16 values to
multiply 64 times. The matrix of inputs (C R S rows, N P Q columns) is never stored: its part of the moment is gathered
into shared memory, zeros where a tap falls on the padding. Weights come packed [R * S][C][K], see `pack`.
"""

from collections.abc import Callable
from functools import cache
from math import ceil

from labkit.kernels.intrinsics import copy4z, copy16z, ld, st
from labkit.kernels.launch import WARP, Launch
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.source import cuda, float32, int32
from labkit.kernels.tuned.tiles import LARGE, STEPS, Tile, multiply, refuse_idle_copies


@cache
def make(sizes: ConvSizes, tile: Tile = LARGE) -> tuple[Callable, Launch]:
    """Kernel (x, packed, bias, y), flat. Block (x, y): BN pixels from BN x on, BM channels from BM y on."""
    refuse_idle_copies(tile)
    C, H, W, K, R, S, P, Q = sizes.C, sizes.H, sizes.W, sizes.K, sizes.R, sizes.S, sizes.P, sizes.Q
    STRIDE_H, STRIDE_W, PAD_H, PAD_W, NPQ = sizes.stride_h, sizes.stride_w, sizes.pad_h, sizes.pad_w, sizes.N * P * Q
    BM, BN, BK, TM, TN, THREADS = tile.BM, tile.BN, tile.BK, tile.TM, tile.TN, tile.threads
    LX, LY, WARPS_X, A_GAP, B_GAP = tile.LX, tile.LY, tile.MX // tile.LX, BM * 4 // TM, BN * 4 // TN
    A_SIZE, B_SIZE, SUMS = BK * BM, BK * BN, TM * TN
    C_P, K_P = ceil(C / BK) * BK, ceil(K / 4) * 4  # as packed: with zeros up to whole chunks and whole 16 bytes
    A_COPIES, A_ROWS, B_COPIES, B_ROWS = BK * BM // (4 * THREADS), 4 * THREADS // BM, BK * BN // THREADS, THREADS // BN

    def tiled(x, packed, bias, y):
        a = cuda.shared.array(A_SIZE, float32, alignment=16)
        b = cuda.shared.array(B_SIZE, float32, alignment=16)
        sums = cuda.local.array(SUMS, float32)
        left = cuda.local.array(TM, float32)
        right = cuda.local.array(TN, float32)
        tid, k0, j0 = cuda.threadIdx.x, cuda.blockIdx.y * BM, cuda.blockIdx.x * BN
        tx, ty = tid % LX + tid // WARP % WARPS_X * LX, tid // LX % LY + tid // WARP // WARPS_X * LY
        j, k = j0 + tid % BN, k0 + tid * 4 % BM  # the pixel and the first of four channels that this thread copies
        h0, w0 = int32(j // Q % P * STRIDE_H - PAD_H), int32(j % Q * STRIDE_W - PAD_W)
        origin = int32((j // (P * Q) * C + tid // BN) * H * W + h0 * W + w0)
        for i in range(SUMS):
            sums[i] = float32(0)
        for tap in range(R * S):
            h, w = h0 + tap // S, w0 + tap % S
            inside = j < NPQ and h >= 0 and h < H and w >= 0 and w < W
            at_a = int32((tap * C_P + tid * 4 // BM) * K_P + k)
            at_b = int32(origin + tap // S * W + tap % S if inside else 0)
            for c in range(0, C_P, BK):
                cuda.syncthreads()
                for i in range(A_COPIES):
                    copy16z(a, (tid + i * THREADS) * 4, packed, at_a + i * A_ROWS * K_P, k < K_P)
                for i in range(B_COPIES):
                    ok = inside and c + tid // BN + i * B_ROWS < C
                    copy4z(b, tid + i * THREADS, x, at_b + i * B_ROWS * H * W, ok)
                at_a, at_b = int32(at_a + BK * K_P), int32(at_b + BK * H * W)
                cuda.syncthreads()
                for i in range(0, BK, STEPS):
                    multiply(a, b, sums, left, right, ty * 4 + i * BM, tx * 4 + i * BN, BM, BN, TM, TN, A_GAP, B_GAP)
        for v in range(TN):
            j = j0 + v // 4 * B_GAP + tx * 4 + v % 4
            for i in range(TM):
                k = k0 + i // 4 * A_GAP + ty * 4 + i % 4
                if j < NPQ and k < K:
                    st(y, (j // (P * Q) * K + k) * P * Q + j % (P * Q), sums[i * TN + v] + ld(bias, k))

    tiled.options = {"launch_bounds": (THREADS, tile.blocks_per_sm)}
    return tiled, Launch((ceil(NPQ / BN), ceil(K / BM), 1), THREADS)
