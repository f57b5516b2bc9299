"""Fine-grain plans by annealing blocks: limits kept, the tracked volume exact, the same for a seed, and good."""

from itertools import product

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.network import Add, Builder, Concat, Conv, Dense, Flatten, MaxPool, ReLU, zoo
from labkit.partition import coarse, cut, fine, flops, limits, part_weights, tasks_of, volume
from labkit.partition.engines import counts
from labkit.partition.engines.blocks import ENGINE, Blocks, search, starts
from labkit.partition.engines.grouping import in_order, seats
from labkit.partition.engines.judge import badness
from labkit.partition.limits import Limits
from labkit.partition.methods.incremental import channel_incremental, filter_incremental
from labkit.partition.weights import Weights


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """A search of a hundredth of the length is a search, too."""
    monkeypatch.setattr(search, "MOVES_PER_VERTEX", 1000)
    monkeypatch.setattr(counts, "ENGINE", counts.Counts(moves=200_000))


def inception():
    """Two modules of three branches, the second read by a residual addition."""
    b = Builder()
    b.add("stem", Conv(8, 3, padding=1))
    before = b.add("relu", ReLU())
    for module in ("one", "two"):
        left = b.add(f"{module}_1x1", Conv(6, 1), before)
        b.add(f"{module}_reduce", Conv(4, 1), before)
        middle = b.add(f"{module}_3x3", Conv(8, 3, padding=1))
        b.add(f"{module}_pool", MaxPool(3, stride=1, padding=1), before)
        right = b.add(f"{module}_project", Conv(4, 1))
        before = b.add(f"{module}_cat", Concat(), left, middle, right)
    branch = b.add("branch", Conv(18, 3, padding=1), before)
    b.add("add", Add(), branch, before)
    b.add("flatten", Flatten())
    b.add("fc", Dense(10))
    return b.network("inception", (3, 8, 8))


NETWORKS = {"lenet5": zoo.get("lenet5"), "resnet18_32": zoo.get("resnet18_32"), "inception": inception()}


def problem_of(network, weights=flops):
    tasks = tasks_of(NETWORKS[network])
    return fine(tasks, weights(tasks))


@pytest.mark.parametrize(("network", "parts"), [("lenet5", 3), ("inception", 4), ("resnet18_32", 6)])
def test_limits_are_kept_and_what_was_tracked_is_the_volume(network, parts):
    problem = problem_of(network)
    bounds = limits(problem.hypergraph.weights, parts, 0.15)
    found = search.search(problem, bounds, seed=2)
    assert found == sorted(found, key=lambda one: one.rank)
    for one in found[:5]:
        small = one.start.small
        part = problem.vector(small.plan(one.part, parts))
        empty, excess, cost = badness(problem.hypergraph, bounds, part)
        assert (empty, cost) == (0, one.volume)
        assert excess == pytest.approx(one.excess, abs=1e-6 * bounds.cap[0])
        assert volume(problem.plan(part, parts), 1).elements == one.volume
    assert found[0].excess == 0


@pytest.mark.parametrize("network", ["lenet5", "inception"])
def test_the_same_seed_gives_the_same_plan(network):
    problem = problem_of(network)
    bounds = limits(problem.hypergraph.weights, 4, 0.15)
    part = ENGINE(problem, bounds, seed=5)
    assert np.array_equal(part, ENGINE(problem, bounds, seed=5))
    assert badness(problem.hypergraph, bounds, part)[:2] == (0, 0)


@pytest.mark.parametrize(("network", "parts", "imbalance"), [("inception", 5, 0.05), ("resnet18_32", 6, 0.1)])
def test_a_branched_network_sends_less_than_by_the_naive_ways(network, parts, imbalance):
    problem = problem_of(network)
    found = cut(problem.hypergraph, ENGINE(problem, limits(problem.hypergraph.weights, parts, imbalance)))
    for naive in (filter_incremental, channel_incremental):
        assert found < volume(naive(problem.tasks, parts, problem.weights), 1).elements


def test_it_is_never_worse_than_the_coarse_engine_however_narrow_the_limits():
    """Few blocks cannot be balanced so closely, single filters can."""
    problem = problem_of("resnet18_32")
    bounds = limits(problem.hypergraph.weights, 12, 0.005)
    whole = coarse(problem.tasks, problem.weights)
    plain = badness(whole.hypergraph, bounds, counts.ENGINE(whole, bounds, 1))
    assert plain[:2] == (0, 0)
    assert badness(problem.hypergraph, bounds, ENGINE(problem, bounds, 1)) <= plain


def brute_force(problem, bounds):
    """The least cut of all partitions that keep the limits."""
    hypergraph, least = problem.hypergraph, None
    for rest in product(range(bounds.parts), repeat=hypergraph.vertices - 1):
        part = np.array((0, *rest))
        load = part_weights(hypergraph, part, bounds.parts)
        if load.min() > 0 and bounds.excess(load) == 0:
            cost = cut(hypergraph, part)
            least = cost if least is None else min(least, cost)
    return least


