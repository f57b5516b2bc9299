"""Sums over samples and pixels for each channel: the gradient of a bias."""

from collections.abc import Callable
from functools import cache
from math import ceil

from labkit.kernels.intrinsics import ld, ld4, st
from labkit.kernels.launch import Launch
from labkit.kernels.source import cuda, float32

LEAST_THREADS, MOST_THREADS = 32, 256
SIDE = 32  # columns of a block of `column_sums`


def halvings(work: int) -> int:
    """The power of two of threads in a block with `work` accesses to share: from 32 to 256 threads."""
    return max(LEAST_THREADS.bit_length() - 1, min(MOST_THREADS.bit_length() - 1, (work - 1).bit_length()))


def make(N: int, channels: int, plane: int, split: int = 1) -> tuple[Callable, Launch]:
    """Kernel (values [N, channels, plane], sums [split][channels]), flat float32, and its launch.

    With split > 1 part z sums its share of the samples, and `parts` must add them up. For plane = 1 (vectors) it has to
    be 1.
    """
    return _columns(N, channels) if plane == 1 else _planes(N, channels, plane, split)


@cache
def _planes(N: int, channels: int, plane: int, split: int) -> tuple[Callable, Launch]:
    C, LANES, SHARE = channels, 1 if plane % 4 else 4, ceil(N / split)
    RUN = plane // LANES  # accesses per plane
    HALVINGS = halvings(SHARE * RUN)
    THREADS = 1 << HALVINGS

    def plane_sums(values, sums):
        """Block (c, z) sums channel c of samples z * SHARE and on; barriers while it adds its threads' sums."""
        tid, c, part = cuda.threadIdx.x, cuda.blockIdx.x, cuda.blockIdx.y
        partial = cuda.shared.array(THREADS, float32)
        total = float32(0)
        for i in range(tid, (min(N, (part + 1) * SHARE) - part * SHARE) * RUN, THREADS):
            at = (((part * SHARE + i // RUN) * C + c) * RUN + i % RUN) * LANES
            if LANES == 4:
                x, y, z, w = ld4(values, at)
                total += (x + y) + (z + w)
            else:
                total += ld(values, at)
        partial[tid] = total
        cuda.syncthreads()
        for step in range(HALVINGS):
            half = THREADS >> (step + 1)
            if tid < half:
                partial[tid] += partial[tid + half]
            cuda.syncthreads()
        if tid == 0:
            st(sums, part * C + c, partial[0])

    return plane_sums, Launch((channels, split, 1), THREADS)


@cache
def _columns(N: int, channels: int) -> tuple[Callable, Launch]:
    C, THREADS, LINES, HALVES = channels, MOST_THREADS, MOST_THREADS // SIDE, 3  # 2 ** HALVES == LINES

    def column_sums(values, sums):
        """Block x sums 32 columns, eight rows at a time, so that 32 threads read side by side."""
        lane, line = cuda.threadIdx.x % SIDE, cuda.threadIdx.x // SIDE
        c = cuda.blockIdx.x * SIDE + lane
        partial = cuda.shared.array(THREADS, float32)
        total = float32(0)
        if c < C:
            for n in range(line, N, LINES):
                total += ld(values, n * C + c)
        partial[cuda.threadIdx.x] = total
        cuda.syncthreads()
        for step in range(HALVES):
            half = LINES >> (step + 1)
            if line < half:
                partial[cuda.threadIdx.x] += partial[cuda.threadIdx.x + half * SIDE]
            cuda.syncthreads()
        if line == 0 and c < C:
            st(sums, c, partial[lane])

    return column_sums, Launch((ceil(channels / SIDE), 1, 1), THREADS)
