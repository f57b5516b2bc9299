"""Tables of counts to start from: every unit placed, no part empty, heavy units where there is room for them."""

import numpy as np
import pytest

from labkit.network import zoo
from labkit.partition import coarse, flops, limits, tasks_of
from labkit.partition.engines.counts import count_model
from labkit.partition.engines.counts.start import incremental, segments, without_empty
from labkit.partition.engines.counts.table import table_of, volume_of


def case(name, parts, imbalance=0.1):
    tasks = tasks_of(zoo.get(name))
    problem = coarse(tasks, flops(tasks))
    return count_model(problem).arrays, limits(problem.hypergraph.weights, parts, imbalance, alone=True).cap


@pytest.mark.parametrize("name", ["vgg16", "resnet18_32", "lenet5"])
@pytest.mark.parametrize("parts", [1, 2, 7, 30])
def test_every_unit_has_a_place_and_every_part_work(name, parts):
    arrays, cap = case(name, parts, 0.4)
    for counts in (incremental(arrays, cap), segments(arrays, cap, 0.0)):
        assert counts.shape == (len(arrays.units), parts)
        assert counts.min() >= 0
        assert np.array_equal(counts.sum(1), arrays.units)
        assert (arrays.work @ counts > 0).all()


def test_the_best_cut_of_vgg16_in_two_is_after_conv6():
    arrays, cap = case("vgg16", 2)
    counts = segments(arrays, cap, 0.0)
    assert volume_of(arrays, table_of(arrays, counts)) == 56 * 56 * 256
    assert counts[:7, 0].tolist() == arrays.units[:7].tolist()


def test_cuts_are_better_than_the_incremental_partition():
    arrays, cap = case("resnet18_32", 16)
    cut, first = segments(arrays, cap, 0.0), incremental(arrays, cap)
    assert volume_of(arrays, table_of(arrays, cut)) < 0.9 * volume_of(arrays, table_of(arrays, first))
    assert (arrays.work @ cut).max() <= 1.02 * cap[0]  # whole units never divide evenly


def test_the_incremental_partition_is_balanced_to_a_unit():
    arrays, cap = case("vgg16", 8)
    load = arrays.work @ incremental(arrays, cap)
    assert load.max() - load.min() <= 2 * arrays.work[:14].max()


def test_no_cuts_where_no_share_is_within_the_floor():
    arrays, cap = case("lenet5", 2)
    assert segments(arrays, cap, floor=cap[0] * 1.01) is None


def test_units_too_heavy_for_a_part_get_those_with_the_largest_limits():
    """At N = 1000 the dense layer fc6 is 6 times the average, each of the 64 filters of conv1_2 nearly twice."""
    arrays, cap = case("vgg16", 1000)
    heavy = arrays.work > np.median(cap)
    counts = incremental(arrays, cap)
    assert counts[heavy].sum() == 65
    alone = counts[heavy].sum(0) > 0
    assert ((arrays.work @ counts)[alone] <= cap[alone] * (1 + 1e-9)).all()


def test_the_fullest_parts_give_a_unit_to_those_that_have_none():
    arrays, _ = case("lenet5", 3)
    counts = np.zeros((len(arrays.units), 3), np.int64)
    counts[:, 1] = arrays.units
    filled = without_empty(arrays, counts)
    assert (arrays.work @ filled > 0).all()
    assert np.array_equal(filled.sum(1), arrays.units)