@pytest.mark.parametrize(("parts", "imbalance"), [(2, 0.1), (2, 0.4), (3, 0.5)])
def test_against_all_partitions_of_a_tiny_network(parts, imbalance):
    b = Builder()
    b.add("one", Conv(2, 3, padding=1))
    b.add("two", Conv(2, 3, padding=1))
    tasks = tasks_of(b.network("tiny", (1, 4, 4)))
    problem = fine(tasks, flops(tasks))
    assert problem.hypergraph.vertices == 1 + (2 + 2) + (4 + 2)
    bounds = Limits(np.full(parts, (1 + imbalance) * problem.hypergraph.weights.sum() / parts))
    assert cut(problem.hypergraph, ENGINE(problem, bounds)) == brute_force(problem, bounds)


def test_a_floor_is_kept_too():
    problem = problem_of("lenet5")
    average = problem.hypergraph.weights.sum() / 4
    bounds = Limits(np.full(4, 1.2 * average), floor=0.9 * average)
    part = ENGINE(problem, bounds)
    load = part_weights(problem.hypergraph, part, 4)
    assert bounds.excess(load) == 0
    assert load.min() >= 0.9 * average * (1 - 1e-9)


def heavy(tasks):
    """A dense layer with half of all work."""
    work = flops(tasks).work.copy()
    work[tasks.number("fc1")] = work.sum()
    return Weights("heavy", work, "units", "modelled")


def test_a_task_that_is_too_heavy_has_a_part_to_itself():
    problem = problem_of("lenet5", heavy)
    with pytest.raises(LabError, match="cannot be met"):
        limits(problem.hypergraph.weights, 4, 0.1)
    bounds = limits(problem.hypergraph.weights, 4, 0.1, alone=True)
    part = ENGINE(problem, bounds)
    assert badness(problem.hypergraph, bounds, part)[:2] == (0, 0)
    weights, whole = problem.hypergraph.weights, int(problem.hypergraph.weights.argmax())
    assert weights[part == part[whole]].sum() == weights[whole]


def test_progress_is_told_and_can_end_the_search():
    problem = problem_of("lenet5")
    bounds = limits(problem.hypergraph.weights, 3, 0.2)
    told = []
    ENGINE(problem, bounds, progress=lambda done, what: told.append(done))
    assert told == sorted(told)
    assert told[-1] > 0.9

    def stop(done, what):
        if done > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ENGINE(problem, bounds, progress=stop)


def test_a_problem_that_comes_in_groups_is_cut_in_those():
    problem = problem_of("resnet18_32").grouped(3)
    bounds = limits(problem.hypergraph.weights, 3, 0.3)
    part = ENGINE(problem, bounds)
    assert part.shape == (problem.vertices.count,)
    assert badness(problem.hypergraph, bounds, part)[:2] == (0, 0)


def test_a_coarse_plan_is_a_start_with_the_same_volume():
    problem = problem_of("inception")
    bounds = limits(problem.hypergraph.weights, 3, 0.2)
    start = starts.from_coarse(problem, bounds, 0, lambda: None)
    plan = start.small.plan(start.part, 3)
    assert plan.grain == "coarse"
    assert cut(start.hypergraph, start.part) == volume(plan, 1).elements
    parts = (coarse(problem.tasks, problem.weights).hypergraph.weights > 0).sum() + 1
    assert starts.from_coarse(problem, Limits(np.full(parts, 1e9)), 0, lambda: None) is None


def test_finer_groups_keep_the_cut():
    problem = problem_of("resnet18_32")
    bounds = limits(problem.hypergraph.weights, 5, 0.2)
    small = problem.grouped(3)
    part = in_order(starts.slim(small), bounds)
    start = starts.finer(starts.Start(small, starts.slim(small), part, (1.0,)), part, 5)
    assert start.hypergraph.vertices > 3 * small.vertices.count
    assert cut(start.hypergraph, start.part) == cut(small.hypergraph, part)


def test_groups_divided():
    group = np.array([7, 7, 3, 3, 3, 3, 3, 3, 9])
    found = starts.divided(group, 5)
    sizes = [sorted(np.unique(found[group == g], return_counts=True)[1].tolist()) for g in (3, 7, 9)]
    assert sizes == [[2, 2, 2], [2], [1]]
    assert len(np.unique(found)) == 5


def test_seats_of_the_heavy():
    assert seats(np.array([1.0, 9, 3, 5]), np.array([4.0, 10, 5, 4])).tolist() == [-1, 1, -1, 2]


def test_a_budget_of_moves_reaches_the_search(monkeypatch):
    problem, told, real = problem_of("lenet5"), [], search.search
    monkeypatch.setattr(search, "search", lambda *given: told.append(given[-1]) or real(*given))
    bounds = limits(problem.hypergraph.weights, 2, 0.2)
    assert bounds.excess(part_weights(problem.hypergraph, Blocks(moves=5000)(problem, bounds), 2)) == 0
    ENGINE(problem, bounds)
    assert told == [5000, None]


def test_more_parts_than_memory_has_room_for_are_refused(monkeypatch):
    monkeypatch.setattr(search, "MOST_PLACES", 1000)
    problem = problem_of("lenet5")
    with pytest.raises(LabError, match="40 parts of lenet5 are too many"):
        ENGINE(problem, Limits(np.full(40, problem.hypergraph.weights.sum())))
