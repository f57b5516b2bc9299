"""Max and average pooling. FP reads every value once, in the common case by 128 bits; BP writes by 128 bits.

Windows of 2 x 2 side by side, on rows that are a multiple of four long, are read two at a time: four values of each of
two rows. Otherwise a thread has one window; its neighbours' values, which overlap its own or lie beside them, are
mostly in L1. A max pool's FP remembers in `winner` which place of a window, r * S + s, won; BP asks that instead of
comparing again.

Arrays, flat: x, dx [maps, H, W], y, dy [maps, P, Q] float32, winner [maps, P, Q] int32, with maps = N * C.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import ceil

from labkit.kernels.intrinsics import ld, ld4, st, st4
from labkit.kernels.launch import Launch
from labkit.kernels.source import cuda, device_function, float32, int32

THREADS = 128


@dataclass(frozen=True)
class PoolSizes:
    """Windows of R x S over `maps` maps of H x W, and the P x Q results for each."""

    maps: int
    H: int
    W: int
    R: int
    S: int
    stride_h: int
    stride_w: int
    pad_h: int = 0
    pad_w: int = 0

    @property
    def P(self) -> int:
        """Output height."""
        return (self.H + 2 * self.pad_h - self.R) // self.stride_h + 1

    @property
    def Q(self) -> int:
        """Output width."""
        return (self.W + 2 * self.pad_w - self.S) // self.stride_w + 1

    @property
    def pairs(self) -> bool:
        """Whether two windows side by side are four aligned values of each of two rows."""
        windows = (self.R, self.S, self.stride_h, self.stride_w) == (2, 2, 2, 2)
        return windows and not self.pad_h and not self.pad_w and self.W % 4 == 0


def make_forward(sizes: PoolSizes, maximum: bool, keep: bool = True, threads: int = THREADS) -> tuple[Callable, Launch]:
    """Kernel (x, y, winner) of FP, and its launch; winner is written only by a max pool, and only if `keep`.

    maximum: the padding never wins, of equal values the first does, row by row, and a NaN wins over all numbers.
    Otherwise the average, to which the padding contributes zeros.
    """
    make = _pairs if sizes.pairs else _windows
    return make(sizes, maximum, keep and maximum, threads)


@cache
def _windows(sizes: PoolSizes, maximum: bool, keep: bool, threads: int) -> tuple[Callable, Launch]:
    H, W, R, S, P, Q = sizes.H, sizes.W, sizes.R, sizes.S, sizes.P, sizes.Q
    STRIDE_H, STRIDE_W, PAD_H, PAD_W = sizes.stride_h, sizes.stride_w, sizes.pad_h, sizes.pad_w
    RESULTS, SHARE, MAXIMUM, KEEP, BLOCK = sizes.maps * P * Q, 1 / (R * S), maximum, keep, threads

    def pool(x, y, winner):
        i = cuda.blockIdx.x * BLOCK + cuda.threadIdx.x
        if i < RESULTS:
            h, w = i // Q % P * STRIDE_H - PAD_H, i % Q * STRIDE_W - PAD_W
            at, best, where = i // (P * Q) * H * W + h * W + w, float32(-math.inf if MAXIMUM else 0), int32(0)
            for r in range(R):
                for s in range(S):
                    if h + r >= 0 and h + r < H and w + s >= 0 and w + s < W:
                        value = ld(x, at + r * W + s)
                        if not MAXIMUM:
                            best += value
                        elif value > best or value != value:
                            best, where = value, int32(r * S + s)
            st(y, i, best if MAXIMUM else best * float32(SHARE))
            if KEEP:
                st(winner, i, where)

    return pool, Launch((ceil(RESULTS / threads), 1, 1), threads)


@device_function
def largest(a, b, c, d):
    """The largest of a window's four values, and the place at which it is first met."""
    best, where = a, int32(0)
    if b > best or b != b:
        best, where = b, int32(1)
    if c > best or c != c:
        best, where = c, int32(2)
    if d > best or d != d:
        best, where = d, int32(3)
    return best, where


@cache
def _pairs(sizes: PoolSizes, maximum: bool, keep: bool, threads: int) -> tuple[Callable, Launch]:
    H, W, P, Q, MAXIMUM, KEEP, BLOCK = sizes.H, sizes.W, sizes.P, sizes.Q, maximum, keep, threads
    PAIRS = sizes.maps * P * Q // 2

    def pool_pairs(x, y, winner):
        i = cuda.blockIdx.x * BLOCK + cuda.threadIdx.x
        if i < PAIRS:
            at = (i // (P * Q // 2) * H + i // (Q // 2) % P * 2) * W + i % (Q // 2) * 4
            a, b, c, d = ld4(x, at)
            e, f, g, h = ld4(x, at + W)
            if MAXIMUM:
                one, first = largest(a, b, e, f)
                two, second = largest(c, d, g, h)
                if KEEP:
                    st(winner, i * 2, first)
                    st(winner, i * 2 + 1, second)
            else:
                one, two = (a + b + e + f) * float32(0.25), (c + d + g + h) * float32(0.25)
            st(y, i * 2, one)
            st(y, i * 2 + 1, two)

    return pool_pairs, Launch((ceil(PAIRS / threads), 1, 1), threads)


@cache
def make_backward(sizes: PoolSizes, maximum: bool, threads: int = THREADS) -> tuple[Callable, Launch]:
    """Kernel (dy, winner, dx) of BP, and its launch. Each input collects from the windows that contain it.

    maximum: dy of the windows that it won. Otherwise dy / (R * S) of all of them; winner is not read.
    """
    H, W, R, S, P, Q = sizes.H, sizes.W, sizes.R, sizes.S, sizes.P, sizes.Q
    STRIDE_H, STRIDE_W, PAD_H, PAD_W = sizes.stride_h, sizes.stride_w, sizes.pad_h, sizes.pad_w
    LANES, VALUES, SHARE = 1 if W % 4 else 4, sizes.maps * H * W, 1.0 if maximum else 1 / (R * S)
    MAXIMUM, BLOCK = maximum, threads

    def pool_backward(dy, winner, dx):
        values = cuda.local.array(4, float32)
        i = (cuda.blockIdx.x * BLOCK + cuda.threadIdx.x) * LANES
        if i < VALUES:
            n, h, w = i // (H * W), i // W % H + PAD_H, i % W + PAD_W
            for lane in range(LANES):
                total = float32(0)
                for r in range(R):
                    for s in range(S):
                        p, q = (h - r) // STRIDE_H, (w + lane - s) // STRIDE_W
                        meets = p * STRIDE_H == h - r and q * STRIDE_W == w + lane - s
                        if meets and p >= 0 and p < P and q >= 0 and q < Q:
                            at = (n * P + p) * Q + q
                            if not MAXIMUM or ld(winner, at) == r * S + s:
                                total += ld(dy, at)
                values[lane] = total * float32(SHARE)
            if LANES == 4:
                st4(dx, i, values[0], values[1], values[2], values[3])
            else:
                st(dx, i, values[0])

    return pool_backward, Launch((ceil(VALUES / (threads * LANES)), 1, 1), threads)
