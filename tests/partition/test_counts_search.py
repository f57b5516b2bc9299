"""The search on counts keeps limits, repeats itself, reports, and can be stopped."""

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.network import Add, Builder, Conv, zoo
from labkit.partition import Limits, coarse, cut, fine, flops, limits, part_weights, tasks_of
from labkit.partition.engines.counts import ENGINE, Counts, count_model, optimum, search
from labkit.partition.weights import eserol

QUICK = Counts(moves=600_000)


def problem_of(network, weights=flops):
    tasks = tasks_of(network)
    return coarse(tasks, weights(tasks))


def tiny_residual():
    b = Builder()
    x = b.add("stem", Conv(3, 3, padding=1))
    b.add("a", Conv(2, 3, padding=1))
    y = b.add("b", Conv(3, 3, padding=1))
    b.add("add", Add(), y, x)
    b.add("last", Conv(2, 3))
    return b.network("tiny_residual", (1, 6, 6))


def test_a_seed_gives_the_same_plan():
    problem = problem_of(zoo.get("vgg16"))
    bounds = limits(problem.hypergraph.weights, 24, 0.1)
    first, again = (QUICK(problem, bounds, seed=3) for _ in range(2))
    assert np.array_equal(first, again)
    tables = [search(count_model(problem), bounds, seed, moves=30_000)[0].counts for seed in (3, 4)]
    assert not np.array_equal(*tables)


@pytest.mark.parametrize("parts", [3, 24])
def test_limits_of_each_part_and_the_floor_are_kept(parts):
    problem = problem_of(zoo.get("vgg16"))
    average = problem.hypergraph.weights.sum() / parts
    cap = np.full(parts, 1.05) * average
    cap[-1] = 0.5 * average  # a smaller machine among equal ones
    cap[0] = 1.6 * average
    bounds = Limits(cap, floor=0.4 * average)
    load = part_weights(problem.hypergraph, QUICK(problem, bounds), parts)
    assert bounds.excess(load) == 0


def test_no_part_is_left_without_work():
    """With so large a limit it would pay to leave parts empty."""
    problem = problem_of(zoo.get("lenet5"))
    bounds = limits(problem.hypergraph.weights, 6, 8.0)
    part = QUICK(problem, bounds)
    assert part_weights(problem.hypergraph, part, 6).min() > 0
    fewer = Counts(moves=600_000, empty=True)(problem, bounds)
    assert part_weights(problem.hypergraph, fewer, 6).min() == 0
    assert cut(problem.hypergraph, fewer) < cut(problem.hypergraph, part)


def test_a_task_that_is_too_heavy_lies_alone():
    problem = problem_of(zoo.get("vgg16"), eserol)
    bounds = limits(problem.hypergraph.weights, 128, 0.1, alone=True)
    part = QUICK(problem, bounds)
    load = part_weights(problem.hypergraph, part, 128)
    assert bounds.excess(load) == 0
    assert load.max() == problem.hypergraph.weights.max() == 546


def test_many_parts_of_few_tasks():
    """Every task with work alone."""
    problem = problem_of(tiny_residual())
    working = int((problem.hypergraph.weights > 0).sum())
    bounds = limits(problem.hypergraph.weights, working, 9.0)
    load = part_weights(problem.hypergraph, QUICK(problem, bounds), working)
    assert sorted(load) == sorted(problem.hypergraph.weights[problem.hypergraph.weights > 0])


def test_the_engine_names_itself():
    assert (ENGINE.name, ENGINE.empty) == ("counts", False)
    assert ENGINE.version


def test_one_part():
    problem = problem_of(zoo.get("lenet5"))
    assert not QUICK(problem, limits(problem.hypergraph.weights, 1, 0.0)).any()


def test_progress_rises_and_can_stop_the_search():
    problem = problem_of(zoo.get("lenet5"))
    bounds = limits(problem.hypergraph.weights, 3, 0.1)
    seen = []
    ENGINE(problem, bounds, progress=lambda done, what: seen.append(done))
    assert seen == sorted(seen)
    assert len(seen) >= 20
    assert seen[0] >= 0
    assert seen[-1] == 1

    class Enough(Exception):
        pass

    def stop(done, what):
        if done > 0.3:
            raise Enough

    with pytest.raises(Enough):
        QUICK(problem, bounds, progress=stop)


def test_a_fine_hypergraph_is_refused():
    tasks = tasks_of(zoo.get("lenet5"))
    problem = fine(tasks, flops(tasks))
    with pytest.raises(LabError, match="fine-grain"):
        QUICK(problem, limits(problem.hypergraph.weights, 2, 0.5))


def test_the_program_says_that_nothing_keeps_the_limits():
    problem = problem_of(tiny_residual())
    average = problem.hypergraph.weights.sum() / 2
    with pytest.raises(LabError, match="no table of counts for 2 parts"):
        optimum(count_model(problem), Limits(np.full(2, average), floor=0.999999 * average))
