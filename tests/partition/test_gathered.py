"""The measure of the thesis's naive tables on small cases; the tables themselves are in test_methods_thesis.py."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import LabError
from labkit.network import Builder, Conv, Dense, Flatten, MaxPool, ReLU, Softmax, zoo
from labkit.partition import coarse, fine, flops, tasks_of, volume
from labkit.partition.gathered import MEASURES, gathered, measure
from labkit.partition.methods import partition


def chain():
    """No pooling and no dense layer before the last: nothing shrinks between a layer and the next."""
    b = Builder()
    b.add("conv1", Conv(4, 3, padding=1))
    b.add("relu1", ReLU())
    b.add("conv2", Conv(6, 3, padding=1))
    b.add("pool2", MaxPool(2))
    b.add("conv3", Conv(5, 3, padding=1))
    b.add("flatten", Flatten())
    b.add("fc", Dense(3))
    b.add("softmax", Softmax())
    return b.network("chain", (2, 6, 6))


def test_by_hand():
    """conv2 in parts 0, 1 and 2, two filters each, read by conv3 in part 0; all else in part 0."""
    problem = coarse(tasks_of(chain()), flops(tasks_of(chain())))
    part = np.zeros(problem.vertices.count, int)
    part[problem.vertices.filters[2]] = [0, 0, 1, 1, 2, 2]
    found = gathered(problem.plan(part, 3), batch=10)
    maps = 10 * 4 * 36  # conv1's four maps of 6 x 6 go from part 0 to parts 1 and 2
    sums = 10 * 2 * 36  # two sums of 6 x 6, not pooled, from parts 0 and 1 to part 2
    pooled = 10 * 6 * 9  # six maps of 3 x 3, pooled, from part 2 to part 0
    assert found.pairs.tolist() == [[0, maps, maps + sums], [0, 0, sums], [pooled, 0, 0]]
    assert volume(problem.plan(part, 3), 10).elements == 2 * maps + 10 * 4 * 9


@pytest.mark.parametrize("name", ["lenet5", "resnet18_32", "alexnet"])
def test_both_measures_agree_where_layers_are_whole(name):
    plan = partition(zoo.get(name), 5, "layer")
    for backward in (False, True):
        assert np.array_equal(gathered(plan, 7, backward).pairs, volume(plan, 7, backward).pairs)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_it_is_the_fine_hypergraph_with_all_sums_of_a_layer_in_one_part(data):
    """The definition in other words: move every sum to the last part that computes for it, and count connectivity."""
    tasks = tasks_of(chain())
    problem = fine(tasks, flops(tasks))
    parts = data.draw(st.integers(1, 4))
    part = np.array(
        data.draw(st.lists(st.integers(0, parts - 1), min_size=problem.vertices.count, max_size=problem.vertices.count))
    )
    plan = problem.plan(part, parts)
    moved = part.copy()
    for own, each in zip(problem.vertices.filters, problem.vertices.channels, strict=True):
        if each is not None:
            moved[own] = part[each].max()
    for backward in (False, True):
        assert gathered(plan, 3, backward).elements == volume(problem.plan(moved, parts), 3, backward).elements


def test_the_names_are_offered_and_others_refused():
    assert measure("gathered") is gathered and measure("connectivity") is volume
    assert tuple(MEASURES) == ("connectivity", "gathered")
    with pytest.raises(LabError, match=r"unknown measure of volume 'gather'.*'gathered'"):
        measure("gather")
    with pytest.raises(LabError, match="batch=0"):
        gathered(partition(zoo.get("mlp"), 2, "layer"), 0)
