"""The naive partitioners: optimal cut points, even shares, filled parts; valid plans for any network and any parts."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import LabError
from labkit.network import Add, Builder, Concat, Conv, Dense, Flatten, MaxPool, ReLU, zoo
from labkit.partition import Weights, coarse, flops, loads, task_counts, tasks_of, volume
from labkit.partition.methods import METHODS, NAIVE, partition
from labkit.partition.methods.incremental import fill
from labkit.partition.methods.layer_wise import best_cuts, group_volumes, layer_wise

OPTIONS = {"layer": [{}]}
EVERY = [(m, options) for m in METHODS for options in OPTIONS.get(m, [{"dense": "layer"}, {"dense": "neuron"}])]


class Lightest:
    """An engine of a few lines: the heaviest vertex first, each to the lightest part."""

    name, version = "lightest", "1"

    def __call__(self, problem, limits, seed=0, progress=None):
        part, load = np.zeros(problem.vertices.count, np.int64), np.zeros(limits.parts)
        for vertex in np.argsort(-problem.hypergraph.weights, kind="stable"):
            part[vertex] = load.argmin()
            load[part[vertex]] += problem.hypergraph.weights[vertex]
        return part


@st.composite
def networks(draw):
    """Small networks: convolutions with and without groups or pooling, a residual block, a concatenation, dense."""
    b = Builder()
    wide = draw(st.integers(1, 4)) * 2
    b.add("conv1", Conv(wide, 3, padding=1))
    fork = b.add("relu1", ReLU())
    b.add("conv2", Conv(wide, 3, padding=1, groups=draw(st.sampled_from([1, 2]))))
    shape = draw(st.sampled_from(["chain", "add", "concat"]))
    if shape == "add":
        b.add("join", Add(), "conv2", fork)
    elif shape == "concat":
        other = b.add("conv3", Conv(draw(st.integers(1, 5)), 1), fork)
        b.add("join", Concat(), "conv2", other, fork)
    b.add("pool", MaxPool(2))
    b.add("flatten", Flatten())
    for i in range(draw(st.integers(1, 3))):
        b.add(f"fc{i}", Dense(draw(st.integers(1, 6))))
    return b.network("small", (draw(st.integers(1, 3)), 4, 4))


@given(networks(), st.integers(1, 9), st.sampled_from(EVERY))
@settings(max_examples=120, deadline=None)
def test_every_plan_covers_every_task_once(network, parts, case):
    """Coverage is checked by Plan itself; here: all work is there, nothing else is, and a second run is equal."""
    method, options = case
    if method not in NAIVE:
        options = options | {"engine": Lightest(), "imbalance": 10, "alone": True}
    tasks = tasks_of(network)
    weights = flops(tasks)
    try:
        plan = partition(network, parts, method, **options)
    except LabError as error:
        assert f"{parts} parts for " in error.what and "give at most" in error.instead
        assert parts > len(tasks.working)
        return
    assert plan == partition(network, parts, method, **options)
    assert plan.method == method and plan.parts == parts
    counts = task_counts(plan)
    units = [layer.fine_tasks if p.channels is not None else layer.filters for p, layer in _pairs(plan)]
    assert counts.sum(1).tolist() == units
    assert loads(plan, weights).work.sum() == pytest.approx(weights.total)
    if not method.endswith("incremental"):
        assert (counts[1:].sum(0) > 0).all(), "no part is empty"
    if options.get("dense") == "layer":
        whole = [c for c, (_, layer) in zip(counts, _pairs(plan), strict=True) if layer.kind in ("dense", "input")]
        assert all((row > 0).sum() == 1 for row in whole)


def _pairs(plan):
    return list(zip(plan.slices, plan.tasks.layers, strict=True))


def by_brute_force(tasks, parts, weights):
    """Best (maximum load, volume, cuts) over all cut points, each plan built and measured."""
    layers = len(tasks.layers) - 1
    found = []
    for cuts in combinations(range(1, layers), parts - 1):
        part = np.concatenate(([0], np.searchsorted(cuts, np.arange(layers), side="right")))
        problem = coarse(tasks, weights, groups=1)
        plan = problem.plan(part, parts)
        found.append((loads(plan, weights).work.max(), volume(plan, 1).elements, cuts))
    return min(found)


@given(networks(), st.integers(1, 6), st.lists(st.integers(0, 3), min_size=8, max_size=8))
@settings(max_examples=80, deadline=None)
def test_layer_wise_is_the_optimum(network, parts, work):
    """Small whole numbers as work make many ties, so the volume and the earliest cuts decide as well."""
    tasks = tasks_of(network)
    parts = min(parts, len(tasks.working))
    weights = Weights("drawn", np.array([0, *work[: len(tasks.layers) - 2], 1]), "units", "modelled")
    plan = layer_wise(tasks, parts, weights)
    most, sent, cuts = by_brute_force(tasks, parts, weights)
    assert loads(plan, weights).work.max() == most
    assert volume(plan, 1).elements == sent
    assert tuple(np.flatnonzero(np.diff([piece.owner[0] for piece in plan.slices[1:]])) + 1) == cuts


@pytest.mark.parametrize(("name", "parts"), [("lenet5", 3), ("alexnet", 4), ("resnet18_32", 2)])
def test_layer_wise_is_the_optimum_in_the_zoo(name, parts):
    tasks = tasks_of(zoo.get(name))
    weights = flops(tasks)
    plan = layer_wise(tasks, parts, weights)
    assert (loads(plan, weights).work.max(), volume(plan, 1).elements) == by_brute_force(tasks, parts, weights)[:2]


@pytest.mark.parametrize("name", ["googlenet", "resnet18", "vgg16"])
def test_volumes_of_groups_add_up(name):
    """Contiguous parts: the volumes that the optimiser adds are the counted volume of the plan, branches included."""
    tasks = tasks_of(zoo.get(name))
    weights = flops(tasks)
    table = group_volumes(coarse(tasks, weights, groups=1).hypergraph)
    for parts in (2, 3, 7):
        plan = layer_wise(tasks, parts, weights)
        part = np.array([piece.owner[0] for piece in plan.slices[1:]])
        ends = [0, *(np.flatnonzero(np.diff(part)) + 1), len(part)]
        assert sum(table[a, b] for a, b in pairwise(ends)) == volume(plan, 1).elements


def test_earliest_cuts_among_equals():
    load = np.subtract.outer(-np.arange(5.0), -np.arange(5.0))  # four layers of work 1
    assert best_cuts(load, np.ones((5, 5), np.int64), 3) == [1, 2]


def test_horizontal_divides_every_layer():
    network = zoo.get("alexnet")
    plan = partition(network, 7, "filter-horizontal", dense="neuron")
    counts = task_counts(plan)[1:]
    assert (counts.max(1) - counts.min(1) <= 1).all()
    assert loads(plan, flops(plan.tasks)).max_over_avg < 1.01
    assert all((np.diff(piece.owner) >= 0).all() for piece in plan.slices), "neighbouring filters"


def test_fill_opens_a_part_only_when_the_last_exceeds_the_average():
    """Average 2: a part with exactly 2 is not full, takes a third task, and leaves the last part with one."""
    assert [part.tolist() for part in fill(np.array([1, 4]), np.array([0, 4]), 2)] == [[0], [0, 0, 0, 1]]


@given(st.lists(st.tuples(st.integers(1, 9), st.floats(0, 1e6)), min_size=1, max_size=6), st.integers(1, 12))
def test_fill_is_the_rule_task_by_task(layers, parts):
    """Against the sentence of section 5.1.3 in a plain loop, in whole numbers, so that nothing is rounded."""
    units = np.array([count for count, _ in layers])
    work = np.array([float(int(each) * count) for count, each in layers])
    part, load, expected = 0, 0, []
    for count, whole in zip(units, work, strict=True):
        for _ in range(count):
            if load * parts > work.sum():
                part, load = part + 1, 0
            load += whole / count
            expected.append(part)
    assert np.concatenate(fill(units, work, parts)).tolist() == expected
    assert max(expected) < parts


def test_channels_of_a_filter_may_lie_in_two_parts():
    plan = partition(zoo.get("lenet5"), 3, "channel-incremental")
    assert plan.grain == "fine"
    for piece, layer in _pairs(plan):
        if piece.channels is not None:
            assert (np.diff(piece.channels.ravel()) >= 0).all(), "filter by filter, channel by channel"
            assert np.array_equal(piece.owner, piece.channels[:, -1])
            assert layer.fine


def test_chosen_connections_are_kept():
    plan = partition(zoo.get("lenet5_1998"), 5, "channel-incremental")
    for piece, layer in _pairs(plan):
        if piece.channels is not None and layer.links is not None:
            assert np.array_equal(piece.channels >= 0, layer.links)
            assert all(piece.owner[k] == row[row >= 0][-1] for k, row in enumerate(piece.channels))
