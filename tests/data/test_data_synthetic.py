"""Synthetic images: any shape, made on demand, the same whatever is asked with them, and separable."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.data import load
from labkit.data.synthetic import SyntheticSource, patterns


def test_defaults_say_what_was_made():
    dataset = load("synthetic")
    assert (len(dataset.train), len(dataset.test), dataset.train.shape) == (8000, 2000, (1, 28, 28))
    assert "generated from seed 0 with noise 0.5" in dataset.source
    assert dataset.classes[:2] == ("class 0", "class 1")


def test_shape_classes_samples_and_names_are_the_callers():
    dataset = load("synthetic", shape=(5, 7, 9), classes=["up", "down", "left"], samples=31)
    assert dataset.classes == ("up", "down", "left")
    assert (len(dataset.train), len(dataset.test)) == (25, 6)
    x, y = dataset.train.take(range(25))
    assert x.shape == (25, 5, 7, 9)
    assert set(y.tolist()) == {0, 1, 2}
    assert len(dataset.train.mean) == 5


@settings(max_examples=30, deadline=None)
@given(numbers=st.lists(st.integers(0, 10**9), min_size=1, max_size=6), seed=st.integers(0, 2**32))
def test_a_sample_depends_on_seed_and_number_only(numbers, seed):
    source, shape = SyntheticSource(classes=4, seed=seed), (2, 5, 6)
    together = source.fetch(np.array(numbers), shape)
    for row, number in zip(together, numbers, strict=True):
        assert np.array_equal(row, source.fetch(np.array([number]), shape)[0])


def test_seeds_and_samples_differ():
    first, second = (load("synthetic", seed=seed).train.take([0, 10])[0] for seed in (0, 1))
    assert not np.allclose(first[0], first[1])
    assert not np.allclose(first, second)


@pytest.mark.parametrize(
    ("shape", "classes"), [((1, 28, 28), 10), ((3, 32, 32), 100), ((1, 4, 4), 2), ((3, 224, 224), 10), ((2, 9, 40), 30)]
)
def test_the_nearest_pattern_tells_the_class(shape, classes):
    dataset = load("synthetic", shape=shape, classes=classes, samples=250)
    x, y = dataset.test.take(range(50))
    known = patterns(classes, 0, shape, tuple(range(classes)))
    distance = ((x[:, None] - known[None]) ** 2).sum(axis=(2, 3, 4), dtype=np.float64)
    assert np.mean(distance.argmin(axis=1) == y) == 1.0


def test_values_are_standardised_about():
    x, _ = load("synthetic", shape=(3, 32, 32), classes=50).train.take(range(200))
    assert abs(x.mean()) < 0.1
    assert 0.7 < x.std() < 1.2


def test_a_large_set_costs_its_labels_and_one_batch():
    tracemalloc.start()
    try:
        dataset = load("synthetic", shape=(3, 64, 64), classes=1000, samples=100_000)
        dataset.train.take(range(8))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6  # bytes; the whole set would be 4.9 GB
