"""Notebook 05: register coarsening, a thread computes four neighbouring outputs of a row."""

from labkit.course.coarse_rows import PARTS, PIXELS, ROW, RUN, SMALL, case, cases, expected, least_loads
from labkit.course.exercise import Exercise, Par, WrongSolution
from labkit.course.kernel_runs import TIMEOUT_S
from labkit.kernels.source import cuda, device_function, float32


def coarse_rows(x, weight, y):
    """Block n computes row n; a thread computes runs of PIXELS neighbours, each value of x and weight read once."""
    n = cuda.blockIdx.x
    W, S, Q = x.shape[1], weight.shape[0], y.shape[1]
    row = cuda.local.array(ROW, float32)
    sums = cuda.local.array(PIXELS, float32)
    for run in range(cuda.threadIdx.x, (Q + PIXELS - 1) // PIXELS, cuda.blockDim.x):
        q = run * PIXELS
        for i in range(PIXELS):
            sums[i] = float32(0)
        for i in range(min(PIXELS + S - 1, W - q)):
            row[i] = x[n, q + i]
        for s in range(S):
            tap = weight[s]
            for i in range(min(PIXELS, Q - q)):
                sums[i] += tap * row[i + s]
        for i in range(min(PIXELS, Q - q)):
            y[n, q + i] = sums[i]


@device_function
def _pixel(x, weight, n, q, start):
    total = float32(start)
    for s in range(weight.shape[0]):
        total += weight[s] * x[n, q + s]
    return total


@device_function
def _filtered(x, weight, y, n, q, count):
    for i in range(count):
        y[n, q + i] = _pixel(x, weight, n, q + i, 0)


def _runs_overlap(x, weight, y):
    n, Q = cuda.blockIdx.x, y.shape[1]
    for run in range(cuda.threadIdx.x, (Q + PIXELS - 1) // PIXELS, cuda.blockDim.x):
        _filtered(x, weight, y, n, run, PIXELS)


def _last_run_too_long(x, weight, y):
    n, Q = cuda.blockIdx.x, y.shape[1]
    for run in range(cuda.threadIdx.x, (Q + PIXELS - 1) // PIXELS, cuda.blockDim.x):
        _filtered(x, weight, y, n, run * PIXELS, PIXELS)


def _last_run_missing(x, weight, y):
    n, Q = cuda.blockIdx.x, y.shape[1]
    for run in range(cuda.threadIdx.x, Q // PIXELS, cuda.blockDim.x):
        _filtered(x, weight, y, n, run * PIXELS, PIXELS)


def _one_run_per_thread(x, weight, y):
    n, run, Q = cuda.blockIdx.x, cuda.threadIdx.x, y.shape[1]
    if run * PIXELS < Q:
        _filtered(x, weight, y, n, run * PIXELS, min(PIXELS, Q - run * PIXELS))


def _window_does_not_move(x, weight, y):
    n, Q = cuda.blockIdx.x, y.shape[1]
    for run in range(cuda.threadIdx.x, (Q + PIXELS - 1) // PIXELS, cuda.blockDim.x):
        q = run * PIXELS
        for i in range(min(PIXELS, Q - q)):
            y[n, q + i] = _pixel(x, weight, n, q, 0)


def _tap_does_not_move(x, weight, y):
    n, Q = cuda.blockIdx.x, y.shape[1]
    for run in range(cuda.threadIdx.x, (Q + PIXELS - 1) // PIXELS, cuda.blockDim.x):
        q = run * PIXELS
        for i in range(min(PIXELS, Q - q)):
            total = float32(0)
            for s in range(weight.shape[0]):
                total += weight[s] * x[n, q + i]
            y[n, q + i] = total


def _sums_kept(x, weight, y):
    n, Q = cuda.blockIdx.x, y.shape[1]
    sums = cuda.local.array(PIXELS, float32)
    for i in range(PIXELS):
        sums[i] = float32(0)
    for run in range(cuda.threadIdx.x, (Q + PIXELS - 1) // PIXELS, cuda.blockDim.x):
        q = run * PIXELS
        for i in range(min(PIXELS, Q - q)):
            sums[i] = _pixel(x, weight, n, q + i, sums[i])
            y[n, q + i] = sums[i]


EXERCISE = Exercise(
    id="coarse-rows",
    title="Register coarsening: four pixels for each thread",
    prompt=(
        "Write `coarse_rows(x, weight, y)`: y[n, q] = sum over s of weight[s] * x[n, q + s], for x [N, W], weight [S] "
        "and y [N, Q] with Q = W - S + 1. Block n has row n.\n"
        "A thread computes runs of PIXELS = 4 neighbouring outputs: run 0 is q = 0 to 3, run 1 is 4 to 7, and so on; "
        "the last run of a row may be shorter. For a run it reads its PIXELS + S - 1 values of x once, into "
        "cuda.local.array(ROW, float32) (S is small enough), and each weight once. Sums are kept in "
        "cuda.local.array(PIXELS, float32). There may be more runs than threads."
    ),
    reference=coarse_rows,
    run=RUN,
    oracle=expected,
    cases=cases,
    parts=PARTS,
    tolerance=1e-4,
    timeout_s=TIMEOUT_S,
    par=Par(
        what="values of `x` and `weight` read from global memory",
        unit="loads",
        cost=RUN.loads_of("x", "weight"),
        bound=least_loads,
        case=lambda rng: case(rng, *SMALL[3]),
        why="each run reads its part of the row, and every weight, once",
        slack=1.25,
    ),
    wrong=(
        WrongSolution(
            "runs overlap",
            _runs_overlap,
            "Run 1 begins at output 1 in your kernel, in the middle of run 0: two threads write the same outputs.",
            "A run has PIXELS outputs, so run number `run` begins at q = run * PIXELS.",
        ),
        WrongSolution(
            "last run too long",
            _last_run_too_long,
            "Q is no multiple of 4: the last run of a row has fewer outputs, and yours goes on behind its end.",
            "A run has min(PIXELS, Q - q) outputs.",
        ),
        WrongSolution(
            "last run missing",
            _last_run_missing,
            "Q // PIXELS leaves out the run at the end of a row that is not full.",
            "(Q + PIXELS - 1) // PIXELS rounds up.",
        ),
        WrongSolution(
            "one run per thread",
            _one_run_per_thread,
            "Each thread computes one run. Where a row has more runs than the block has threads, the rest is missing.",
            "for run in range(cuda.threadIdx.x, runs, cuda.blockDim.x).",
        ),
        WrongSolution(
            "window does not move",
            _window_does_not_move,
            "All outputs of a run read the same window. That of output i begins i values further on.",
            "Output i multiplies weight s by row[i + s].",
        ),
        WrongSolution(
            "tap does not move",
            _tap_does_not_move,
            "All weights of an output meet the same value of x: weight s belongs to the value s places on.",
            "Output i multiplies weight s by row[i + s].",
        ),
        WrongSolution(
            "sums kept",
            _sums_kept,
            "The sums of a thread's first run are still there when its second one begins.",
            "Set them to float32(0) inside the loop over runs.",
        ),
    ),
    hints=(
        "Start with one output for each thread, then let it do four: q = run * PIXELS, outputs q to q + 3.",
        "Three loops within a run: read the row into registers; for each weight, add to four sums; write them.",
        "At the end of a row: min(PIXELS + S - 1, W - q) values to read, min(PIXELS, Q - q) outputs to write.",
    ),
    next_step="Take Q = 6 and two threads, and write down which outputs each of them owns.",
)
