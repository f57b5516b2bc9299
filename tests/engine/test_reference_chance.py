"""Dropout's masks: how often, on which rank, and for whom."""

from itertools import pairwise

import numpy as np
import pytest

from labkit.engine.chance import dropout_mask
from labkit.engine.ops import Draw

DRAW = Draw(seed=3, layer="drop1", step=11)


@pytest.mark.parametrize("shape", [(1,), (5,), (3, 5, 7), (8,), (64,)])
@pytest.mark.parametrize("cuts", [(0, 7, 13), (0, 1, 2, 13), (0, 13)])
def test_a_rank_draws_its_rows_of_the_whole_batch(shape, cuts):
    whole = dropout_mask(DRAW, 13, shape, 0.4, np.float32)
    for first, end in pairwise(cuts):
        draw = Draw(DRAW.seed, DRAW.layer, DRAW.step, first)
        np.testing.assert_array_equal(dropout_mask(draw, end - first, shape, 0.4, np.float32), whole[first:end])


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_values_and_frequency(rate):
    """The standard deviation of the observed frequency is below 0.001 for 300,000 values: 0.005 is 5 of them."""
    mask = dropout_mask(DRAW, 100, (3, 10, 100), rate, np.float64)
    assert set(np.unique(mask)) <= {0.0, 1 / (1 - rate)}
    assert abs(np.mean(mask == 0) - rate) < 0.005
    assert np.abs(np.mean(mask == 0, axis=(1, 2, 3)) - rate).max() < 0.05  # each sample, not only their sum


@pytest.mark.parametrize(
    "other", [Draw(4, "drop1", 11), Draw(3, "drop2", 11), Draw(3, "drop1", 12), Draw(3, "drop1", 11, first=50)]
)
def test_another_seed_layer_step_or_sample_draws_other_numbers(other):
    masks = [dropout_mask(draw, 50, (200,), 0.5, np.float32) for draw in (DRAW, other)]
    assert abs(np.mean(masks[0] == masks[1]) - 0.5) < 0.03  # 10,000 values: the standard deviation is 0.005


def test_samples_differ():
    mask = dropout_mask(DRAW, 2, (4000,), 0.5, np.float32)
    assert abs(np.mean(mask[0] == mask[1]) - 0.5) < 0.05


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_every_float_type_drops_the_same_values(dtype):
    mask = dropout_mask(DRAW, 6, (9, 5), 0.3, dtype)
    assert mask.dtype == dtype and mask.flags.c_contiguous
    np.testing.assert_array_equal(mask == 0, dropout_mask(DRAW, 6, (9, 5), 0.3, np.float32) == 0)


def test_numbers_are_the_same_on_every_machine():
    """Written down once: a checkpoint resumed elsewhere must drop the same values."""
    kept = dropout_mask(Draw(1, "drop", 2, first=3), 1, (16,), 0.5, np.float32)[0] > 0
    assert "".join(str(int(k)) for k in kept) == "1110001101001010"


def test_a_rate_next_to_one_still_draws():
    mask = dropout_mask(DRAW, 4, (50,), 1 - 1e-12, np.float64)
    assert (mask == 0).all()
