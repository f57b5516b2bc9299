"""Notebook 03: a pool whose last window hangs over the edge, to be mended."""

import numpy as np

from labkit.course.exercise import Case, Exercise, WrongSolution
from labkit.course.kernel_runs import CLEAN, TIMEOUT_S, Runner, blank, values
from labkit.kernels.launch import Launch
from labkit.kernels.source import cuda

RUN = Runner(("x", "y"), ("y",))


def edge_pool(x, y):
    """Block (n, c): the largest of each 2 x 2 pixels, of those that exist."""
    n, c = cuda.blockIdx.x, cuda.blockIdx.y
    H, W = x.shape[2], x.shape[3]
    P, Q = y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
        h, w = i // Q * 2, i % Q * 2
        largest = x[n, c, h, w]
        for r in range(min(2, H - h)):
            for s in range(min(2, W - w)):
                largest = max(largest, x[n, c, h + r, w + s])
        y[n, c, h // 2, w // 2] = largest


def cases(rng: np.random.Generator) -> list[Case]:
    """Odd heights, odd widths, both, neither; a single pixel; then a layer of real size."""
    sizes = ((2, 3, 5, 4, 8), (3, 2, 4, 7, 4), (1, 2, 3, 5, 32), (2, 2, 6, 4, 4), (2, 1, 1, 1, 8))
    return [*(_case(rng, *size) for size in sizes), _case(rng, 32, 96, 27, 29, 256, real=True)]


def _case(rng: np.random.Generator, N: int, C: int, H: int, W: int, threads: int, real: bool = False) -> Case:
    label = f"x of {N}x{C}x{H}x{W}, {N * C} blocks of {threads} threads"
    arrays = values(rng, N, C, H, W), blank((N, C, (H + 1) // 2, (W + 1) // 2))
    return Case((real, Launch((N, C, 1), threads), *arrays), label, late=real)


def expected(real, launch, x, y):
    """A clean memory, and the largest of each window."""
    padded = np.pad(x, ((0, 0), (0, 0), (0, x.shape[2] % 2), (0, x.shape[3] % 2)), constant_values=-np.inf)
    shape = (*y.shape[:3], 2, y.shape[3], 2)
    return CLEAN, padded.reshape(shape).max(axis=(3, 5))


def _as_planted(x, y):
    n, c = cuda.blockIdx.x, cuda.blockIdx.y
    P, Q = y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
        h, w = i // Q * 2, i % Q * 2
        largest = x[n, c, h, w]
        for r in range(2):
            for s in range(2):
                largest = max(largest, x[n, c, h + r, w + s])
        y[n, c, h // 2, w // 2] = largest


def _rows_only(x, y):
    n, c = cuda.blockIdx.x, cuda.blockIdx.y
    P, Q = y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
        h, w = i // Q * 2, i % Q * 2
        largest = x[n, c, h, w]
        for r in range(min(2, x.shape[2] - h)):
            for s in range(2):
                largest = max(largest, x[n, c, h + r, w + s])
        y[n, c, h // 2, w // 2] = largest


def _columns_only(x, y):
    n, c = cuda.blockIdx.x, cuda.blockIdx.y
    P, Q = y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
        h, w = i // Q * 2, i % Q * 2
        largest = x[n, c, h, w]
        for r in range(2):
            for s in range(min(2, x.shape[3] - w)):
                largest = max(largest, x[n, c, h + r, w + s])
        y[n, c, h // 2, w // 2] = largest


def _axes_exchanged(x, y):
    n, c = cuda.blockIdx.x, cuda.blockIdx.y
    P, Q = y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
        h, w = i // Q * 2, i % Q * 2
        largest = x[n, c, h, w]
        for r in range(max(1, min(2, x.shape[3] - h))):
            for s in range(max(1, min(2, x.shape[2] - w))):
                largest = max(largest, x[n, c, h + r, w + s])
        y[n, c, h // 2, w // 2] = largest


def _last_window_dropped(x, y):
    n, c = cuda.blockIdx.x, cuda.blockIdx.y
    P, Q = y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
        h, w = i // Q * 2, i % Q * 2
        if h + 1 < x.shape[2] and w + 1 < x.shape[3]:
            largest = x[n, c, h, w]
            for r in range(2):
                for s in range(2):
                    largest = max(largest, x[n, c, h + r, w + s])
            y[n, c, h // 2, w // 2] = largest


def _first_pixel_at_the_edge(x, y):
    n, c = cuda.blockIdx.x, cuda.blockIdx.y
    P, Q = y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
        h, w = i // Q * 2, i % Q * 2
        largest = x[n, c, h, w]
        if h + 1 < x.shape[2] and w + 1 < x.shape[3]:
            for r in range(2):
                for s in range(2):
                    largest = max(largest, x[n, c, h + r, w + s])
        y[n, c, h // 2, w // 2] = largest


EXERCISE = Exercise(
    id="mend-outside",
    title="An index outside of an array, mended",
    prompt=(
        "Complete `edge_pool(x, y)`, max pooling in windows of 2 x 2 that takes the pixels at the edge along: x is "
        "[N, C, H, W], y is [N, C, P, Q] with P = (H + 1) // 2 and Q = (W + 1) // 2, and where H or W is odd the last "
        "window holds only the pixels that exist. Block (n, c) has channel c of sample n."
    ),
    reference=edge_pool,
    run=RUN,
    oracle=expected,
    cases=cases,
    parts=("memory", "y"),
    timeout_s=TIMEOUT_S,
    wrong=(
        WrongSolution(
            "as planted",
            _as_planted,
            "Where H or W is odd, the last window has pixels that do not exist. In the middle of an array that reads "
            "the next row or channel and stays unnoticed.",
            "From row h on there are H - h rows left, which may be fewer than 2.",
        ),
        WrongSolution(
            "rows only",
            _rows_only,
            "The rows are clipped, the columns are not.",
            "The same for w and W.",
        ),
        WrongSolution(
            "columns only",
            _columns_only,
            "The columns are clipped, the rows are not.",
            "The same for h and H.",
        ),
        WrongSolution(
            "height and width exchanged",
            _axes_exchanged,
            "Rows are compared with the width and columns with the height: right for square images only.",
            "h belongs to H, w to W.",
        ),
        WrongSolution(
            "last window left out",
            _last_window_dropped,
            "Windows that hang over the edge are left out, but y has a place for each of them.",
            "Shorten the loops instead of skipping the window.",
        ),
        WrongSolution(
            "first pixel at the edge",
            _first_pixel_at_the_edge,
            "A window that hangs over the edge takes its first pixel only. It may still have two.",
            "Clip rows and columns separately.",
        ),
    ),
    hints=(
        "In a map of 5 rows, window row 2 begins at h = 4. Which rows does it have?",
        "r may run to min(2, H - h), s to min(2, W - w).",
    ),
    next_step="Try one map of 3 x 3 on paper: four windows, of four, two, two and one pixels.",
)
