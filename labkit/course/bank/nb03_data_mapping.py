"""Notebook 03: the data mapping of a convolution, a block for each sample."""

from functools import partial

from labkit.course.conv_cases import PARTS, RUN, SMALL, case, cases, expected
from labkit.course.exercise import Exercise, Par, WrongSolution
from labkit.course.kernel_runs import TIMEOUT_S, doubles
from labkit.kernels.source import cuda, device_function


def data_mapping(x, weight, bias, y):
    """Block n computes all outputs of sample n; its threads take them in turn."""
    n = cuda.blockIdx.x
    K, C, R, S = weight.shape
    P, Q = y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, K * P * Q, cuda.blockDim.x):
        k, p, q = i // (P * Q), i // Q % P, i % Q
        total = bias[k]
        for c in range(C):
            for r in range(R):
                for s in range(S):
                    total += x[n, c, p + r, q + s] * weight[k, c, r, s]
        y[n, k, p, q] = total


@device_function
def _window(x, weight, n, k, p, q, total):
    for c in range(weight.shape[1]):
        for r in range(weight.shape[2]):
            for s in range(weight.shape[3]):
                total += x[n, c, p + r, q + s] * weight[k, c, r, s]
    return total


def _every_thread_everything(x, weight, bias, y):
    n = cuda.blockIdx.x
    P, Q = y.shape[2], y.shape[3]
    for i in range(y.shape[1] * P * Q):
        k, p, q = i // (P * Q), i // Q % P, i % Q
        y[n, k, p, q] = _window(x, weight, n, k, p, q, bias[k])


def _one_value_per_thread(x, weight, bias, y):
    n, i = cuda.blockIdx.x, cuda.threadIdx.x
    P, Q = y.shape[2], y.shape[3]
    if i < y.shape[1] * P * Q:
        k, p, q = i // (P * Q), i // Q % P, i % Q
        y[n, k, p, q] = _window(x, weight, n, k, p, q, bias[k])


def _divided_by_rows(x, weight, bias, y):
    n = cuda.blockIdx.x
    P, Q = y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, y.shape[1] * P * Q, cuda.blockDim.x):
        k, p, q = i // (P * Q), i // P % Q, i % P
        if p < P and q < Q:
            y[n, k, p, q] = _window(x, weight, n, k, p, q, bias[k])


def _divided_by_rows_unguarded(x, weight, bias, y):
    n = cuda.blockIdx.x
    P, Q = y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, y.shape[1] * P * Q, cuda.blockDim.x):
        k, p, q = i // (P * Q), i // P % Q, i % P
        y[n, k, p, q] = _window(x, weight, n, k, p, q, bias[k])


def _row_not_wrapped(x, weight, bias, y):
    n = cuda.blockIdx.x
    P, Q = y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, y.shape[1] * P * Q, cuda.blockDim.x):
        k, p, q = i // (P * Q), i // Q, i % Q
        y[n, k, p, q] = _window(x, weight, n, k, p, q, bias[k])


def _channels_fastest(x, weight, bias, y):
    n = cuda.blockIdx.x
    K, P, Q = y.shape[1], y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
        k, p, q = i % K, i // Q, i % Q
        y[n, k, p, q] = _window(x, weight, n, k, p, q, bias[k])


def _all_samples(x, weight, bias, y):
    K, P, Q = y.shape[1], y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, y.shape[0] * K * P * Q, cuda.blockDim.x):
        n, k, p, q = i // (K * P * Q), i // (P * Q) % K, i // Q % P, i % Q
        y[n, k, p, q] = _window(x, weight, n, k, p, q, bias[k])


EXERCISE = Exercise(
    id="data-mapping",
    title="Data mapping: a block for each sample",
    prompt=(
        "Complete `data_mapping(x, weight, bias, y)`: block n computes all K P Q outputs of sample n.\n"
        "x is [N, C, H, W], weight [K, C, R, S], bias [K], y [N, K, P, Q]; stride 1 and no padding, so that "
        "y[n, k, p, q] = bias[k] + sum over c, r, s of x[n, c, p + r, q + s] * weight[k, c, r, s].\n"
        "N blocks are started; a block may have fewer threads than its sample has outputs, or more."
    ),
    reference=data_mapping,
    run=RUN,
    oracle=expected,
    cases=partial(cases, mapping="data"),
    parts=PARTS,
    tolerance=1e-4,
    timeout_s=TIMEOUT_S,
    par=Par(
        what="lines in double precision",
        unit="lines",
        cost=doubles,
        bound=lambda args: 0,
        case=lambda rng: case(rng, "data", *SMALL[0]),
        why="float32 throughout; a sum that begins as 0.0 is a double",
    ),
    wrong=(
        WrongSolution(
            "every thread does everything",
            _every_thread_everything,
            "Every thread of the block computes all outputs of the sample. The numbers are right, and all of them but "
            "one thread's work is wasted.",
            "Begin at cuda.threadIdx.x and go on by cuda.blockDim.x.",
        ),
        WrongSolution(
            "one value per thread",
            _one_value_per_thread,
            "Each thread computes one output. Where a sample has more outputs than the block has threads, the rest is "
            "never computed.",
            "for i in range(cuda.threadIdx.x, K * P * Q, cuda.blockDim.x).",
        ),
        WrongSolution(
            "row and column from P",
            _divided_by_rows,
            "A row of outputs has Q values, so i // Q is its number and i % Q the place in it. You divided by P.",
            "Write the outputs of P = 2 rows and Q = 3 columns down in order, and number them.",
        ),
        WrongSolution(
            "row and column from P, unguarded",
            _divided_by_rows_unguarded,
            "A row of outputs has Q values, so i // Q is its number and i % Q the place in it. You divided by P.",
            "Write the outputs of P = 2 rows and Q = 3 columns down in order, and number them.",
        ),
        WrongSolution(
            "rows of all channels",
            _row_not_wrapped,
            "i // Q counts the rows of all channels; from the second channel on it lies beyond the last row.",
            "Take it modulo P: i // Q % P.",
        ),
        WrongSolution(
            "one channel per pixel",
            _channels_fastest,
            "Your threads cover P Q outputs of the sample. It has K channels of P Q.",
            "Let i run to K * P * Q and find k as i // (P * Q).",
        ),
        WrongSolution(
            "all samples in every block",
            _all_samples,
            "Every block computes the outputs of all samples: N blocks do the same work.",
            "Sample n belongs to block n: n = cuda.blockIdx.x.",
        ),
    ),
    hints=(
        "Count the outputs of one sample row by row, channel after channel: 0 to K P Q - 1. A thread takes number "
        "threadIdx.x, then every blockDim.x-th after it.",
        "One channel has P Q outputs: k = i // (P * Q).",
        "Within its channel, a row has Q of them: p = i // Q % P and q = i % Q.",
    ),
    next_step="Take K = 2, P = 2, Q = 3 and write k, p, q beside the numbers 0 to 11.",
)
