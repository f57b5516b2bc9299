"""The finite differences themselves, on functions whose gradient is known."""

import numpy as np
import pytest

from labkit.engine.gradient_check import gradient_error, numerical_gradient
from labkit.errors import LabError


def smooth(x):
    return np.sin(x).sum() + x[0, 1] * x[1, 2]


def smooth_gradient(x):
    gradient = np.cos(x)
    gradient[0, 1] += x[1, 2]
    gradient[1, 2] += x[0, 1]
    return gradient


@pytest.mark.parametrize(("dtype", "limit"), [(np.float64, 1e-9), (np.longdouble, 1e-9), (np.float32, 1e-6)])
def test_a_known_gradient(dtype, limit):
    x = np.random.default_rng(0).normal(size=(2, 3)).astype(dtype)
    numeric = numerical_gradient(smooth, x)
    assert numeric.shape == x.shape and numeric.dtype == np.promote_types(dtype, np.float64)
    assert gradient_error(smooth_gradient(x), numeric) < limit


def test_large_values_get_larger_steps():
    x = np.array([1e8, -3e6])
    assert gradient_error(3 * x**2, numerical_gradient(lambda v: np.sum(v**3), x)) < 1e-8


def test_the_error_of_a_large_step_is_that_of_the_third_derivative():
    """Central differences of x^3 are 3 x^2 + h^2 exactly."""
    assert numerical_gradient(lambda v: np.sum(v**3), np.array([2.0]), step=0.5)[0] == pytest.approx(12.25)


def test_what_rounding_makes_of_the_step_is_taken_into_account():
    """1e-3 beside 1e12 is rounded by a tenth: the distance that f saw counts, not the one that was asked for."""
    assert numerical_gradient(np.sum, np.array([1e12]), step=1e-3)[0] == 1


def test_integers_and_single_numbers():
    assert numerical_gradient(lambda v: float(v**2), 3) == pytest.approx(6)


def test_neither_the_function_nor_the_helper_spoils_the_point():
    x = np.array([1.0, 2.0])

    def careless(v):
        v *= 2
        return np.sum(v**2)

    assert gradient_error(8 * x, numerical_gradient(careless, x)) < 1e-9
    np.testing.assert_array_equal(x, [1.0, 2.0])


@pytest.mark.parametrize("step", [0, -1e-5, float("nan"), float("inf")])
def test_impossible_steps_are_refused(step):
    with pytest.raises(LabError, match="step="):
        numerical_gradient(np.sum, np.ones(2), step)


def test_error_is_relative_to_the_largest_value():
    assert gradient_error(np.array([100.0, 0.0]), np.array([100.0, 1.0])) == pytest.approx(0.01)
    assert gradient_error(np.array([1e-9]), np.array([2e-9])) == pytest.approx(0.5)
    assert gradient_error(np.zeros(3), np.zeros(3)) == 0
    assert gradient_error(np.empty((0, 2)), np.empty((0, 2))) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_infinitely_wrong(bad):
    assert gradient_error(np.array([bad, 1.0]), np.array([bad, 1.0])) == np.inf
    assert gradient_error(np.ones(2), np.array([1.0, bad])) == np.inf


def test_shapes_are_compared_not_broadcast():
    with pytest.raises(LabError, match=r"\(2, 1\) and \(2,\)"):
        gradient_error(np.ones((2, 1)), np.ones(2))
