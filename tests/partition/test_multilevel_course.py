"""The whole partitioner: limits, quality, and that looking on changes nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multilevel_cases import best_by_brute_force, from_nets, hypergraphs, random_hypergraph

from labkit.errors import LabError
from labkit.network import zoo
from labkit.partition import Limits, coarse, cut, fine, flops, limits, part_weights, tasks_of, volume
from labkit.partition.engines.multilevel import (
    Level,
    Merged,
    Move,
    PassEnd,
    Refined,
    Settings,
    Start,
    Tried,
    cut_with_multilevel,
    moves,
)
from labkit.partition.hypergraph import contract

SMALL = Settings(coarsest=8, tries=5)


def network_case(name="lenet5", parts=3, imbalance=0.1, grain=coarse, **options):
    tasks = tasks_of(zoo.get(name))
    problem = grain(tasks, flops(tasks), **options)
    return problem, limits(problem.hypergraph.weights, parts, imbalance, alone=True)


def events_of(h, bounds, seed=0, how=SMALL):
    return list(moves(h, bounds, seed, how))


CASES = {
    "lenet5": lambda: network_case("lenet5", 3),
    "resnet18 in groups": lambda: network_case("resnet18_32", 4, groups=4),
    "fine in groups": lambda: network_case("lenet5", 3, grain=fine, groups=4),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", [0, 7])
def test_stepping_and_running_end_in_the_same_partition(name, seed):
    problem, bounds = CASES[name]()
    last = events_of(problem.hypergraph, bounds, seed)[-1]
    assert isinstance(last, Refined) and last.level == 0
    fast = cut_with_multilevel(problem.hypergraph, bounds, seed, SMALL)
    assert np.array_equal(last.part, fast)
    assert last.cut == cut(problem.hypergraph, fast) == volume(problem.plan(fast, bounds.parts), 1).elements
    assert np.allclose(last.loads, part_weights(problem.hypergraph, fast, bounds.parts))
    assert bounds.excess(last.loads) == 0 and last.loads.min() > 0


@pytest.mark.parametrize("name", CASES)
def test_every_event_tells_the_truth(name):
    """A replay of the events from their fields alone meets every cut, gain, load and partition they state."""
    problem, bounds = CASES[name]()
    levels, part, undo = {}, None, []
    for event in events_of(problem.hypergraph, bounds):
        if isinstance(event, Level):
            levels[event.number] = event
            if event.number:
                same = contract(levels[event.number - 1].hypergraph, event.cluster)
                assert np.array_equal(same.pins, event.hypergraph.pins)
        elif isinstance(event, Start):
            part = event.part.copy()
            assert event.cut == cut(levels[event.level].hypergraph, part)
        elif isinstance(event, Move):
            h = levels[event.level].hypergraph
            assert part[event.vertex] == event.came_from != event.to
            before = cut(h, part)
            part[event.vertex] = event.to
            assert event.cut == cut(h, part) == before - event.gain
            assert np.allclose(event.loads, part_weights(h, part, bounds.parts))
            assert any(event.vertex in vertices for _, vertices in event.buckets[event.to])
            if not event.kept:
                undo.append(event)
        elif isinstance(event, PassEnd):
            assert len(undo) == event.made - event.kept
            while undo:
                last = undo.pop()
                part[last.vertex] = last.came_from
            assert np.array_equal(part, event.part)
            assert event.cut == cut(levels[event.level].hypergraph, part)
        elif isinstance(event, Refined):
            assert np.array_equal(part, event.part)
    assert len(levels) > 1


def test_merged_pairs_are_the_clusters_of_the_next_level():
    problem, bounds = CASES["lenet5"]()
    pairs = []
    for event in events_of(problem.hypergraph, bounds):
        if isinstance(event, Merged):
            assert event.rating > 0
            pairs.append((event.first, event.second))
        elif isinstance(event, Level) and event.number:
            twice = np.flatnonzero(np.bincount(event.cluster) == 2)
            assert {event.cluster[a] for a, b in pairs} == {event.cluster[b] for a, b in pairs} == set(twice)
            assert np.bincount(event.cluster).max() == 2 and len(pairs) == len(twice)
            pairs = []


@pytest.mark.parametrize("name", CASES)
def test_no_pass_and_no_level_makes_it_worse(name):
    """Excess over the limits first, then the cut: neither rises once the first partition is there."""
    problem, bounds = CASES[name]()
    levels, states = {}, []
    for event in events_of(problem.hypergraph, bounds):
        if isinstance(event, Level):
            levels[event.number] = event.hypergraph
        elif isinstance(event, Start | PassEnd):
            loads = part_weights(levels[event.level], event.part, bounds.parts)
            states.append((round(bounds.excess(loads)), event.cut))
        elif isinstance(event, Refined):
            assert states == sorted(states, reverse=True)
            states = [min(states)]
        elif isinstance(event, Tried) and event.way == "projected":
            assert (round(event.excess), event.after) <= states[0]
        if isinstance(event, Start) and event.way != "projected":
            states = states[-1:]  # a fresh start may be worse before its refinement


@settings(max_examples=40, deadline=None)
@given(hypergraphs(most=7, heaviest=4), st.integers(2, 3))
def test_limits_are_kept_and_the_cut_is_near_the_best_of_all(h, parts):
    bounds = Limits(np.full(parts, max(1.0, 1.4 * h.weights.sum() / parts)))
    part = cut_with_multilevel(h, bounds)
    assert part.shape == (h.vertices,) and 0 <= part.min() <= part.max() < parts
    best = best_by_brute_force(h, bounds)
    if best is not None:
        loads = part_weights(h, part, parts)
        assert loads.min() > 0
        assert bounds.excess(loads) == 0
        assert cut(h, part) <= 1.5 * best


def test_most_small_hypergraphs_are_cut_as_well_as_can_be():
    rng = np.random.default_rng(3)
    exact = 0
    for _ in range(40):
        h = random_hypergraph(rng, 9, 14, 2)
        bounds = Limits(np.full(2, 1.15 * max(h.weights.sum() / 2, h.weights.max())))
        found = cut(h, cut_with_multilevel(h, bounds))
        best = best_by_brute_force(h, bounds)
        exact += best is None or found == best
    assert exact >= 36


def test_levels_help():
    """On a hypergraph of many small communities, where passes on single vertices alone get stuck."""
    rng = np.random.default_rng(5)
    h = random_hypergraph(rng, 400, 700, 60)
    bounds = limits(h.weights, 6, 0.1)
    flat = [cut(h, cut_with_multilevel(h, bounds, s, Settings(coarsest=400, tries=3))) for s in range(3)]
    deep = [cut(h, cut_with_multilevel(h, bounds, s, Settings(coarsest=60, tries=3, small=0))) for s in range(3)]
    assert sum(deep) < sum(flat)


def test_a_task_that_is_too_heavy_has_the_part_with_the_larger_cap():
    h = from_nets([[0, 1], [1, 2], [2, 3], [3, 4]], [1] * 4, [10, 1, 1, 1, 1])
    bounds = limits(h.weights, 3, 0.1, alone=True)
    loads = part_weights(h, cut_with_multilevel(h, bounds), 3)
    assert bounds.excess(loads) == 0 and loads[0] == 10


def test_the_floor_is_kept():
    rng = np.random.default_rng(9)
    h = random_hypergraph(rng, 60, 90)
    average = h.weights.sum() / 4
    bounds = Limits(np.full(4, 1.1 * average), floor=0.93 * average)
    assert bounds.excess(part_weights(h, cut_with_multilevel(h, bounds), 4)) == 0


def test_one_part_more_parts_than_vertices_and_no_vertices():
    h = from_nets([[0, 1]], [1], [1, 1])
    assert cut_with_multilevel(h, Limits(np.full(1, 2.0))).tolist() == [0, 0]
    assert sorted(cut_with_multilevel(h, Limits(np.full(2, 1.0)))) == [0, 1]
    assert set(cut_with_multilevel(h, Limits(np.full(5, 1.0)))) <= set(range(5))
    with pytest.raises(LabError, match="without vertices"):
        cut_with_multilevel(from_nets([], [], []), Limits(np.full(2, 1.0)))
