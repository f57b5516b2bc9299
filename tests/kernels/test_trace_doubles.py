"""Slips into double precision are found from the types of expressions; kernels in float32 are not accused."""

import numpy as np
import pytest

from labkit.kernels.launch import Launch
from labkit.kernels.source import cuda, device_function, float32
from labkit.kernels.trace import findings, trace

SIZE = 32
HALF = 0.5
QUARTER = np.float32(0.25)


def in_double(x, y):
    tid = cuda.threadIdx.x
    y[tid] = x[tid] * 0.5


def by_whole_number(x, y):
    tid = cuda.threadIdx.x
    y[tid] = x[tid] * 2


def sum_in_double(x, y):
    total = 0.0
    for i in range(x.size):
        total += x[i]
    y[cuda.threadIdx.x] = total


def constant_in_double(x, y):
    y[cuda.threadIdx.x] = max(x[cuda.threadIdx.x], HALF)


def quotient(x, y):
    y[cuda.threadIdx.x] = cuda.threadIdx.x / x.size


@device_function
def halved(value):
    return value / 2


def inside_of_a_function(x, y):
    y[cuda.threadIdx.x] = halved(x[cuda.threadIdx.x])


def in_single(x, y):
    tid = cuda.threadIdx.x
    total = float32(0)
    for i in range(x.size):
        total += x[i] * float32(HALF) * QUARTER
    y[tid] = total**2 if x[tid] > 0.5 else abs(-total) + float32(tid) / float32(3)


def run(kernel):
    x, y = np.arange(1, SIZE + 1, dtype=np.float32), np.zeros(SIZE, np.float32)
    return findings(trace(kernel, Launch((1, 1, 1), SIZE), x, y))


def test_a_kernel_in_single_precision_is_not_accused():
    assert run(in_single) == ()


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        (in_double, ["`x[tid] * 0.5`", "float32(0.5)"]),
        (by_whole_number, ["2, a whole number", "float32(2)"]),
        (sum_in_double, ["`total + x[i]`", "0.0 in line"]),
        (constant_in_double, ["HALF", "float32(HALF)"]),
        (quotient, ["quotient of whole numbers"]),
        (inside_of_a_function, ["of halved", "`value / 2`"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_double_precision_is_a_warning(kernel, words):
    (found,) = run(kernel)
    assert (found.kind, found.severity) == ("float64", "warning")
    assert all(word in found.sentence for word in words), found.sentence


def with_rate(x, y, rate):
    y[cuda.threadIdx.x] = x[cuda.threadIdx.x] * rate


def test_a_number_of_python_is_double_precision():
    x, y = np.ones(SIZE, np.float32), np.zeros(SIZE, np.float32)
    (found,) = findings(trace(with_rate, Launch((1, 1, 1), SIZE), x, y, 0.1))
    assert "the argument rate" in found.sentence and "np.float32(rate)" in found.sentence
    assert findings(trace(with_rate, Launch((1, 1, 1), SIZE), x, y, np.float32(0.1))) == ()
