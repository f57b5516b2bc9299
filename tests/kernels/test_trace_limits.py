"""What cannot be traced ends with one message: endless loops, too much, what a GPU would not compile."""

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.kernels.launch import Launch
from labkit.kernels.source import cuda, float32
from labkit.kernels.trace import trace

ONE_BLOCK = Launch((1, 1, 1), 8)


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def endless(x):
    i = 0
    while i < 10:
        x[0] = float32(i)


def endless_barrier(x):
    while x.size:
        cuda.syncthreads()


def doubling(x):
    i = 3
    while i:
        i = i * i


def slow(x):
    for _ in range(20):
        for i in range(x.size):
            x[i] += float32(1)


def greedy(x):
    part = cuda.shared.array(20_000, float32)
    part[0] = x[0]


def listing(x):
    x[0] = sum((1, 2))


def hidden(x):
    x[0] = helper(x)


def helper(x):
    return x[0]


def divided(x):
    x[0] = float32(1 // (cuda.threadIdx.x - 2))


def asking(x):
    x[0] = cuda.shfl_sync(1, 2, 3)


def sized(x):
    part = cuda.shared.array(cuda.blockDim.x, float32)
    part[0] = x[0]


def rows_of(x):
    part = cuda.shared.array(4, float)
    part[0] = x[0]


def largest_of_many(x):
    x[0] = float32(max(range(10**12)))


def listed(x):
    x[0] = [float32(1)][0]


def whole_part(x):
    x[0:2] = float32(1)


@pytest.mark.parametrize(
    ("kernel", "options", "words"),
    [
        (endless, {}, ["line", "while i < 10", "rounds", "thread 0"]),
        (endless_barrier, {}, ["barrier in line", "20,000 times"]),
        (doubling, {}, ["64 bits", "fails in line"]),
        (slow, {"limit": 1000}, ["more than 1,000 accesses"]),
        (slow, {"seconds": 0.0}, ["not through after 0 seconds"]),
        (greedy, {}, ["80,000 bytes", "12,288"]),
        (listing, {}, ["sum"]),
        (hidden, {}, ["helper", "@device_function"]),
        (divided, {}, ["thread 2 of 8", "zero"]),
        (asking, {}, ["cuda.shfl_sync", "line"]),
        (sized, {}, ["no constant", "line"]),
        (rows_of, {}, ["float as the type", "float32"]),
        (whole_part, {}, ["not one value"]),
        (largest_of_many, {}, ["fails in line"]),
        (listed, {}, ["list", "tuple"]),
        (endless, {"blocks": [1]}, ["block 1 of a grid of 1"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_cannot_be_traced_ends_with_a_message(kernel, options, words):
    with pytest.raises(LabError) as error:
        trace(kernel, ONE_BLOCK, np.zeros(100, np.float32), **options)
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.mark.parametrize(
    ("arguments", "launch", "word"),
    [
        (([1.0],), ONE_BLOCK, "list"),
        ((), ONE_BLOCK, "takes 1 arguments, not 0"),
        ((np.zeros((4, 4), np.float32).T,), ONE_BLOCK, "ascontiguousarray"),
        ((np.zeros(4, np.complex64),), ONE_BLOCK, "complex64"),
        ((np.zeros(4, np.float32),), Launch((1, 1, 1), 2048), "1024"),
        ((np.zeros(4, np.float32),), Launch((0, 1, 1), 8), "grid"),
    ],
)
def test_bad_arguments_are_refused(arguments, launch, word):
    with pytest.raises(LabError, match=word):
        trace(slow, launch, *arguments)


def added(a, b, out):
    i = cuda.threadIdx.x
    out[i] = a[i] + b[i]


def test_the_same_array_twice_has_the_same_cells():
    x = numbers(8)
    ran = trace(added, ONE_BLOCK, x, x.copy(), x)
    assert ran.names == ("a", "b") and ran.written[0].all()
    with pytest.raises(LabError, match="overlaps"):
        trace(added, Launch((1, 1, 1), 4), x[:6], x[2:], numbers(8))
