"""Rows for the exercise on register coarsening: every row of x is filtered by the same few weights.

    x [N, W]   weight [S]   y [N, Q], Q = W - S + 1:   y[n, q] = sum over s of weight[s] * x[n, q + s]

Block n has row n. No size is a multiple of the pixels of a run, there are blocks with more threads than runs and with
fewer, and no two sizes are equal where a mistake could hide.
"""

from collections.abc import Sequence

import numpy as np

from labkit.course.exercise import Case
from labkit.course.kernel_runs import CLEAN, Runner, blank, values
from labkit.kernels.launch import Launch

PIXELS = 4  # side by side, that one thread computes
ROW = 16  # values of x that it has registers for
RUN = Runner(("x", "weight", "y"), ("y",))
PARTS = ("memory", "y")
SMALL = ((2, 17, 3, 4), (3, 14, 5, 2), (2, 9, 2, 8), (4, 26, 6, 4), (3, 24, 7, 1))  # N, W, S, threads
REAL = (64, 1023, 9, 64)


def cases(rng: np.random.Generator) -> Sequence[Case]:
    """The small ones, traced, and the real one, compiled."""
    return [*(case(rng, *sizes) for sizes in SMALL), case(rng, *REAL, real=True)]


def case(rng: np.random.Generator, N: int, W: int, S: int, threads: int, real: bool = False) -> Case:
    """One array of rows, ready for a kernel."""
    arrays = values(rng, N, W), values(rng, S), blank((N, W - S + 1))
    label = f"{N} rows of {W} values, {S} weights, blocks of {threads} threads"
    return Case((real, Launch((N, 1, 1), threads), *arrays), label, late=real)


def expected(real: bool, launch: Launch, x: np.ndarray, weight: np.ndarray, y: np.ndarray) -> tuple:
    """What memory and outputs have to look like, in float64."""
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), weight.size, axis=1)
    return CLEAN, windows @ weight.astype(np.float64)


def least_loads(args: tuple) -> int:
    """Values that threads read at least, in runs of PIXELS: a run's part of the row, and the weights, once each."""
    _, _, x, weight, y = args
    (N, W), S, Q = x.shape, weight.size, y.shape[1]
    return N * sum(min(PIXELS + S - 1, W - q) + S for q in range(0, Q, PIXELS))
