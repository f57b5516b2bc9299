"""FP of batch normalisation (Ioffe and Szegedy 2015, algorithm 1), with the ReLU and the residual addition after it.

    y = f((x - mean) / sqrt(variance + epsilon) * weight + bias + other)       f: ReLU or nothing; other: or nothing

Fused, x is read twice and y written once, where three layers would read five maps and write three. Mean and variance
of a channel are over M = N * plane values. Blocks sum x - x0 and its square over their share of the samples, with x0
the channel's first value: no digits are lost where the mean is large, and one pass is enough. `finish` adds the shares.

Arrays, flat float32: x, other, y [N, C, plane]; weight, bias, running_mean, running_variance [C]; parts [2][split][C];
kept [2][C], mean and 1 / sqrt(variance + epsilon), which BP needs as well.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import ceil

from labkit.kernels.intrinsics import ld, ld4, st, st4
from labkit.kernels.launch import Launch
from labkit.kernels.source import cuda, device_function, float32
from labkit.kernels.tuned.channel_sums import halvings

THREADS = 256
BLOCKS_WANTED = 1024  # of a sum over all channels: each multiprocessor gets several


@dataclass(frozen=True)
class NormSizes:
    """Batch normalisation over x [N, C, plane] (plane = 1 for vectors).

    relu, add: what is fused. training: whether mean and variance are the batch's, and depend on x.
    """

    N: int
    C: int
    plane: int
    epsilon: float = 1e-5
    relu: bool = False
    add: bool = False
    training: bool = True

    @property
    def lanes(self) -> int:
        """Values per access: four where they are sure to be of one channel and begin at a 16-byte boundary."""
        return 1 if self.plane % 4 else 4

    @property
    def split(self) -> int:
        """Into how many shares the samples are divided for a channel's sums."""
        return max(1, min(self.N, ceil(BLOCKS_WANTED / self.C)))

    @property
    def parts_values(self) -> int:
        """float32 values of the workspace `parts`."""
        return 2 * self.split * self.C

    @property
    def values(self) -> int:
        """float32 values of x."""
        return self.N * self.C * self.plane


@device_function
def scaled(x, mean, scale, bias, other, relu):
    """One value of y, scale being weight / sqrt(variance + epsilon)."""
    y = (x - mean) * scale + bias + other
    return float32(0) if relu and y < float32(0) else y  # NaN stays NaN


