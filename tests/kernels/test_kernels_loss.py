"""Softmax, and softmax with cross-entropy, in three mappings, against the reference in double precision."""

import numpy as np
import pytest

from labkit.engine.losses import softmax_cross_entropy
from labkit.engine.reference import softmax as reference
from labkit.kernels.launch import TEACHING, choose
from labkit.kernels.loss import CROSS_ENTROPY, SOFTMAX, SOFTMAX_BACKWARD, samples_work
from labkit.network import Softmax

TINY = [(3, 10), (1, 1), (5, 35), (34, 2)]
REAL = [(128, 10), (7, 1000)]


def numbers(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(sum(shape) + seed).standard_normal(shape) * 3).astype(np.float32)


def unwritten(*shape: int) -> np.ndarray:
    return np.full(shape, np.nan, np.float32)


def cross_entropy(run, logits: np.ndarray, labels: np.ndarray, mapping: str) -> tuple[np.ndarray, ...]:
    """losses, right, dx."""
    N = len(logits)
    launch = choose(mapping, samples_work("loss", N))
    given = (logits, labels.astype(np.int32), unwritten(N), np.full(N, -1, np.int32), unwritten(*logits.shape))
    return tuple(run(CROSS_ENTROPY[mapping], launch, *given, np.float32(1 / N))[2:])


def check(run, close, shape: tuple[int, int], mapping: str) -> None:
    x, dy = numbers(shape), numbers(shape, seed=1)
    launch = choose(mapping, samples_work("softmax", shape[0]))
    y = run(SOFTMAX[mapping], launch, x, unwritten(*shape))[1]
    close(y, reference.forward(Softmax(), x.astype(np.float64)))
    dx = run(SOFTMAX_BACKWARD[mapping], launch, y, dy, unwritten(*shape))[2]
    close(dx, reference.backward_data(Softmax(), y.astype(np.float64), dy.astype(np.float64)))
    labels = np.random.default_rng(shape[0]).integers(0, shape[1], shape[0])
    losses, right, dx = cross_entropy(run, x, labels, mapping)
    mean, gradient = softmax_cross_entropy(x.astype(np.float64), labels)
    assert losses.mean(dtype=np.float64) == pytest.approx(mean, rel=1e-5, abs=1e-6)
    assert right.tolist() == (x.argmax(axis=1) == labels).astype(int).tolist()
    np.testing.assert_allclose(dx, gradient, atol=1e-6 / shape[0])


@pytest.mark.parametrize("mapping", TEACHING)
@pytest.mark.parametrize("shape", TINY, ids=str)
def test_tiny(run, close, shape, mapping):
    check(run, close, shape, mapping)


def test_in_the_simulator(simulated):
    simulated(__file__)


@pytest.mark.parametrize("mapping", TEACHING)
@pytest.mark.parametrize("shape", REAL, ids=str)
def test_real_sizes(run, close, shape, mapping):
    check(run, close, shape, mapping)


@pytest.mark.parametrize("mapping", TEACHING)
def test_logits_of_any_size_and_ties_tiny(run, mapping):
    logits = np.array([[1e4, -1e4, 0], [2, 2, 2], [2, 2, 2], [-3e38, 3e38, 0]], np.float32)
    losses, right, dx = cross_entropy(run, logits, np.array([0, 0, 1, 0]), mapping)
    np.testing.assert_allclose(losses[:3], [0, np.log(3), np.log(3)], atol=1e-6)
    assert losses[3] == np.inf or losses[3] > 3e38
    assert right.tolist() == [1, 1, 0, 0]  # of equal logits the first is the answer, as in np.argmax
    np.testing.assert_allclose(4 * dx[0], [0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(4 * dx[3], [-1, 1, 0], atol=1e-6)


@pytest.mark.parametrize("mapping", TEACHING)
@pytest.mark.parametrize("place", range(3))
def test_a_logit_that_is_not_a_number_shows_in_the_loss_tiny(run, mapping, place):
    logits = np.array([[1, 2, 3], [1, 2, 3]], np.float32)
    logits[1, place] = np.nan
    losses, _, _ = cross_entropy(run, logits, np.array([2, 1]), mapping)
    assert np.isfinite(losses[0]) and np.isnan(losses[1])
