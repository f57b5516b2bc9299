"""Rung 1: shapes compiled in. The textbook hybrid kernel, with every size a constant of the compiler.

Divisions become multiplications, loops over a filter's taps unroll, and strides of the arrays need no registers.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from labkit.kernels.launch import Launch
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.source import cuda, float32
from labkit.kernels.tuned.rung_0_textbook import make as textbook


@cache
def make(sizes: ConvSizes) -> tuple[Callable, Launch]:
    """Kernel (x [N, C, H, W], weight [K, C, R, S], bias [K], y [N, K, P, Q]) for one group; blocks as in hybrid."""
    C, H, W, R, S, P, Q = sizes.C, sizes.H, sizes.W, sizes.R, sizes.S, sizes.P, sizes.Q
    STRIDE_H, STRIDE_W, PAD_H, PAD_W = sizes.stride_h, sizes.stride_w, sizes.pad_h, sizes.pad_w
    CRS = C * R * S

    def shapes_compiled_in(x, weight, bias, y):
        n, k = cuda.blockIdx.x, cuda.blockIdx.y
        filt = cuda.shared.array(CRS, float32)
        for i in range(cuda.threadIdx.x, CRS, cuda.blockDim.x):
            filt[i] = weight[k, i // (R * S), i // S % R, i % S]
        cuda.syncthreads()
        for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
            p, q = i // Q, i % Q
            total = bias[k]
            for c in range(C):
                for r in range(R):
                    for s in range(S):
                        h, w = p * STRIDE_H - PAD_H + r, q * STRIDE_W - PAD_W + s
                        if h >= 0 and h < H and w >= 0 and w < W:
                            total += x[n, c, h, w] * filt[(c * R + r) * S + s]
            y[n, k, p, q] = total

    return shapes_compiled_in, replace(textbook(sizes)[1], shared_bytes=0)
