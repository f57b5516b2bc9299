"""Notebook 03: a first kernel, one thread per value of a table."""

import numpy as np

from labkit.course.exercise import Case, Exercise, Par, WrongSolution
from labkit.course.kernel_runs import CLEAN, TIMEOUT_S, Runner, blank, doubles, values
from labkit.kernels.launch import Launch
from labkit.kernels.source import cuda

RUN = Runner(("x", "bias", "y"), ("y",))


def add_bias(x, bias, y):
    """y[k, m] = x[k, m] + bias[k]; one thread per value, as many blocks as that takes."""
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    K, M = x.shape
    if i < K * M:
        k, m = i // M, i % M
        y[k, m] = x[k, m] + bias[k]


def cases(rng: np.random.Generator) -> list[Case]:
    """Tables that are not square, whose last block is not full; then one of a million values."""
    sizes = ((3, 7, 8), (5, 4, 8), (2, 9, 32), (11, 3, 4))
    return [*(_case(rng, *size) for size in sizes), _case(rng, 513, 2049, 256, real=True)]


def _case(rng: np.random.Generator, K: int, M: int, threads: int, real: bool = False) -> Case:
    launch = Launch((-(-K * M // threads), 1, 1), threads)
    label = f"x of {K} rows and {M} columns, {launch.blocks} blocks of {threads} threads"
    return Case((real, launch, values(rng, K, M), values(rng, K), blank((K, M))), label, late=real)


def expected(real, launch, x, bias, y):
    """A clean memory, and the sums."""
    return CLEAN, x.astype(np.float64) + bias[:, None]


def _no_guard(x, bias, y):
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    M = x.shape[1]
    y[i // M, i % M] = x[i // M, i % M] + bias[i // M]


def _first_block_only(x, bias, y):
    i = cuda.threadIdx.x
    K, M = x.shape
    if i < K * M:
        y[i // M, i % M] = x[i // M, i % M] + bias[i // M]


def _roles_swapped(x, bias, y):
    i = cuda.threadIdx.x * cuda.blockDim.x + cuda.blockIdx.x
    K, M = x.shape
    if i < K * M:
        y[i // M, i % M] = x[i // M, i % M] + bias[i // M]


def _rows_for_columns(x, bias, y):
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    K, M = x.shape
    if i < K * M:
        k, m = i // K, i % K
        if k < K and m < M:
            y[k, m] = x[k, m] + bias[k]


def _bias_of_the_column(x, bias, y):
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    K, M = x.shape
    if i < K * M:
        y[i // M, i % M] = x[i // M, i % M] + bias[i % M % K]


def _block_is_a_row(x, bias, y):
    k, m = cuda.blockIdx.x, cuda.threadIdx.x
    K, M = x.shape
    if k < K and m < M:
        y[k, m] = x[k, m] + bias[k]


EXERCISE = Exercise(
    id="first-kernel",
    title="A first kernel: one thread per value",
    prompt=(
        "Write the kernel `add_bias(x, bias, y)`: y[k, m] = x[k, m] + bias[k], for x and y of K rows and M columns "
        "(`x.shape` is (K, M)).\n"
        "It is started with as many blocks as K M values need, one thread per value: thread number i of all threads "
        "computes value i, counted row by row. The last block may have threads that find nothing to do."
    ),
    reference=add_bias,
    run=RUN,
    oracle=expected,
    cases=cases,
    parts=("memory", "y"),
    timeout_s=TIMEOUT_S,
    par=Par(
        what="lines in double precision",
        unit="lines",
        cost=doubles,
        bound=lambda args: 0,
        case=lambda rng: _case(rng, 3, 7, 8),
        why="float32 throughout; a bare 1.0 is a double",
    ),
    wrong=(
        WrongSolution(
            "no guard",
            _no_guard,
            "Threads of the last block that have no value left read and write beyond the arrays: the guard is missing, "
            "or it lets one thread too many pass.",
            "Let only threads whose number is below the number of values touch anything.",
        ),
        WrongSolution(
            "first block only",
            _first_block_only,
            "threadIdx counts within its block: every block does the same values, and nobody does the others.",
            "Add the threads of all blocks before yours: blockIdx.x * blockDim.x.",
        ),
        WrongSolution(
            "block and thread swapped",
            _roles_swapped,
            "Block and thread have changed places: number = block * threads of a block + thread.",
            "Work out by hand which number thread 1 of block 2 has, with 8 threads in a block.",
        ),
        WrongSolution(
            "rows for columns",
            _rows_for_columns,
            "Value i is in row i // M: a row has as many values as there are columns. Dividing by the rows puts them "
            "elsewhere.",
            "With 3 rows of 7 values, where is value 8?",
        ),
        WrongSolution(
            "bias of the column",
            _bias_of_the_column,
            "There is one bias for each row k; you took the one with the number of the column.",
            "Index bias with the row.",
        ),
        WrongSolution(
            "a block for each row",
            _block_is_a_row,
            "You gave each block a row. That would be another launch: here blocks are as long as blockDim, not as a "
            "row, so long rows lose their end.",
            "Take the number of the thread among all threads, and find row and column from it.",
        ),
    ),
    hints=(
        "Number of this thread among all: cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x.",
        "Only threads with a number below K * M have something to do; put the rest of the kernel under that `if`.",
        "Value i lies in row i // M and column i % M.",
    ),
    next_step="Work it out on paper for 3 rows of 7 values and 8 threads: what does thread 2 of block 1 compute?",
)