@cache
def make_statistics(sizes: NormSizes) -> tuple[Callable, Launch]:
    """Kernel (x, parts) and its launch: block (c, z) sums channel c of share z, about the channel's first value."""
    N, C, LANES, SPLIT = sizes.N, sizes.C, sizes.lanes, sizes.split
    RUN, SHARE = sizes.plane // sizes.lanes, ceil(sizes.N / sizes.split)
    HALVINGS = halvings(SHARE * RUN)
    BLOCK = 1 << HALVINGS

    def norm_statistics(x, parts):
        """Barriers: when all threads have their sums, and after each halving."""
        first = cuda.shared.array(BLOCK, float32)
        second = cuda.shared.array(BLOCK, float32)
        tid, c, part = cuda.threadIdx.x, cuda.blockIdx.x, cuda.blockIdx.y
        x0, total, squares = ld(x, c * RUN * LANES), float32(0), float32(0)
        for i in range(tid, (min(N, (part + 1) * SHARE) - part * SHARE) * RUN, BLOCK):
            at = (((part * SHARE + i // RUN) * C + c) * RUN + i % RUN) * LANES
            if LANES == 4:
                a, b, d, e = ld4(x, at)
                a, b, d, e = a - x0, b - x0, d - x0, e - x0
                total += (a + b) + (d + e)
                squares += (a * a + b * b) + (d * d + e * e)
            else:
                a = ld(x, at) - x0
                total += a
                squares += a * a
        first[tid], second[tid] = total, squares
        cuda.syncthreads()
        for step in range(HALVINGS):
            half = BLOCK >> (step + 1)
            if tid < half:
                first[tid] += first[tid + half]
                second[tid] += second[tid + half]
            cuda.syncthreads()
        if tid == 0:
            st(parts, part * C + c, first[0])
            st(parts, (SPLIT + part) * C + c, second[0])

    return norm_statistics, Launch((C, sizes.split, 1), BLOCK)


@cache
def make_finish(sizes: NormSizes, momentum: float) -> tuple[Callable, Launch]:
    """Kernel (x, parts, running_mean, running_variance, kept) and its launch: thread c adds the shares of channel c.

    The running mean and variance (the latter over M - 1) follow those of the batch: (1 - momentum) * old + momentum *
    new; one value tells nothing of a variance, and leaves it.
    """
    C, PLANE, SPLIT, EPSILON, MOMENTUM = sizes.C, sizes.plane, sizes.split, sizes.epsilon, momentum
    M = sizes.N * sizes.plane
    UNBIASED = M / max(1, M - 1)

    def norm_finish(x, parts, running_mean, running_variance, kept):
        c = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
        if c < C:
            total, squares = float32(0), float32(0)
            for part in range(SPLIT):
                total += ld(parts, part * C + c)
                squares += ld(parts, (SPLIT + part) * C + c)
            offset = total / float32(M)
            variance = max(float32(0), squares / float32(M) - offset * offset)
            mean = ld(x, c * PLANE) + offset
            st(kept, c, mean)
            st(kept, C + c, float32(1) / math.sqrt(variance + float32(EPSILON)))
            old, new = float32(1 - MOMENTUM), float32(MOMENTUM)
            st(running_mean, c, old * ld(running_mean, c) + new * mean)
            if M > 1:
                st(running_variance, c, old * ld(running_variance, c) + new * variance * float32(UNBIASED))

    return norm_finish, Launch((ceil(C / 32), 1, 1), 32)


@cache
def make_keep(sizes: NormSizes) -> tuple[Callable, Launch]:
    """Kernel (running_mean, running_variance, kept) and its launch: what `finish` keeps, without a batch."""
    C, EPSILON = sizes.C, sizes.epsilon

    def norm_keep(running_mean, running_variance, kept):
        c = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
        if c < C:
            st(kept, c, ld(running_mean, c))
            st(kept, C + c, float32(1) / math.sqrt(ld(running_variance, c) + float32(EPSILON)))

    return norm_keep, Launch((ceil(C / 32), 1, 1), 32)


@cache
def make_apply(sizes: NormSizes, threads: int = THREADS) -> tuple[Callable, Launch]:
    """Kernel (x, other, kept, weight, bias, y) and its launch; other: only if `sizes.add`. y may be x or other."""
    C, PLANE, LANES, VALUES, RELU, ADD = sizes.C, sizes.plane, sizes.lanes, sizes.values, sizes.relu, sizes.add
    BLOCK = threads * LANES

    def norm_apply(x, other, kept, weight, bias, y):
        i = cuda.blockIdx.x * BLOCK + cuda.threadIdx.x * LANES
        if i < VALUES:
            c = i // PLANE % C
            mean, scale, shift = ld(kept, c), ld(weight, c) * ld(kept, C + c), ld(bias, c)
            if LANES == 4:
                a0, a1, a2, a3 = ld4(x, i)
                b0, b1, b2, b3 = float32(0), float32(0), float32(0), float32(0)
                if ADD:
                    b0, b1, b2, b3 = ld4(other, i)
                y0, y1 = scaled(a0, mean, scale, shift, b0, RELU), scaled(a1, mean, scale, shift, b1, RELU)
                y2, y3 = scaled(a2, mean, scale, shift, b2, RELU), scaled(a3, mean, scale, shift, b3, RELU)
                st4(y, i, y0, y1, y2, y3)
            else:
                more = ld(other, i) if ADD else float32(0)
                st(y, i, scaled(ld(x, i), mean, scale, shift, more, RELU))

    return norm_apply, Launch((ceil(sizes.values / (threads * sizes.lanes)), 1, 1), threads)
