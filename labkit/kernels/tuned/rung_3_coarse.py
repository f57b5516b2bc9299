"""Rung 3: register coarsening. A thread computes 8 pixels of 4 channels, so that what it has loaded is used often.

Rungs 0 to 2 load two values per multiplication. Here a row of inputs, once in registers, meets four filters and all S
taps, and a weight meets eight pixels. A block now holds four filters; where they do not fit, some channels at a time.
"""

from collections.abc import Callable
from functools import cache
from math import ceil

from labkit.kernels.intrinsics import ld, st
from labkit.kernels.launch import Launch
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.source import cuda, float32

PIXELS = 8  # side by side in one row of the output
FILTERS = 4
MOST_SHARED = 4096  # float32 values of shared memory for filters


@cache
def make(sizes: ConvSizes, threads: int = 128) -> tuple[Callable, Launch]:
    """Kernel (x, weight, bias, y), flat. Block (n, k, z): four filters from 4 k on, `threads` runs of 8 pixels."""
    C, H, W, K, R, S, P, Q = sizes.C, sizes.H, sizes.W, sizes.K, sizes.R, sizes.S, sizes.P, sizes.Q
    STRIDE_H, STRIDE_W, PAD_H, PAD_W = sizes.stride_h, sizes.stride_w, sizes.pad_h, sizes.pad_w
    CRS, RUNS, ROW, SUMS, THREADS = C * R * S, ceil(Q / PIXELS), (PIXELS - 1) * STRIDE_W + S, PIXELS * FILTERS, threads
    CHANNELS = max(1, min(C, MOST_SHARED // (FILTERS * R * S)))
    PART, SHARED = CHANNELS * R * S, FILTERS * CHANNELS * R * S

    def coarse(x, weight, bias, y):
        filt = cuda.shared.array(SHARED, float32)
        sums = cuda.local.array(SUMS, float32)
        row = cuda.local.array(ROW, float32)
        n, k0 = cuda.blockIdx.x, cuda.blockIdx.y * FILTERS
        run = cuda.blockIdx.z * THREADS + cuda.threadIdx.x
        p, q = run // RUNS, run % RUNS * PIXELS
        h0, w0 = p * STRIDE_H - PAD_H, q * STRIDE_W - PAD_W
        for i in range(SUMS):
            sums[i] = float32(0)
        for c0 in range(0, C, CHANNELS):
            cuda.syncthreads()
            for i in range(cuda.threadIdx.x, SHARED, THREADS):
                k, at = k0 + i // PART, c0 * R * S + i % PART
                st(filt, i, ld(weight, k * CRS + at) if k < K and at < CRS else float32(0))
            cuda.syncthreads()
            for c in range(c0, min(C, c0 + CHANNELS)):
                for r in range(R):
                    if p < P and h0 + r >= 0 and h0 + r < H:
                        at = ((n * C + c) * H + h0 + r) * W + w0
                        for i in range(ROW):
                            row[i] = ld(x, at + i) if w0 + i >= 0 and w0 + i < W else float32(0)
                        for s in range(S):
                            for k in range(FILTERS):
                                tap = ld(filt, k * PART + ((c - c0) * R + r) * S + s)
                                for i in range(PIXELS):
                                    sums[k * PIXELS + i] += tap * row[i * STRIDE_W + s]
        for k in range(FILTERS):
            for i in range(PIXELS):
                if k0 + k < K and p < P and q + i < Q:
                    st(y, ((n * K + k0 + k) * P + p) * Q + q + i, sums[k * PIXELS + i] + ld(bias, k0 + k))

    return coarse, Launch((sizes.N, ceil(K / FILTERS), ceil(P * RUNS / threads)), threads)
