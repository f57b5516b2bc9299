"""Updates of flat vectors, and what else is done to whole vectors, against the loops of the engine."""

import numpy as np
import pytest

from labkit.engine import optimizers, rules
from labkit.kernels import vectors
from labkit.kernels.update import UPDATES
from labkit.kernels.vectors import squares_launch, vector_launch

RECORDS = [optimizers.get(name) for name in optimizers.names()]


def numbers(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(n + seed).standard_normal(n).astype(np.float32)


def check_update(run, record, n: int) -> None:
    """Three steps; within 1e-6 of the engine's float32, whose rounding is the same but for fused multiply-adds."""
    w, slots = numbers(n), [np.zeros(n, np.float32) for _ in record.slots]
    wanted = [w.copy(), *(slot.copy() for slot in slots)]
    for step in range(3):
        g = numbers(n, seed=step + 1)
        constants = record.constants(step, record.lr)
        w, _, *slots = run(UPDATES[record.name], vector_launch(n), w, g, *slots, *map(np.float32, constants))
        rules.apply(getattr(rules, record.name), (wanted[0], g, *wanted[1:]), constants)
    for got, expected in zip((w, *slots), wanted, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n", [1, 70])
@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_updates_tiny(run, record, n):
    check_update(run, record, n)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_updates_of_more_values_than_the_grid_has_threads(run, record):
    check_update(run, record, 300_001)


@pytest.mark.parametrize("n", [1, 45])
def test_penalties_tiny(run, n):
    w, g = numbers(n), numbers(n, seed=1)
    w[0] = 0
    wanted = g.copy()
    rules.apply(rules.penalise, (w, wanted), (0.1, 0.2))
    got = run(UPDATES["penalise"], vector_launch(n), w, g, np.float32(0.1), np.float32(0.2))[1]
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-7)


def check_vectors(run, n: int) -> None:
    a, b, nothing = numbers(n), numbers(n, seed=1), np.full(n, np.nan, np.float32)
    launch = vector_launch(n)
    assert (run(vectors.fill, launch, nothing, np.float32(0.5))[0] == 0.5).all()
    assert np.array_equal(run(vectors.copy, launch, a, nothing)[1], a)
    assert np.array_equal(run(vectors.add, launch, a, b, nothing)[2], a + b)
    assert np.array_equal(run(vectors.multiply, launch, a, b, nothing)[2], a * b)
    launch = squares_launch(n)
    partial = run(vectors.squares, launch, a, np.full(launch.blocks, np.nan, np.float32))[1]
    assert partial.sum(dtype=np.float64) == pytest.approx(np.square(a, dtype=np.float64).sum(), rel=1e-6)


@pytest.mark.parametrize("n", [1, 70])
def test_whole_vectors_tiny(run, n):
    check_vectors(run, n)


def test_long_vectors(run):
    check_vectors(run, 300_001)


def test_in_the_simulator(simulated):
    simulated(__file__)
