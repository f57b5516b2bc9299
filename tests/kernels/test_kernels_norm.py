"""Batch normalisation: statistics, FP, KU and BP in three mappings, against the reference in double precision."""

from math import prod

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.engine.reference import norm as reference
from labkit.kernels.elementwise import maps_work
from labkit.kernels.launch import TEACHING, choose
from labkit.kernels.norm import NORMALISE, STATISTICS, SUMS, follow, sums_work, total
from labkit.kernels.norm_backward import GRADIENT, GRADIENT_SUMS
from labkit.kernels.vectors import vector_launch
from labkit.network import BatchNorm

TINY = [(2, 2, 5, 8), (1, 1, 1, 1), (1, 34), (9, 1, 2, 2), (3, 2)]
REAL = [(128, 120), (34, 1), (33, 64, 17, 16), (2, 512, 4, 4)]
LAYER = BatchNorm(epsilon=1e-3, momentum=0.3)
EPSILON, MOMENTUM = np.float32(LAYER.epsilon), np.float32(LAYER.momentum)


def numbers(*shape: int) -> np.ndarray:
    return (np.random.default_rng(sum(shape)).standard_normal(shape) * 2 + 0.5).astype(np.float32)


def unwritten(*shape: int) -> np.ndarray:
    return np.full(shape, np.nan, np.float32)


def maps(array: np.ndarray) -> np.ndarray:
    return array.reshape(*array.shape[:2], prod(array.shape[2:]))


def statistics(run, x: np.ndarray, mapping: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of x [N, C, M] by the kernels of a mapping."""
    N, C, M = x.shape
    launch = choose(mapping, sums_work("bn", N, C, M))
    if mapping in STATISTICS:
        return tuple(run(STATISTICS[mapping], launch, x, unwritten(C), unwritten(C))[1:])
    found = [unwritten(C)]
    for squares in range(2):
        partial = run(SUMS[mapping], launch, x, found[-1], squares, unwritten(N, C))[2]
        found.append(run(total, vector_launch(C), partial, unwritten(C), np.float32(1 / (N * M)))[1])
    return found[1], found[2]


def gradient_sums(run, given: tuple, shape: tuple[int, int, int], mapping: str) -> tuple[np.ndarray, np.ndarray]:
    """dbias and dweight from (x, dy, mean, variance) by the kernels of a mapping."""
    N, C, _ = shape
    launch = choose(mapping, sums_work("bn", *shape))
    sizes = [(C,)] if mapping == "model" else [(N, C)]
    sums = run(GRADIENT_SUMS[mapping], launch, *given, EPSILON, *(unwritten(*size) for size in sizes * 2))[4:]
    if mapping == "model":
        return tuple(sums)
    return tuple(run(total, vector_launch(C), part, unwritten(C), np.float32(1))[1] for part in sums)


def check(run, close, shape: tuple[int, ...], mapping: str, training: bool = True) -> None:
    x, dy, weight, bias = numbers(*shape), numbers(*shape[::-1]).reshape(shape), numbers(shape[1]), numbers(shape[1])
    exact, exact_dy = x.astype(np.float64), dy.astype(np.float64)
    flat = maps(x)
    N, C, M = flat.shape
    mean, variance = statistics(run, flat, mapping) if training else (numbers(C), numbers(C) ** 2)
    if training:
        wanted = reference.statistics(exact)
        close(mean, wanted[0])
        close(variance, wanted[1])
    used = reference.statistics(exact) if training else (mean.astype(np.float64), variance.astype(np.float64))
    launch = choose(mapping, maps_work("bn", N, C, M))
    y = run(NORMALISE[mapping], launch, flat, mean, variance, weight, bias, unwritten(N, C, M), EPSILON)[5]
    close(y.reshape(shape), reference.forward(LAYER, exact, weight, bias, *used), 1e-4)
    dbias, dweight = gradient_sums(run, (flat, maps(dy), mean, variance), flat.shape, mapping)
    for got, wanted in zip((dweight, dbias), reference.backward_weights(LAYER, exact, exact_dy, *used), strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-5 * float(np.abs(dy).sum()))
    share = np.float32(1 / (N * M) if training else 0)
    given = (flat, maps(dy), mean, variance, weight, dweight, dbias, unwritten(N, C, M))
    dx = run(GRADIENT[mapping], launch, *given, EPSILON, share)[7]
    wanted = reference.backward_data(LAYER, exact, exact_dy, weight.astype(np.float64), *used, training)
    largest = float(np.abs(weight[:, None] / np.sqrt(used[1] + LAYER.epsilon)[:, None]).max() * np.abs(dy).max())
    np.testing.assert_allclose(dx.reshape(shape), wanted, atol=1e-4 * largest)


@pytest.mark.parametrize("mapping", TEACHING)
@pytest.mark.parametrize("shape", TINY, ids=str)
def test_tiny(run, close, shape, mapping):
    check(run, close, shape, mapping)


@pytest.mark.parametrize("mapping", TEACHING)
def test_with_running_statistics_tiny(run, close, mapping):
    check(run, close, TINY[0], mapping, training=False)


@pytest.mark.parametrize(("N", "M"), [(3, 4), (1, 1)])
def test_running_statistics_follow_tiny(run, close, N, M):
    mean, variance, old = numbers(40), numbers(40) ** 2, numbers(40) + 3
    unbiased = np.float32(N * M / (N * M - 1) if N * M > 1 else 0)
    _, _, running_mean, running_variance = run(follow, vector_launch(40), mean, variance, old, old, MOMENTUM, unbiased)
    close(running_mean, reference.running(LAYER, old, mean))
    new = reference.unbiased(variance, np.empty((N, 40, M)))
    close(running_variance, old if new is None else reference.running(LAYER, old, new))


def test_in_the_simulator(simulated):
    simulated(__file__)


@pytest.mark.parametrize("mapping", TEACHING)
@pytest.mark.parametrize("shape", REAL, ids=str)
def test_real_sizes(run, close, shape, mapping):
    check(run, close, shape, mapping)


@pytest.mark.parametrize("mapping", TEACHING)
def test_a_variance_far_from_zero_keeps_its_digits(run, mapping):
    """Mean 1000, deviation 0.1: in float32 the mean of squares less the square of the mean would be noise."""
    x = (1000 + 0.1 * np.random.default_rng(0).standard_normal((16, 4, 64))).astype(np.float32)
    np.testing.assert_allclose(statistics(run, x, mapping)[1], x.astype(np.float64).var(axis=(0, 2)), rtol=1e-3)


SIZES = st.tuples(*[st.integers(1, 9)] * 4) | st.tuples(st.integers(1, 80), st.integers(1, 20))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shape=SIZES)
def test_any_sizes(run, close, shape):
    for mapping in TEACHING:
        check(run, close, shape, mapping)
