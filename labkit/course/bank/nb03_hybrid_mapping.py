"""Notebook 03: the hybrid mapping of a convolution, a block for each sample and output channel."""

from functools import partial

from labkit.course.conv_cases import PARTS, RUN, SMALL, case, cases, expected
from labkit.course.exercise import Exercise, Par, WrongSolution
from labkit.course.kernel_runs import TIMEOUT_S
from labkit.kernels.source import cuda, device_function, float32


def hybrid_mapping(x, weight, bias, y):
    """Block (n, k) copies filter k into shared memory, then computes channel k of sample n."""
    n, k = cuda.blockIdx.x, cuda.blockIdx.y
    _, C, R, S = weight.shape
    P, Q = y.shape[2], y.shape[3]
    filt = cuda.shared.array(0, float32)
    for i in range(cuda.threadIdx.x, C * R * S, cuda.blockDim.x):
        filt[i] = weight[k, i // (R * S), i // S % R, i % S]
    cuda.syncthreads()
    for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
        p, q = i // Q, i % Q
        total = bias[k]
        for c in range(C):
            for r in range(R):
                for s in range(S):
                    total += x[n, c, p + r, q + s] * filt[(c * R + r) * S + s]
        y[n, k, p, q] = total


@device_function
def _window(x, filt, shape, n, p, q, total):
    C, R, S = shape
    for c in range(C):
        for r in range(R):
            for s in range(S):
                total += x[n, c, p + r, q + s] * filt[(c * R + r) * S + s]
    return total


@device_function
def _copy(filt, weight, k, thread, threads):
    _, C, R, S = weight.shape
    for i in range(thread, C * R * S, threads):
        filt[i] = weight[k, i // (R * S), i // S % R, i % S]


def _axes_swapped(x, weight, bias, y):
    k, n = cuda.blockIdx.x, cuda.blockIdx.y
    _, C, R, S = weight.shape
    P, Q = y.shape[2], y.shape[3]
    filt = cuda.shared.array(0, float32)
    _copy(filt, weight, k % weight.shape[0], cuda.threadIdx.x, cuda.blockDim.x)
    cuda.syncthreads()
    for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
        y[n, k, i // Q, i % Q] = _window(x, filt, (C, R, S), n, i // Q, i % Q, bias[k])


def _no_barrier(x, weight, bias, y):
    n, k = cuda.blockIdx.x, cuda.blockIdx.y
    _, C, R, S = weight.shape
    P, Q = y.shape[2], y.shape[3]
    filt = cuda.shared.array(0, float32)
    _copy(filt, weight, k, cuda.threadIdx.x, cuda.blockDim.x)
    for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
        y[n, k, i // Q, i % Q] = _window(x, filt, (C, R, S), n, i // Q, i % Q, bias[k])


def _idle_threads_leave(x, weight, bias, y):
    n, k, thread = cuda.blockIdx.x, cuda.blockIdx.y, cuda.threadIdx.x
    _, C, R, S = weight.shape
    P, Q = y.shape[2], y.shape[3]
    filt = cuda.shared.array(0, float32)
    if thread >= P * Q:
        return
    _copy(filt, weight, k, thread, cuda.blockDim.x)
    cuda.syncthreads()
    for i in range(thread, P * Q, cuda.blockDim.x):
        y[n, k, i // Q, i % Q] = _window(x, filt, (C, R, S), n, i // Q, i % Q, bias[k])


def _one_pixel_per_thread(x, weight, bias, y):
    n, k, i = cuda.blockIdx.x, cuda.blockIdx.y, cuda.threadIdx.x
    _, C, R, S = weight.shape
    P, Q = y.shape[2], y.shape[3]
    filt = cuda.shared.array(0, float32)
    _copy(filt, weight, k, i, cuda.blockDim.x)
    cuda.syncthreads()
    if i < P * Q:
        y[n, k, i // Q, i % Q] = _window(x, filt, (C, R, S), n, i // Q, i % Q, bias[k])


def _all_samples(x, weight, bias, y):
    k = cuda.blockIdx.y
    _, C, R, S = weight.shape
    N, P, Q = y.shape[0], y.shape[2], y.shape[3]
    filt = cuda.shared.array(0, float32)
    _copy(filt, weight, k, cuda.threadIdx.x, cuda.blockDim.x)
    cuda.syncthreads()
    for i in range(cuda.threadIdx.x, N * P * Q, cuda.blockDim.x):
        n, p, q = i // (P * Q), i // Q % P, i % Q
        y[n, k, p, q] = _window(x, filt, (C, R, S), n, p, q, bias[k])


def _divided_by_rows(x, weight, bias, y):
    n, k = cuda.blockIdx.x, cuda.blockIdx.y
    _, C, R, S = weight.shape
    P, Q = y.shape[2], y.shape[3]
    filt = cuda.shared.array(0, float32)
    _copy(filt, weight, k, cuda.threadIdx.x, cuda.blockDim.x)
    cuda.syncthreads()
    for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
        p, q = i // P, i % P
        y[n, k, p, q] = _window(x, filt, (C, R, S), n, p, q, bias[k])


EXERCISE = Exercise(
    id="hybrid-mapping",
    title="Hybrid mapping: a block for each sample and channel",
    prompt=(
        "Write `hybrid_mapping(x, weight, bias, y)`: block (n, k) computes channel k of sample n, with filter k in "
        "shared memory as before. Arrays as before.\n"
        "The grid has N blocks along x and K along y: cuda.blockIdx.x and cuda.blockIdx.y. Each has C R S float32 of "
        "dynamic shared memory: cuda.shared.array(0, float32)."
    ),
    reference=hybrid_mapping,
    run=RUN,
    oracle=expected,
    cases=partial(cases, mapping="hybrid"),
    parts=PARTS,
    tolerance=1e-4,
    timeout_s=TIMEOUT_S,
    par=Par(
        what="values of `weight` read from global memory",
        unit="loads",
        cost=RUN.loads_of("weight"),
        bound=lambda args: args[2].shape[0] * args[3].size,
        case=lambda rng: case(rng, "hybrid", *SMALL[0]),
        why="each block reads its filter once, so each weight is read N times",
        slack=1.25,
    ),
    wrong=(
        WrongSolution(
            "grid axes swapped",
            _axes_swapped,
            "Sample and channel have changed places: the grid has its samples along x and its channels along y.",
            "n, k = cuda.blockIdx.x, cuda.blockIdx.y.",
        ),
        WrongSolution(
            "no barrier",
            _no_barrier,
            "A thread that has copied its part goes on at once and reads values that another has yet to copy.",
            "One cuda.syncthreads() between the copy and the first use, outside of any loop or if.",
        ),
        WrongSolution(
            "idle threads leave early",
            _idle_threads_leave,
            "Threads without a pixel leave before the barrier. They are missed twice: at the barrier, and for the part "
            "of the filter that they should have copied.",
            "Let every thread copy and meet at the barrier; the second loop is empty for those that have no pixel.",
        ),
        WrongSolution(
            "one pixel per thread",
            _one_pixel_per_thread,
            "Each thread computes one pixel. Where a map has more pixels than the block has threads, the rest is "
            "missing.",
            "for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x).",
        ),
        WrongSolution(
            "all samples in every block",
            _all_samples,
            "Every block goes through all samples, as in the model mapping: N blocks then write the same channel.",
            "The block's own sample is n = cuda.blockIdx.x.",
        ),
        WrongSolution(
            "row and column from P",
            _divided_by_rows,
            "A row has Q pixels, so p = i // Q and q = i % Q. You divided by P.",
            "Write the pixels of P = 2 rows and Q = 3 columns down in order, and number them.",
        ),
    ),
    hints=(
        "Start from your model mapping. What is left of its second loop when the sample is given?",
        "n, k = cuda.blockIdx.x, cuda.blockIdx.y, and i runs over P Q pixels only.",
        "Copy, barrier, compute: the first two parts are those of the model mapping, unchanged.",
    ),
    next_step="Lay your model mapping beside it: the place of the block and the second loop differ, the copy does not.",
)
