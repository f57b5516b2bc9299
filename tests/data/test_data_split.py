"""Splits, shards, batches: every sample once, in an order that only the seed decides, never the whole set at once."""

import tracemalloc
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.data import Split, batches, load, shard, split_indices
from labkit.data.sources import ArraySource
from labkit.errors import LabError


def numbered(n: int, size: int = 4) -> Split:
    """A split whose sample i is an image of the number i (so that tests see which samples come)."""
    images = np.arange(n, dtype=np.uint16)[:, None, None, None] * np.ones((1, 1, size, size), np.uint16)
    return Split(
        ArraySource((images,), peak=1), np.arange(n), np.arange(n) % 7, (1, size, size), mean=(0,), std=(1,), classes=7
    )


def seen(split: Split, batch: int, **options) -> list[list[int]]:
    return [x[:, 0, 0, 0].astype(int).tolist() for x, _ in batches(split, batch, **options)]


@given(n=st.integers(0, 200), ranks=st.integers(1, 40))
def test_shards_follow_each_other_and_differ_by_at_most_one(n, ranks):
    parts = [shard(n, rank, ranks) for rank in range(ranks)]
    assert [part.start for part in parts] == [0, *(part.stop for part in parts[:-1])]
    assert parts[-1].stop == n
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("rank", "ranks"), [(2, 2), (-1, 3), (0, 0)])
def test_a_rank_that_is_not_there_is_refused(rank, ranks):
    with pytest.raises(LabError, match="no rank"):
        shard(10, rank, ranks)
    with pytest.raises(LabError, match="no rank"):
        batches(numbered(10), 4, rank=rank, ranks=ranks)  # already before the first batch is asked for


@given(n=st.integers(2, 300), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 2**40))
def test_a_split_is_a_partition_that_repeats(n, fraction, seed):
    first, second = split_indices(n, fraction, seed)
    assert sorted([*first, *second]) == list(range(n))
    assert len(first) and len(second)
    assert abs(len(first) - n * fraction) <= 1
    assert all(np.array_equal(a, b) for a, b in zip((first, second), split_indices(n, fraction, seed), strict=True))


def test_split_sizes_and_seed():
    first, second = split_indices(10_000, 0.8)
    assert (len(first), len(second)) == (8000, 2000)
    assert not np.array_equal(first, split_indices(10_000, 0.8, seed=1)[0])
    assert np.all(np.diff(first) > 0)
    assert first.dtype == np.int64


@pytest.mark.parametrize(("n", "fraction"), [(1, 0.5), (10, 0), (10, 1), (10, 1.5), (10, float("nan"))])
def test_impossible_splits_are_refused(n, fraction):
    with pytest.raises(LabError):
        split_indices(n, fraction)


def test_an_epoch_visits_every_sample_once_with_its_label():
    split = numbered(53)
    xs, ys = zip(*batches(split, 10, seed=3, epoch=1), strict=True)
    assert [len(x) for x in xs] == [10] * 5 + [3]
    order = np.concatenate(xs)[:, 0, 0, 0].astype(int)
    assert sorted(order) == list(range(53))
    assert np.array_equal(np.concatenate(ys), order % 7)
    assert not np.array_equal(order, np.arange(53))


def test_order_depends_on_seed_and_epoch_only():
    split = numbered(40)
    flat = {
        (seed, epoch, batch): list(chain(*seen(split, batch, seed=seed, epoch=epoch)))
        for seed in (0, 1)
        for epoch in (0, 1)
        for batch in (7, 16)
    }
    for seed in (0, 1):
        for epoch in (0, 1):
            assert flat[seed, epoch, 7] == flat[seed, epoch, 16]
    assert len({tuple(order) for order in flat.values()}) == 4
    assert seen(split, 16, shuffle=False) == [list(range(16)), list(range(16, 32)), list(range(32, 40))]


@given(n=st.integers(1, 60), batch=st.integers(1, 70), ranks=st.integers(1, 9), seed=st.integers(0, 5))
def test_ranks_share_the_global_batches_of_one_process(n, batch, ranks, seed):
    split = numbered(n, size=1)
    alone = seen(split, batch, seed=seed)
    per_rank = [seen(split, batch, seed=seed, rank=rank, ranks=ranks) for rank in range(ranks)]
    assert {len(steps) for steps in per_rank} == {len(alone)}
    assert [list(chain(*parts)) for parts in zip(*per_rank, strict=True)] == alone


@pytest.mark.parametrize("batch", [0, -1, 2.5])
def test_a_batch_of_nothing_is_refused(batch):
    with pytest.raises(LabError, match="batch"):
        batches(numbered(4), batch)


