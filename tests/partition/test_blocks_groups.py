"""Hypergraphs with the filters of a layer in groups: how many, or which."""

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.network import zoo
from labkit.partition import coarse, cut, fine, flops, tasks_of, volume


def problem_of(grain, network="resnet18_32", groups=None):
    tasks = tasks_of(zoo.get(network))
    return grain(tasks, flops(tasks), groups=groups)


@pytest.mark.parametrize("grain", [coarse, fine])
@pytest.mark.parametrize("network", ["lenet5", "lenet5_1998", "resnet18_32"])
def test_groups_that_were_chosen_filter_by_filter(grain, network):
    rng = np.random.default_rng(4)
    tasks = tasks_of(zoo.get(network))
    chosen = {layer.name: rng.integers(0, 5, layer.filters) * 3 for layer in tasks.layers[:-2]}
    problem = problem_of(grain, network).grouped(chosen)
    part = rng.integers(0, 4, problem.vertices.count)
    plan = problem.plan(part, 4)
    assert volume(plan, 1).elements == cut(problem.hypergraph, part)
    assert np.array_equal(problem.vector(plan), part)
    for layer, piece in zip(tasks.layers, plan.slices, strict=True):
        groups = chosen.get(layer.name, np.zeros(layer.filters))
        pairs = set(zip(groups.tolist(), piece.owner.tolist(), strict=True))
        assert len(pairs) == len(set(groups.tolist()))


@pytest.mark.parametrize("grain", [coarse, fine])
def test_a_number_of_groups_is_a_choice_of_neighbours(grain):
    problem = problem_of(grain)
    named = {layer.name: np.arange(layer.filters) * 4 // layer.filters for layer in problem.tasks.layers}
    a, b = problem.grouped(4), problem.grouped(named | {"input": np.arange(3)})
    assert np.array_equal(a.hypergraph.pins, b.hypergraph.pins)
    assert np.array_equal(a.hypergraph.costs, b.hypergraph.costs)


def test_a_plan_in_groups_is_one_of_the_whole_hypergraph():
    whole = problem_of(fine)
    small = whole.grouped(3)
    part = np.random.default_rng(0).integers(0, 6, small.vertices.count)
    assert cut(whole.hypergraph, whole.vector(small.plan(part, 6))) == cut(small.hypergraph, part)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (0, "groups=0 .*whole number from 1"),
        ("four", "groups='four'"),
        ({"conv1": [0, 1]}, r"groups of layer 'conv1' of shape \(2,\)"),
    ],
)
def test_bad_groups(groups, message):
    with pytest.raises(LabError, match=message):
        problem_of(fine, "lenet5", groups)
