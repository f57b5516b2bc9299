"""The engine behind the common interface: networks, grains, progress and stopping."""

import numpy as np
import pytest
from multilevel_cases import from_nets, random_hypergraph

from labkit import __version__
from labkit.network import zoo
from labkit.partition import coarse, cut, fine, flops, limits, part_weights, tasks_of, volume
from labkit.partition.engines.judge import fitted
from labkit.partition.engines.multilevel import ENGINE
from labkit.partition.engines.multilevel import groups as grouping
from labkit.partition.engines.multilevel.buckets import NONE
from labkit.partition.engines.multilevel.coarsen import clusters, pairs
from labkit.partition.engines.multilevel.initial import starts
from labkit.partition.engines.multilevel.state import new_state
from labkit.partition.limits import Limits


def case(name, parts, grain=coarse, **options):
    tasks = tasks_of(zoo.get(name))
    problem = grain(tasks, flops(tasks), **options)
    return problem, limits(problem.hypergraph.weights, parts, 0.1, alone=True)


def check(problem, bounds, part):
    """The limits are kept and no part is empty; gives back the cut, in 2^20 elements for a batch of 32."""
    loads = part_weights(problem.hypergraph, part, bounds.parts)
    assert bounds.excess(loads) == 0 and loads.min() > 0
    return cut(problem.hypergraph, part) * 32 / 2**20


def test_its_name_and_version():
    assert (ENGINE.name, ENGINE.version) == ("multilevel", __version__)


# Imbalance 0.1: what the search on counts reaches (field notes of this project), and Mt-KaHyPar's deterministic preset
# on the same hypergraph (measured when this was written).
@pytest.mark.parametrize(("parts", "known", "library"), [(2, 24.5, 24.5), (8, 160.1, 160.8)])
def test_vgg16_is_cut_nearly_as_well_as_is_known_to_be_possible(parts, known, library):
    problem, bounds = case("vgg16", parts)
    found = check(problem, bounds, ENGINE(problem, bounds))
    assert found <= 1.1 * known
    assert found <= 1.15 * library


@pytest.mark.parametrize("name", ["lenet5", "resnet18_32", "mlp"])
@pytest.mark.parametrize(("grain", "options"), [(coarse, {}), (coarse, {"dense": "neuron"}), (fine, {"groups": 4})])
def test_every_network_is_cut_better_than_filled_in_order(name, grain, options):
    if name == "mlp":
        options = {**options, "dense": "neuron"}
    problem, bounds = case(name, 4, grain, **options)
    part = ENGINE(problem, bounds)
    in_order = np.minimum(np.cumsum(problem.hypergraph.weights) * 4 / problem.hypergraph.weights.sum(), 3).astype(int)
    assert check(problem, bounds, part) <= cut(problem.hypergraph, in_order) * 32 / 2**20


def test_the_same_seed_gives_the_same_parts_and_seeds_differ():
    problem, bounds = case("resnet18_32", 5, groups=8)
    a, b, c = (ENGINE(problem, bounds, seed) for seed in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_a_large_hypergraph_is_put_in_groups_first():
    problem, bounds = case("vgg16", 8, fine)
    assert not grouping.small_enough(problem)
    part = ENGINE(problem, bounds)
    assert part.shape == (problem.vertices.count,)
    assert check(problem, bounds, part) <= 1.1 * 160.1
    assert volume(problem.plan(part, 8), 32).elements / 2**20 == pytest.approx(check(problem, bounds, part))


@pytest.mark.parametrize(("grain", "options"), [(fine, {}), (fine, {"groups": 6}), (coarse, {"dense": "neuron"})])
def test_groups_are_neighbours_of_one_layer(grain, options):
    problem, _ = case("lenet5", 2, grain, **options)
    cluster = grouping.in_groups(problem, 3)
    assert sorted(set(cluster)) == list(range(cluster.max() + 1))
    for own, each in zip(problem.vertices.filters, problem.vertices.channels, strict=True):
        assert len(set(cluster[own])) <= 3
        assert (np.diff(cluster[own]) >= 0).all()
        if each is not None:
            assert len(set(cluster[each].ravel())) <= 9


def test_progress_rises_to_the_end():
    problem, bounds = case("lenet5", 3)
    seen = []
    ENGINE(problem, bounds, progress=lambda done, what: seen.append((done, what)))
    shares = [done for done, _ in seen]
    assert shares == sorted(shares) and shares[0] >= 0 and shares[-1] == 1
    assert len(shares) > 10 and all(what for _, what in seen)


@pytest.mark.parametrize("calls", [1, 5])
def test_an_exception_from_progress_stops_it(calls):
    problem, bounds = case("lenet5", 3)
    seen = []

    def stop(done, what):
        seen.append(done)
        if len(seen) == calls:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ENGINE(problem, bounds, progress=stop)
    assert len(seen) == calls


def test_pairs_share_the_costliest_nets_and_keep_the_cap():
    h = from_nets([[0, 1], [1, 2], [2, 3], [0, 1, 2, 3]], [9, 1, 9, 1], [1, 1, 1, 1])
    mate, rating = pairs(h, 2.0, np.random.default_rng(0))
    assert mate.tolist() == [1, 0, 3, 2]
    assert np.allclose(rating, 9 + 1 / 3)
    assert clusters(mate).tolist() == [0, 0, 1, 1]
    assert (pairs(h, 1.5, np.random.default_rng(0))[0] == NONE).all()


def test_pairs_are_mutual_and_share_a_net():
    rng = np.random.default_rng(4)
    h = random_hypergraph(rng, 80, 120)
    mate, _ = pairs(h, 9.0, rng)
    matched = np.flatnonzero(mate != NONE)
    assert len(matched) > 40
    assert np.array_equal(mate[mate[matched]], matched) and (mate[matched] != matched).all()
    for v in matched:
        assert any(v in net and mate[v] in net for net in map(h.net, range(h.nets)))
        assert h.weights[v] + h.weights[mate[v]] <= 9


def test_initial_partitions_are_of_every_kind_and_those_in_order_are_stretches():
    h = random_hypergraph(np.random.default_rng(2), 50, 80)
    bounds = limits(h.weights, 4, 0.3)
    found = list(starts(new_state(h, bounds), 10, np.random.default_rng(1)))
    assert {way for way, _ in found} == {"in order", "grown", "random"} and len(found) == 10
    for way, part in found:
        assert part.shape == (50,) and 0 <= part.min() <= part.max() <= 3
        assert way != "in order" or (np.diff(part) >= 0).all()
        if way == "grown":
            loads = part_weights(h, part, 4)
            assert (loads[:3] >= h.weights.sum() / 4).all() and (loads[:3] <= bounds.cap[:3]).all()


def test_a_task_that_is_too_heavy_is_in_the_part_with_the_larger_limit():
    hypergraph = from_nets([[0, 1], [1, 2]], [1, 1], [1.0, 2.0, 7.0])
    bounds = Limits(np.array([7.0, 3.0]))
    part = np.array([0, 0, 1])
    assert fitted(hypergraph, part, bounds).tolist() == [1, 1, 0]
    assert fitted(hypergraph, part, Limits(np.array([7.0, 7.0]))) is part