def test_take_and_subset_agree_and_check_their_numbers():
    split = numbered(9)
    x, y = split.take([5, 0, 5])
    assert x[:, 0, 0, 0].tolist() == [5, 0, 5]
    assert (x.dtype, y.dtype, x.flags.c_contiguous, x.shape) == (np.float32, np.int64, True, (3, 1, 4, 4))
    part = split.subset([8, 2]).subset(slice(1, 2))
    assert (len(part), part.take([0])[0][0, 0, 0, 0], part.labels.tolist()) == (1, 2, [2])
    assert split.take([])[0].shape == (0, 1, 4, 4)
    for wrong in ([9], [-1], [0.5], [[1]], "all"):
        with pytest.raises(LabError):
            split.take(wrong)


def test_standardising_uses_the_stated_constants():
    split = replace(numbered(5), mean=(3.0,), std=(2.0,))
    assert split.take([1])[0].ravel().tolist() == [-1.0] * 16


def test_an_epoch_never_copies_the_set():
    n, size, batch = 4000, 28, 50
    images = np.zeros((n, 1, size, size), np.uint8)
    split = Split(
        ArraySource((images,)), np.arange(n), np.zeros(n, np.int64), (1, size, size), mean=(0,), std=(1,), classes=1
    )
    tracemalloc.start()
    try:
        total = sum(len(x) for x, _ in batches(split, batch))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == n
    one_batch_bytes = 4 * batch * size * size
    assert peak < 8 * one_batch_bytes < images.nbytes / 2  # a few batches, never the set (not even as bytes)


def test_digits_are_there_without_a_download():
    dataset = load("digits")
    assert (len(dataset.train), len(dataset.test)) == (1438, 359)
    assert dataset.classes == tuple("0123456789")
    assert "seed 0" in dataset.source
    both = np.concatenate([dataset.train.indices, dataset.test.indices])
    assert sorted(both) == list(range(1797))


@pytest.mark.parametrize("shape", [(1, 32, 32), (1, 28, 28), (3, 32, 32), (1, 8, 8), (1, 12, 12)])
def test_digits_fit_any_network(shape):
    split = load("digits", shape=shape).train
    x, _ = split.take(slice(0, 400))
    assert x.shape == (400, *shape)
    assert abs(float(x.mean())) < (0.1 if shape != (1, 12, 12) else 1)  # a padded border is background
    picture = x * np.float32(split.std[0]) + np.float32(split.mean[0])
    assert -1e-5 <= picture.min() < 0.01
    assert 0.9 < picture.max() <= 1 + 1e-5


def test_digits_keep_their_constants_true():
    from sklearn.datasets import load_digits

    values = load_digits().data / 16
    split = load("digits").train
    assert values.mean() == pytest.approx(split.mean[0], abs=5e-5)
    assert values.std() == pytest.approx(split.std[0], abs=5e-5)


def test_some_classes_or_some_samples_only():
    dataset = load("digits", classes=["8", "3"], samples=100)
    assert dataset.classes == ("8", "3")
    assert (len(dataset.train), len(dataset.test)) == (80, 20)
    whole = load("digits").train
    source = dict(zip(whole.indices.tolist(), whole.labels.tolist(), strict=True))
    names = {
        source[i]: label for i, label in zip(dataset.train.indices, dataset.train.labels, strict=True) if i in source
    }
    assert names == {8: 0, 3: 1}
    assert load("digits", classes=2).classes == ("0", "1")
    assert len(load("digits", samples=10**6).train) == 1438
    few = load("digits", samples=100).train.indices
    assert few.min() < 300 and few.max() > 1500  # from everywhere, not the first ones


@pytest.mark.parametrize(
    ("options", "say"),
    [
        ({"name": "digit"}, "did you mean 'digits'"),
        ({"name": "digits", "classes": 11}, "2 to 10"),
        ({"name": "digits", "classes": ["3", "three"]}, "three"),
        ({"name": "digits", "classes": ["3", "3"]}, "once"),
        ({"name": "digits", "samples": 1}, "at least 2"),
        ({"name": "digits", "seed": -1}, "seed"),
        ({"name": "digits", "noise": 0.1}, "noise"),
        ({"name": "digits", "shape": (2, 8, 8)}, "channels"),
        ({"name": "digits", "shape": (1, 0, 8)}, "below 1"),
        ({"name": "digits", "shape": 28}, "three whole numbers"),
        ({"name": "synthetic", "classes": 1}, "at least 2 classes"),
        ({"name": "synthetic", "samples": 1}, "at least 2 samples"),
        ({"name": "synthetic", "noise": -1.0}, "noise"),
    ],
)
def test_what_cannot_be_loaded_says_what_to_type(options, say):
    with pytest.raises(LabError, match=say):
        load(**options)
