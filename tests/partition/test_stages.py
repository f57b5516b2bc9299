"""The graph of figure 3.1, and by how much its cut edges overcount what a plan sends."""

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.network import Conv, chain, zoo
from labkit.partition import Plan, Slice, tasks_of, volume
from labkit.partition.stages import edge_cut, stage_graph

CHAIN = chain("two layers", (3, 4, 4), {"a": Conv(2, 1), "b": Conv(3, 1)})


def plan_of(*owners, channels=None, network=CHAIN) -> Plan:
    """A plan by owners; channels: those of the last layer's filters."""
    names = tasks_of(network).names
    slices = [Slice(name, np.array(owner)) for name, owner in zip(names, owners, strict=True)]
    if channels is not None:
        slices[-1] = Slice(names[-1], slices[-1].owner, np.array(channels))
    return Plan(network, 3, tuple(slices))


def random_plan(network, parts, is_fine=False, dense="neuron") -> Plan:
    """Filters, neurons (or dense layers) and, in the fine grain, channels of filters, each in a part that is drawn."""
    rng, slices = np.random.default_rng(parts), []
    for layer in tasks_of(network).layers:
        each = rng.integers(0, parts, (layer.filters, layer.channels)) if is_fine and layer.fine else None
        if each is not None and layer.links is not None:
            each = np.where(layer.links, each, -1)
        owner = rng.integers(0, parts, 1 if dense == "layer" and layer.kind == "dense" else layer.filters)
        slices.append(Slice(layer.name, np.broadcast_to(owner, layer.filters), each))
    return Plan(network, parts, tuple(slices))


def rows(plan, batch=1) -> dict:
    return {(row.name, row.what): (row.charged, row.sent) for row in edge_cut(plan, batch).rows}


def test_the_graph_of_figure_3_1():
    """Every map of a stage has an edge to every map of the next; the loss reads the last stage in one place."""
    graph = stage_graph(tasks_of(CHAIN))
    assert [own.tolist() for own in graph.vertices] == [[0, 1, 2], [3, 4], [5, 6, 7]]
    assert graph.stage.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    pairs = [(s, t) for s in range(3) for t in (3, 4)] + [(s, t) for s in (3, 4) for t in (5, 6, 7)]
    assert sorted(zip(graph.source.tolist(), graph.target.tolist(), strict=True)) == [*pairs, (6, 5), (7, 5)]
    assert set(graph.elements.tolist()) == {16}


def test_an_edge_cut_by_hand():
    """Map 0 of `a` is read by two filters of part 1: two edges are cut, one copy is sent."""
    plan = plan_of([0, 0, 0], [0, 1], [1, 1, 0])
    assert rows(plan) == {("input", "maps"): (48, 48), ("a", "maps"): (48, 32), ("b", "maps"): (16, 16)}
    found = edge_cut(plan, 10)
    assert [row.factor for row in found.rows] == [1, 1.5, 1]
    assert (found.charged, found.sent, found.factor) == (1120, 960, 1120 / 960)


def test_a_fine_plan_by_hand():
    """Both channels of filter 0 of `b` lie away from its owner, in one part, which sends one sum; each is an edge."""
    channels = [[0, 0], [1, 1], [2, 1]]
    plan = plan_of([0, 0, 0], [0, 0], [1, 1, 1], channels=channels)
    # Channel by channel away from map 0: filters 1 and 2, in parts 1 and 2; from map 1: filters 1 and 2, both in part 1
    assert rows(plan)["a", "maps"] == (4 * 16, 3 * 16)
    assert rows(plan)["b", "partial sums"] == (3 * 16, 2 * 16)


def test_fewer_cut_edges_may_send_more():
    network = chain("fan", (1, 4, 4), {"a": Conv(1, 1), "b": Conv(4, 1)})
    together = rows(plan_of([0], [0], [1, 1, 1, 1], network=network))["a", "maps"]
    apart = rows(plan_of([0], [0], [1, 2, 0, 0], network=network))["a", "maps"]
    assert together == (4 * 16, 16)
    assert apart == (2 * 16, 2 * 16)


@pytest.mark.parametrize("name", ["lenet5", "lenet5_1998", "alexnet_star", "resnet18_star"])
@pytest.mark.parametrize("parts", [2, 5])
def test_the_charge_of_a_coarse_plan_is_the_cut_of_the_graph(name, parts):
    tasks = tasks_of(zoo.get(name))
    plan = random_plan(zoo.get(name), parts, dense="layer")
    graph = stage_graph(tasks)
    part = np.zeros(len(graph.stage), int)
    for own, piece in zip(graph.vertices, plan.slices, strict=True):
        part[own] = piece.owner
    apart = part[graph.source] != part[graph.target]
    assert edge_cut(plan, 3).charged == 3 * graph.elements[apart].sum()


@pytest.mark.parametrize("name", ["lenet5", "lenet5_1998", "alexnet_star", "resnet18_star", "googlenet"])
@pytest.mark.parametrize("is_fine", [False, True])
def test_edges_never_charge_too_little(name, is_fine):
    plan = random_plan(zoo.get(name), 4, is_fine)
    found = edge_cut(plan, 2)
    assert [row.sent for row in found.rows] == [row.elements for row in volume(plan, 2).rows]
    assert all(row.charged >= row.sent for row in found.rows)
    assert all((row.charged == 0) == (row.sent == 0) for row in found.rows)
    assert found.factor > 2


def test_the_factor_is_the_mean_number_of_readers_in_a_part_that_a_map_is_sent_to():
    plan = random_plan(zoo.get("lenet5"), 4)
    row = next(row for row in edge_cut(plan).rows if row.name == "pool1")
    owner, readers = plan["conv1"].owner, plan["conv2"].owner
    counts = [np.count_nonzero(readers == p) for mine in owner for p in range(4) if p != mine and (readers == p).any()]
    assert row.factor == pytest.approx(np.mean(counts))


def test_a_plan_in_one_part_cuts_no_edge():
    found = edge_cut(plan_of([0, 0, 0], [0, 0], [0, 0, 0]))
    assert (found.charged, found.sent, found.factor) == (0, 0, 1)
    assert {row.factor for row in found.rows} == {1}


def test_in_a_chain_edges_join_successive_stages_and_in_a_residual_network_not():
    for name, steps in (("vgg16", {1}), ("resnet18", {1, 2, 3})):
        graph = stage_graph(tasks_of(zoo.get(name)))
        assert steps <= set((graph.stage[graph.target] - graph.stage[graph.source]).tolist()) <= steps | {0}


def test_a_dense_layer_is_one_vertex():
    tasks = tasks_of(zoo.get("lenet5"))
    assert len(stage_graph(tasks).stage) == 1 + 6 + 16 + 120 + 1 + 1


def test_a_bad_batch_is_named():
    with pytest.raises(LabError, match="batch=0"):
        edge_cut(plan_of([0, 0, 0], [0, 0], [0, 0, 0]), 0)
