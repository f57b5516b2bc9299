"""Every loss against finite differences and values worked out by hand, and at the edges of the float types."""

import warnings

import numpy as np
import pytest

from labkit.engine import losses
from labkit.engine.gradient_check import gradient_error, numerical_gradient
from labkit.errors import LabError

LABELS = np.array([2, 0, 4])
ALL = {**losses.LOSSES, "softmax_cross_entropy": losses.softmax_cross_entropy}


def probabilities(dtype=np.float64, n: int = 3, K: int = 5) -> np.ndarray:
    """Random rows that sum to 1, none alike."""
    rows = np.random.default_rng(3).uniform(0.05, 1, (n, K))
    return (rows / rows.sum(axis=1, keepdims=True)).astype(dtype)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("name", ALL)
def test_gradient_matches_finite_differences(name, n):
    output, loss = probabilities(n=n), ALL[name]
    numeric = numerical_gradient(lambda o: loss(o, LABELS[:n])[0], output)
    assert gradient_error(loss(output, LABELS[:n])[1], numeric) < 1e-7


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("name", ALL)
def test_float_type_is_kept_and_output_is_not_changed(name, dtype):
    output = probabilities(dtype)
    before = output.copy()
    value, gradient = ALL[name](output, LABELS)
    assert type(value) is float and gradient.dtype == dtype and gradient.shape == output.shape
    np.testing.assert_array_equal(output, before)


def test_values_worked_out_by_hand():
    output, labels = np.array([[0.25, 0.5], [0.125, 1.0]]), np.array([0, 1])
    assert losses.mse(output, labels)[0] == pytest.approx((0.75**2 + 0.5**2 + 0.125**2 + 0) / 4)
    expected = -(np.log(0.25) + np.log(0.5) + np.log(0.875) + np.log(1.0)) / 4
    assert losses.binary_crossentropy(output, labels)[0] == pytest.approx(expected)
    assert losses.categorical_crossentropy(output, labels)[0] == pytest.approx(-np.log(0.25) / 2)


def test_logits_and_probabilities_agree():
    logits = np.random.default_rng(8).normal(0, 3, (3, 5))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    value, gradient = losses.softmax_cross_entropy(logits, LABELS)
    assert value == pytest.approx(losses.categorical_crossentropy(p, LABELS)[0])
    np.testing.assert_allclose(gradient, (p - losses.one_hot(p, LABELS)) / 3, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits_overflow_nowhere(dtype):
    logits = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value, gradient = losses.softmax_cross_entropy(logits, np.array([1, 2]))
    assert value == pytest.approx((2e4 + np.log(2)) / 2)
    np.testing.assert_allclose(gradient, [[0.5, -0.5, 0], [0, 0.25, -0.25]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["binary_crossentropy", "categorical_crossentropy"])
def test_saturated_probabilities_stay_finite(name, dtype):
    output = np.array([[1, 0, 0], [0, 0, 1]], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wrong, gradient = losses.get(name)(output, np.array([1, 0]))
        right, _ = losses.get(name)(output, np.array([0, 2]))
    assert wrong > 50 and np.isfinite(gradient).all() and gradient[0, 1] < 0 < -gradient[1, 0]
    assert right == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_one_that_was_rounded_up_is_a_probability(dtype):
    one = np.nextafter(dtype(1), dtype(2))
    for name in ("binary_crossentropy", "categorical_crossentropy"):
        assert losses.get(name)(np.array([[one, 0]], dtype), np.array([0]))[0] == pytest.approx(0, abs=1e-6)
        with pytest.raises(LabError, match="outputs from"):
            losses.get(name)(np.array([[1 + 1e-3, 0]], dtype), np.array([0]))


@pytest.mark.parametrize("name", ALL)
def test_not_a_number_shows_in_the_loss_without_a_warning(name):
    output = probabilities()
    output[1] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(ALL[name](output, LABELS)[0])


def test_infinite_logits_show_in_the_loss_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(losses.softmax_cross_entropy(np.array([[np.inf, 0.0]]), np.array([0]))[0])


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.array([0, 5, 1]), "label 5 .* 5 outputs"),
        (np.array([0, -1, 1]), "label -1"),
        (np.array([0, 1]), r"shape \(2,\)"),
        (np.array([0.0, 1.0, 2.0]), "float64"),
        (np.zeros((3, 5), np.int64), r"shape \(3, 5\)"),
    ],
)
def test_bad_labels_are_refused(name, labels, said):
    with pytest.raises(LabError, match=said):
        ALL[name](probabilities(), labels)


def test_outputs_that_are_no_vector_are_refused():
    with pytest.raises(LabError, match=r"\(3, 2, 4, 4\)"):
        losses.mse(np.zeros((3, 2, 4, 4)), LABELS)


@pytest.mark.parametrize("name", ["binary_crossentropy", "categorical_crossentropy"])
def test_outputs_that_are_no_probabilities_are_refused(name):
    with pytest.raises(LabError, match="Softmax"):
        losses.get(name)(np.array([[0.5, 1.5]]), np.array([0]))


def test_names():
    assert losses.names() == ("mse", "binary_crossentropy", "categorical_crossentropy")
    assert [losses.fuses(name) for name in losses.names()] == [False, False, True]
    with pytest.raises(LabError, match="did you mean"):
        losses.get("categorical_crossentrop")
