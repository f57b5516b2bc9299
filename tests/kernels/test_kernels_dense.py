"""The fully connected layer: the three phases in three mappings, against the reference in double precision."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.engine.reference import dense as reference
from labkit.errors import LabError
from labkit.kernels.activate import FUNCTIONS, function_number
from labkit.kernels.dense import (
    BACKWARD_DATA,
    BACKWARD_WEIGHTS,
    FORWARD,
    backward_data_work,
    backward_weights_work,
    forward_work,
)
from labkit.kernels.launch import TEACHING, choose
from labkit.kernels.sizes import DenseSizes
from labkit.network import Dense

TINY = [DenseSizes(3, 7, 5), DenseSizes(1, 1, 1), DenseSizes(1, 40, 2), DenseSizes(1, 2, 34), DenseSizes(34, 1, 1)]
REAL = [DenseSizes(37, 3, 2), DenseSizes(33, 400, 120), DenseSizes(128, 84, 10), DenseSizes(7, 1024, 1000)]


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def double(*values: np.ndarray) -> list[np.ndarray]:
    return [value.astype(np.float64) for value in values]


def unwritten(*shape: int) -> np.ndarray:
    return np.full(shape, np.nan, np.float32)


def check_forward(run, close, z: DenseSizes, mapping: str, function: int = 0) -> None:
    x, weight, bias = numbers(z.N, z.F), numbers(z.K, z.F), numbers(z.K)
    launch = choose(mapping, forward_work("fc", z))
    y = run(FORWARD[mapping], launch, x, weight, bias, unwritten(z.N, z.K), function)[3]
    after = (lambda v: v, lambda v: 1 / (1 + np.exp(-v)), lambda v: np.maximum(v, 0), np.tanh)
    close(y, after[function](reference.forward(Dense(z.K), *double(x, weight, bias))))


def check_backward_data(run, close, z: DenseSizes, mapping: str) -> None:
    dy, weight = numbers(z.N, z.K), numbers(z.K, z.F)
    dx = run(BACKWARD_DATA[mapping], choose(mapping, backward_data_work("fc", z)), dy, weight, unwritten(z.N, z.F))[2]
    close(dx, reference.backward_data(Dense(z.K), *double(dy, weight)))


def check_backward_weights(run, close, z: DenseSizes, mapping: str) -> None:
    x, dy = numbers(z.N, z.F), numbers(z.N, z.K)
    before = [
        unwritten(*shape) if mapping == "model" else np.zeros(shape, np.float32) for shape in ((z.K, z.F), (z.K,))
    ]
    launch = choose(mapping, backward_weights_work("fc", z))
    _, _, dweight, dbias = run(BACKWARD_WEIGHTS[mapping], launch, x, dy, *before)
    wanted = reference.backward_weights(Dense(z.K), *double(x, dy))
    close(dweight, wanted[0])
    close(dbias, wanted[1])


CHECKS = (check_forward, check_backward_data, check_backward_weights)


@pytest.mark.parametrize("mapping", TEACHING)
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("sizes", TINY, ids=str)
def test_tiny(run, close, sizes, check, mapping):
    check(run, close, sizes, mapping)


def test_in_the_simulator(simulated):
    simulated(__file__)


@pytest.mark.parametrize("mapping", TEACHING)
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("sizes", REAL, ids=str)
def test_real_sizes(run, close, sizes, check, mapping):
    check(run, close, sizes, mapping)


@pytest.mark.parametrize("mapping", TEACHING)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_activation(run, close, function, mapping):
    check_forward(run, close, TINY[0], mapping, function_number(function))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.builds(DenseSizes, st.integers(1, 40), st.integers(1, 300), st.integers(1, 40)))
def test_any_sizes(run, close, sizes):
    for check in CHECKS:
        for mapping in TEACHING:
            check(run, close, sizes, mapping)


def test_only_the_model_mapping_holds_weights():
    wide = DenseSizes(2, 20_000, 3)
    assert choose("hybrid", forward_work("fc6", wide)).shared_bytes == 0
    assert choose("model", backward_data_work("fc6", wide)).shared_bytes == 12
    with pytest.raises(LabError, match="a filter of fc6 takes 80,000 bytes"):
        choose("model", forward_work("fc6", wide))
