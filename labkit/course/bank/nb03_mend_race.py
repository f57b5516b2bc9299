"""Notebook 03: a sum over the threads of a block, with a race to be mended."""

import numpy as np

from labkit.course.exercise import Case, Exercise, WrongSolution
from labkit.course.kernel_runs import CLEAN, TIMEOUT_S, Runner, blank, values
from labkit.kernels.launch import MOST_THREADS, Launch
from labkit.kernels.source import cuda, device_function, float32

RUN = Runner(("dy", "dbias"), ("dbias",))


def channel_sum(dy, dbias):
    """Block k adds up channel k of dy: a part for each thread, then half of the parts to the other half, and again."""
    k, thread = cuda.blockIdx.x, cuda.threadIdx.x
    N, P, Q = dy.shape[0], dy.shape[2], dy.shape[3]
    partial = cuda.shared.array(MOST_THREADS, float32)
    partial[thread] = float32(0)
    for i in range(thread, N * P * Q, cuda.blockDim.x):
        partial[thread] += dy[i // (P * Q), k, i // Q % P, i % Q]
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if thread < half:
            partial[thread] += partial[thread + half]
        cuda.syncthreads()
        half //= 2
    if thread == 0:
        dbias[k] = partial[0]


def cases(rng: np.random.Generator) -> list[Case]:
    """Blocks of one thread, of fewer and of more threads than values; then a layer of AlexNet*."""
    sizes = ((2, 3, 3, 5, 8), (3, 2, 1, 3, 32), (1, 4, 5, 2, 64), (2, 2, 3, 2, 1))
    return [*(_case(rng, *size) for size in sizes), _case(rng, 32, 96, 27, 29, 256, real=True)]


def _case(rng: np.random.Generator, N: int, K: int, P: int, Q: int, threads: int, real: bool = False) -> Case:
    label = f"dy of {N}x{K}x{P}x{Q}, {K} blocks of {threads} thread{'s' if threads > 1 else ''}"
    return Case((real, Launch((K, 1, 1), threads), values(rng, N, K, P, Q), blank((K,))), label, late=real)


def expected(real, launch, dy, dbias):
    """A clean memory, and the sums."""
    return CLEAN, dy.sum(axis=(0, 2, 3), dtype=np.float64)


@device_function
def _parts(dy, partial, k, thread, threads):
    N, P, Q = dy.shape[0], dy.shape[2], dy.shape[3]
    partial[thread] = float32(0)
    for i in range(thread, N * P * Q, threads):
        partial[thread] += dy[i // (P * Q), k, i // Q % P, i % Q]


def _as_planted(dy, dbias):
    k, thread = cuda.blockIdx.x, cuda.threadIdx.x
    partial = cuda.shared.array(MOST_THREADS, float32)
    _parts(dy, partial, k, thread, cuda.blockDim.x)
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if thread < half:
            partial[thread] += partial[thread + half]
        half //= 2
    if thread == 0:
        dbias[k] = partial[0]


def _barrier_of_the_busy(dy, dbias):
    k, thread = cuda.blockIdx.x, cuda.threadIdx.x
    partial = cuda.shared.array(MOST_THREADS, float32)
    _parts(dy, partial, k, thread, cuda.blockDim.x)
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if thread < half:
            partial[thread] += partial[thread + half]
            cuda.syncthreads()
        half //= 2
    if thread == 0:
        dbias[k] = partial[0]


def _everyone_adds(dy, dbias):
    k, thread = cuda.blockIdx.x, cuda.threadIdx.x
    partial = cuda.shared.array(MOST_THREADS, float32)
    _parts(dy, partial, k, thread, cuda.blockDim.x)
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if thread + half < cuda.blockDim.x:
            partial[thread] += partial[thread + half]
        cuda.syncthreads()
        half //= 2
    if thread == 0:
        dbias[k] = partial[0]


def _last_half_forgotten(dy, dbias):
    k, thread = cuda.blockIdx.x, cuda.threadIdx.x
    partial = cuda.shared.array(MOST_THREADS, float32)
    _parts(dy, partial, k, thread, cuda.blockDim.x)
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 1:
        if thread < half:
            partial[thread] += partial[thread + half]
        cuda.syncthreads()
        half //= 2
    if thread == 0:
        dbias[k] = partial[0]


EXERCISE = Exercise(
    id="mend-race",
    title="A race in shared memory, mended",
    prompt=(
        "Complete `channel_sum(dy, dbias)`, the sum of channel k over all samples and pixels, so that no two threads "
        "meet: dbias[k] = sum over n, p, q of dy[n, k, p, q]. dy is [N, K, P, Q]; block k has channel k.\n"
        "Each thread has put its own part into `partial`. Now halve, again and again: thread t < half adds "
        "partial[t + half] to partial[t]. The number of threads is a power of two, 1 included."
    ),
    reference=channel_sum,
    run=RUN,
    oracle=expected,
    cases=cases,
    parts=("memory", "dbias"),
    tolerance=1e-4,
    timeout_s=TIMEOUT_S,
    wrong=(
        WrongSolution(
            "rounds without a barrier",
            _as_planted,
            "In the second round thread t reads partial[t + half], which another thread is still adding to.",
            "Between any two rounds everybody has to wait for everybody: one barrier before the loop, or behind it, "
            "does not do.",
        ),
        WrongSolution(
            "barrier under the if",
            _barrier_of_the_busy,
            "Only threads below half reach the barrier; the others go on to the next round. A block waits for all of "
            "its threads, so on a GPU this hangs, or does anything else.",
            "Take the barrier out of the if, but leave it in the loop.",
        ),
        WrongSolution(
            "more than half adds",
            _everyone_adds,
            "Threads from half on add as well, to values that others are reading in the same round.",
            "Only threads below half have anything to add.",
        ),
        WrongSolution(
            "last round left out",
            _last_half_forgotten,
            "The loop ends while two parts are left.",
            "Go on while half > 0.",
        ),
    ),
    hints=(
        "Which cell does thread 0 read in the second round, and who has written it in the first?",
        "A round may begin when all threads have ended the one before: one barrier in each round.",
        "All threads must reach it: not under `if thread < half`.",
    ),
    next_step="Draw the cells of `partial` for 8 threads, one row for each round, and an arrow for each addition.",
)
