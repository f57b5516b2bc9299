"""Pools and trainable subsampling: FP, BP and KU in three mappings, against the reference in double precision."""

from math import prod

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.engine.reference import pool as reference
from labkit.kernels.elementwise import maps_work
from labkit.kernels.launch import TEACHING, choose
from labkit.kernels.pool import AVG_BACKWARD, AVG_FORWARD, MAX_BACKWARD, MAX_FORWARD
from labkit.network import AvgPool, MaxPool

#                  N  C  H  W          R  S  stride  padding
TINY = {
    "odd": ((2, 3, 5, 8), (3, 2, (2, 3), (1, 0))),
    "one value": ((1, 1, 1, 1), (1, 1, 1, 0)),
    "overlapping": ((1, 2, 6, 5), (3, 3, 1, 1)),
    "pixels never read": ((2, 1, 7, 6), (1, 2, (3, 4), 0)),
    "window of the whole map": ((3, 5, 3, 4), (3, 4, None, 0)),
    "padding almost as wide as the window": ((1, 2, 2, 3), (4, 3, (3, 2), (3, 2))),
}
REAL = {
    "lenet5": ((65, 6, 28, 28), (2, 2, None, 0)),
    "alexnet": ((4, 96, 27, 27), (3, 3, 2, 0)),
    "resnet18": ((3, 64, 56, 56), (3, 3, 2, 1)),
}


def numbers(shape: tuple[int, ...], ties: bool = False) -> np.ndarray:
    rng = np.random.default_rng(sum(shape))
    return (rng.integers(-2, 2, shape) if ties else rng.standard_normal(shape)).astype(np.float32)


def launch_for(mapping: str, shape: tuple[int, ...]):
    return choose(mapping, maps_work("pool", shape[0], shape[1], prod(shape[2:])))


def geometry(layer) -> tuple[int, ...]:
    return layer.R, layer.S, *layer.stride, *layer.padding


def unwritten(shape: tuple[int, ...]) -> np.ndarray:
    return np.full(shape, np.nan, np.float32)


def check_max(run, close, shape, window, mapping: str, ties: bool = True) -> None:
    layer = MaxPool(*window)
    x, outputs = numbers(shape, ties), (shape[0], *layer.output_shape(shape[1:]))
    nowhere, dy = np.full(outputs, -1, np.int32), numbers(outputs)
    launch = launch_for(mapping, outputs)
    _, y, places = run(MAX_FORWARD[mapping], launch, x, unwritten(outputs), nowhere, *geometry(layer))
    assert np.array_equal(y, reference.forward(layer, x))
    launch = launch_for(mapping, shape)
    dx = run(MAX_BACKWARD[mapping], launch, dy, places, unwritten(shape), *geometry(layer))[2]
    close(dx, reference.backward_data(layer, x, dy.astype(np.float64)))


def check_average(run, close, shape, window, mapping: str) -> None:
    layer = AvgPool(*window)
    x, outputs = numbers(shape), (shape[0], *layer.output_shape(shape[1:]))
    y = run(AVG_FORWARD[mapping], launch_for(mapping, outputs), x, unwritten(outputs), *geometry(layer))[1]
    close(y, reference.forward(layer, x.astype(np.float64)))
    dy = numbers(outputs)
    dx = run(AVG_BACKWARD[mapping], launch_for(mapping, shape), dy, unwritten(shape), *geometry(layer))[1]
    close(dx, reference.backward_data(layer, x, dy.astype(np.float64)))


@pytest.mark.parametrize("mapping", TEACHING)
@pytest.mark.parametrize("check", [check_max, check_average])
@pytest.mark.parametrize("case", TINY)
def test_tiny(run, close, case, check, mapping):
    check(run, close, *TINY[case], mapping)


def test_in_the_simulator(simulated):
    simulated(__file__)


@pytest.mark.parametrize("mapping", TEACHING)
@pytest.mark.parametrize("check", [check_max, check_average])
@pytest.mark.parametrize("case", REAL)
def test_real_sizes(run, close, case, check, mapping):
    check(run, close, *REAL[case], mapping)


@pytest.mark.parametrize("mapping", TEACHING)
def test_the_first_of_equal_values_wins_and_nan_always_does_tiny(run, mapping):
    x = np.array([[[[2, 2, 1, -np.inf], [2, 0, np.nan, -np.inf], [9, 9, np.nan, 9]]]], np.float32)
    layer = MaxPool(3, 2, padding=(1, 0))
    outputs = (1, 1, 1, 2)
    places = np.zeros(outputs, np.int32)
    run_of = run(MAX_FORWARD[mapping], launch_for(mapping, outputs), x, unwritten(outputs), places, *geometry(layer))
    assert run_of[2].tolist() == [[[[0, 6]]]]
    assert run_of[1][0, 0, 0, 0] == 2 and np.isnan(run_of[1][0, 0, 0, 1])


@st.composite
def pools(draw):
    R, S = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    padding = draw(st.integers(0, R - 1)), draw(st.integers(0, S - 1))
    H, W = (draw(st.integers(max(1, size - 2 * pad), 9)) for size, pad in zip((R, S), padding, strict=True))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 3)), H, W)
    return shape, (R, S, (draw(st.integers(1, 5)), draw(st.integers(1, 5))), padding)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=pools())
def test_any_sizes(run, close, case):
    for mapping in TEACHING:
        check_max(run, close, *case, mapping)
        check_average(run, close, *case, mapping)
