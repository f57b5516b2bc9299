"""Rung 2: unchecked accesses to flat arrays. `ld(x, i)` instead of `x[n, c, h, w]`.

Python lets an index be negative and count from the end, so every x[i] of Numba compares i with 0 and selects. Nothing
in this kernel is negative; to say so saves most of its instructions.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from labkit.kernels.intrinsics import ld, st
from labkit.kernels.launch import Launch
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.source import cuda, float32
from labkit.kernels.tuned.rung_0_textbook import make as textbook


@cache
def make(sizes: ConvSizes) -> tuple[Callable, Launch]:
    """Kernel (x, weight, bias, y), the arrays of rung 1 laid flat; block (n, k) as there."""
    C, H, W, K, R, S, P, Q = sizes.C, sizes.H, sizes.W, sizes.K, sizes.R, sizes.S, sizes.P, sizes.Q
    STRIDE_H, STRIDE_W, PAD_H, PAD_W = sizes.stride_h, sizes.stride_w, sizes.pad_h, sizes.pad_w
    CRS = C * R * S

    def unchecked(x, weight, bias, y):
        n, k = cuda.blockIdx.x, cuda.blockIdx.y
        filt = cuda.shared.array(CRS, float32)
        for i in range(cuda.threadIdx.x, CRS, cuda.blockDim.x):
            st(filt, i, ld(weight, k * CRS + i))
        cuda.syncthreads()
        for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
            p, q = i // Q, i % Q
            total = ld(bias, k)
            for c in range(C):
                for r in range(R):
                    for s in range(S):
                        h, w = p * STRIDE_H - PAD_H + r, q * STRIDE_W - PAD_W + s
                        if h >= 0 and h < H and w >= 0 and w < W:
                            total += ld(x, (n * C + c) * H * W + h * W + w) * ld(filt, (c * R + r) * S + s)
            st(y, (n * K + k) * P * Q + i, total)

    return unchecked, replace(textbook(sizes)[1], shared_bytes=0)
