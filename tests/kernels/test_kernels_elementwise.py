"""Activations and the residual addition in three mappings, against the reference in double precision."""

from math import prod

import numpy as np
import pytest

from labkit.engine.reference import activation as reference
from labkit.kernels.activate import function_number
from labkit.kernels.elementwise import ACTIVATION, ACTIVATION_BACKWARD, ADD, LEAKY, LEAKY_BACKWARD, maps_work
from labkit.kernels.launch import TEACHING, choose
from labkit.network import LeakyReLU, Logistic, ReLU, Tanh

TINY = [(2, 3, 5, 4), (1, 1), (3, 13), (1, 40), (35, 1), (1, 2, 1, 37)]
REAL = [(128, 4096), (33, 64, 17, 16)]
ACTIVATIONS = [Logistic(), ReLU(), Tanh()]


def numbers(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """With a few exact zeros, where slopes change."""
    values = np.random.default_rng(sum(shape) + seed).standard_normal(shape).astype(np.float32) * 3
    values.reshape(-1)[::5] = 0
    return values


def maps(array: np.ndarray) -> np.ndarray:
    return array.reshape(*array.shape[:2], prod(array.shape[2:]))


def launch_for(mapping: str, x: np.ndarray):
    return choose(mapping, maps_work("relu1", *x.shape))


def check_activation(run, close, shape: tuple[int, ...], layer, mapping: str) -> None:
    x, dy = maps(numbers(shape)), maps(numbers(shape, seed=1))
    launch, nothing = launch_for(mapping, x), np.full(x.shape, np.nan, np.float32)
    if isinstance(layer, LeakyReLU):
        forward, backward, constant = LEAKY, LEAKY_BACKWARD, np.float32(layer.slope)
    else:
        forward, backward, constant = ACTIVATION, ACTIVATION_BACKWARD, function_number(layer.kind)
    y = run(forward[mapping], launch, x, nothing, constant)[1]
    close(y, reference.forward(layer, x.astype(np.float64)))
    dx = run(backward[mapping], launch, y, dy, nothing, constant)[2]
    close(dx, reference.backward_data(layer, y.astype(np.float64), dy.astype(np.float64)))


def check_add(run, shape: tuple[int, ...], mapping: str) -> None:
    a, b = maps(numbers(shape)), maps(numbers(shape, seed=1))
    nothing = np.full(a.shape, np.nan, np.float32)
    assert np.array_equal(run(ADD[mapping], launch_for(mapping, a), a, b, nothing)[2], a + b)


@pytest.mark.parametrize("mapping", TEACHING)
@pytest.mark.parametrize("layer", [*ACTIVATIONS, LeakyReLU(0.2)], ids=lambda layer: layer.kind)
def test_every_function_tiny(run, close, layer, mapping):
    check_activation(run, close, TINY[0], layer, mapping)


@pytest.mark.parametrize("mapping", TEACHING)
@pytest.mark.parametrize("shape", TINY, ids=str)
def test_every_shape_tiny(run, close, shape, mapping):
    check_activation(run, close, shape, ReLU(), mapping)
    check_add(run, shape, mapping)


def test_in_the_simulator(simulated):
    simulated(__file__)


@pytest.mark.parametrize("mapping", TEACHING)
@pytest.mark.parametrize("shape", REAL, ids=str)
def test_real_sizes(run, close, shape, mapping):
    for layer in (Tanh(), LeakyReLU()):
        check_activation(run, close, shape, layer, mapping)
    check_add(run, shape, mapping)


@pytest.mark.parametrize("mapping", TEACHING)
@pytest.mark.parametrize("layer", ACTIVATIONS, ids=lambda layer: layer.kind)
def test_no_overflow_and_no_number_lost(run, layer, mapping):
    """Compiled only: in the simulator `math.exp` is Python's, which raises an error where float32 has an infinity."""
    x = np.array([[[-1e30, -100, 100, 1e30]]], np.float32)
    launch = launch_for(mapping, x)
    y = run(ACTIVATION[mapping], launch, x, np.full(x.shape, np.nan, np.float32), function_number(layer.kind))[1]
    np.testing.assert_allclose(y, reference.forward(layer, x.astype(np.float64)), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["logistic", "relu", "tanh"])
def test_a_number_that_is_none_stays_none_tiny(run, name):
    """A ReLU written as max(0, x) would turn NaN into 0, and a run that has diverged would look well."""
    x = np.array([[[np.nan, -1, 2]]], np.float32)
    launch = choose("hybrid", maps_work("relu", *x.shape))
    y = run(ACTIVATION["hybrid"], launch, x, np.zeros_like(x), function_number(name))[1]
    assert np.isnan(y).tolist() == [[[True, False, False]]]
