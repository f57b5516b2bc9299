"""Notebook 03: the model mapping of a convolution, a block for each output channel, its filter in shared memory."""

from functools import partial

from labkit.course.conv_cases import PARTS, RUN, SMALL, case, cases, expected
from labkit.course.exercise import Exercise, Par, WrongSolution
from labkit.course.kernel_runs import TIMEOUT_S
from labkit.kernels.source import cuda, device_function, float32


def model_mapping(x, weight, bias, y):
    """Block k copies filter k into shared memory, then computes channel k of every sample."""
    k = cuda.blockIdx.x
    _, C, R, S = weight.shape
    N, P, Q = y.shape[0], y.shape[2], y.shape[3]
    filt = cuda.shared.array(0, float32)
    for i in range(cuda.threadIdx.x, C * R * S, cuda.blockDim.x):
        filt[i] = weight[k, i // (R * S), i // S % R, i % S]
    cuda.syncthreads()
    for i in range(cuda.threadIdx.x, N * P * Q, cuda.blockDim.x):
        n, p, q = i // (P * Q), i // Q % P, i % Q
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


def _no_barrier(x, weight, bias, y):
    k = cuda.blockIdx.x
    _, C, R, S = weight.shape
    N, P, Q = y.shape[0], y.shape[2], y.shape[3]
    filt = cuda.shared.array(0, float32)
    for i in range(cuda.threadIdx.x, C * R * S, cuda.blockDim.x):
        filt[i] = weight[k, i // (R * S), i // S % R, i % S]
    for i in range(cuda.threadIdx.x, N * P * Q, cuda.blockDim.x):
        n, p, q = i // (P * Q), i // Q % P, i % Q
        y[n, k, p, q] = _window(x, filt, (C, R, S), n, p, q, bias[k])


def _one_value_each(x, weight, bias, y):
    k, thread = cuda.blockIdx.x, cuda.threadIdx.x
    _, C, R, S = weight.shape
    N, P, Q = y.shape[0], y.shape[2], y.shape[3]
    filt = cuda.shared.array(0, float32)
    if thread < C * R * S:
        filt[thread] = weight[k, thread // (R * S), thread // S % R, thread % S]
    cuda.syncthreads()
    for i in range(thread, N * P * Q, cuda.blockDim.x):
        n, p, q = i // (P * Q), i // Q % P, i % Q
        y[n, k, p, q] = _window(x, filt, (C, R, S), n, p, q, bias[k])


def _first_sample(x, weight, bias, y):
    k = cuda.blockIdx.x
    _, C, R, S = weight.shape
    P, Q = y.shape[2], y.shape[3]
    filt = cuda.shared.array(0, float32)
    for i in range(cuda.threadIdx.x, C * R * S, cuda.blockDim.x):
        filt[i] = weight[k, i // (R * S), i // S % R, i % S]
    cuda.syncthreads()
    for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
        y[0, k, i // Q, i % Q] = _window(x, filt, (C, R, S), 0, i // Q, i % Q, bias[k])


def _filter_rows_swapped(x, weight, bias, y):
    k = cuda.blockIdx.x
    _, C, R, S = weight.shape
    N, P, Q = y.shape[0], y.shape[2], y.shape[3]
    filt = cuda.shared.array(0, float32)
    for i in range(cuda.threadIdx.x, C * R * S, cuda.blockDim.x):
        filt[i] = weight[k, i // (R * S), i % R, i // R % S]
    cuda.syncthreads()
    for i in range(cuda.threadIdx.x, N * P * Q, cuda.blockDim.x):
        n, p, q = i // (P * Q), i // Q % P, i % Q
        y[n, k, p, q] = _window(x, filt, (C, R, S), n, p, q, bias[k])


def _barrier_for_some(x, weight, bias, y):
    k, thread = cuda.blockIdx.x, cuda.threadIdx.x
    _, C, R, S = weight.shape
    N, P, Q = y.shape[0], y.shape[2], y.shape[3]
    filt = cuda.shared.array(0, float32)
    for i in range(thread, C * R * S, cuda.blockDim.x):
        filt[i] = weight[k, i // (R * S), i // S % R, i % S]
        cuda.syncthreads()
    for i in range(thread, N * P * Q, cuda.blockDim.x):
        n, p, q = i // (P * Q), i // Q % P, i % Q
        y[n, k, p, q] = _window(x, filt, (C, R, S), n, p, q, bias[k])


def _filter_of_the_sample(x, weight, bias, y):
    k = cuda.blockIdx.x
    _, C, R, S = weight.shape
    N, P, Q = y.shape[0], y.shape[2], y.shape[3]
    filt = cuda.shared.array(0, float32)
    for i in range(cuda.threadIdx.x, C * R * S, cuda.blockDim.x):
        filt[i] = weight[0, i // (R * S), i // S % R, i % S]
    cuda.syncthreads()
    for i in range(cuda.threadIdx.x, N * P * Q, cuda.blockDim.x):
        n, p, q = i // (P * Q), i // Q % P, i % Q
        y[n, k, p, q] = _window(x, filt, (C, R, S), n, p, q, bias[k])


EXERCISE = Exercise(
    id="model-mapping",
    title="Model mapping: a block for each channel",
    prompt=(
        "Complete `model_mapping(x, weight, bias, y)`: block k copies filter k, C R S values, from `weight` into "
        "shared memory (`filt`, flat), and then computes channel k of all N samples with it. Arrays as before.\n"
        "K blocks are started, each with C R S float32 of shared memory. A block may have fewer threads than the "
        "filter has values, or more; no thread may read `filt` before all of it has arrived."
    ),
    reference=model_mapping,
    run=RUN,
    oracle=expected,
    cases=partial(cases, mapping="model"),
    parts=PARTS,
    tolerance=1e-4,
    timeout_s=TIMEOUT_S,
    par=Par(
        what="values of `weight` read from global memory",
        unit="loads",
        cost=RUN.loads_of("weight"),
        bound=lambda args: args[3].size,
        case=lambda rng: case(rng, "model", *SMALL[0]),
        why="each weight once; the rest of the reads come from shared memory",
        slack=1.25,
    ),
    wrong=(
        WrongSolution(
            "no barrier",
            _no_barrier,
            "A thread that has copied its part goes on at once and reads values that another has yet to copy.",
            "One cuda.syncthreads() between the copy and the first use, outside of any loop or if.",
        ),
        WrongSolution(
            "one value of the filter for each thread",
            _one_value_each,
            "Each thread copies one value. Where the filter has more values than the block has threads, the rest of "
            "`filt` holds what was there before.",
            "Copy in strides: for i in range(cuda.threadIdx.x, C * R * S, cuda.blockDim.x).",
        ),
        WrongSolution(
            "one sample only",
            _first_sample,
            "Your block computes one sample. In the model mapping it has the filter, and all samples come to it.",
            "Let i run to N * P * Q, and find the sample as i // (P * Q).",
        ),
        WrongSolution(
            "filter copied in another order",
            _filter_rows_swapped,
            "The filter is copied in one order and read in another: place (c R + r) S + s is where the loop looks for "
            "weight[k, c, r, s].",
            "From i: c = i // (R * S), r = i // S % R, s = i % S.",
        ),
        WrongSolution(
            "barrier inside the loop",
            _barrier_for_some,
            "The barrier stands in a loop that some threads go through more often than others, so they wait for "
            "threads that never come.",
            "Put it behind the loop, where every thread passes exactly once.",
        ),
        WrongSolution(
            "everybody has filter 0",
            _filter_of_the_sample,
            "All blocks copy the same filter. Block k needs filter k.",
            "Use the block's number as the first index of weight.",
        ),
    ),
    hints=(
        "Two loops, each in strides of cuda.blockDim.x: one over the C R S values of the filter, one over the N P Q "
        "outputs of the channel.",
        "Value i of filter k is weight[k, i // (R * S), i // S % R, i % S].",
        "Between the two loops all threads have to meet: cuda.syncthreads().",
        "Output i belongs to sample i // (P * Q), row i // Q % P, column i % Q.",
    ),
    next_step="Check the copy alone first: with C R S = 18 and 8 threads, which values does thread 3 copy?",
)
