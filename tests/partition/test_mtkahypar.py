"""The library Mt-KaHyPar behind our interface: limits kept, seeds that repeat, and the pitfalls of its binding."""

import importlib.util
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.network import zoo
from labkit.partition import coarse, cut, fine, flops, limits, loads, tasks_of, volume
from labkit.partition.engines import mtkahypar
from labkit.partition.engines.grouping import in_groups, in_order
from labkit.partition.engines.judge import badness, filled
from labkit.partition.engines.mtkahypar import ENGINE, PRESETS, cut_with_mtkahypar
from labkit.partition.hypergraph import Hypergraph
from labkit.partition.limits import Limits
from labkit.partition.methods.incremental import filter_incremental

GRAINS = {"coarse": coarse, "fine": fine}


@pytest.fixture(autouse=True)
def installed(require, monkeypatch):
    require(importlib.util.find_spec("mtkahypar"), "mtkahypar is not installed (it has no wheels for Windows)")
    monkeypatch.setattr(mtkahypar, "EFFORT", 3e4)


def problem_of(network, grain="coarse", **options):
    tasks = tasks_of(zoo.get(network))
    return GRAINS[grain](tasks, flops(tasks), **options)


def even(problem, parts, imbalance=0.1):
    return limits(problem.hypergraph.weights, parts, imbalance)


def two_rings(weight=1.0, cost=1):
    """Two rings of six vertices, joined by one net that costs the least: the best cut in two is that net."""
    ring = [[i, (i + 1) % 6] for i in range(6)]
    nets = ring + [[a + 6, b + 6] for a, b in ring] + [[0, 6]]
    costs = [3 * cost] * 12 + [cost]
    return Hypergraph(np.arange(14) * 2, np.ravel(nets), np.array(costs), np.full(12, weight))


@pytest.mark.parametrize("grain", GRAINS)
@pytest.mark.parametrize(("network", "parts"), [("lenet5", 2), ("resnet18_32", 5)])
def test_limits_are_kept_and_the_same_seed_gives_the_same_plan(network, parts, grain):
    problem = problem_of(network, grain)
    bounds = even(problem, parts, 0.2)
    part = ENGINE(problem, bounds, seed=3)
    empty, excess, cost = badness(problem.hypergraph, bounds, part)
    assert (empty, excess) == (0, 0)
    assert np.array_equal(part, ENGINE(problem, bounds, seed=3))
    assert volume(problem.plan(part, parts), 1).elements == cost


def test_it_beats_the_incremental_partition_of_a_residual_network():
    problem = problem_of("resnet18_32")
    naive = filter_incremental(problem.tasks, 8, problem.weights)
    bounds = even(problem, 8, loads(naive, problem.weights).max_over_avg - 1)
    assert volume(problem.plan(ENGINE(problem, bounds), 8)).elements < volume(naive).elements


def test_the_effort_is_the_same_whatever_the_load_of_the_machine():
    told = []
    problem = problem_of("lenet5")
    ENGINE(problem, even(problem, 3, 0.2), progress=lambda done, what: told.append(done))
    assert told == sorted(told)
    assert told[-1] == 1


def test_progress_can_end_it():
    def stop(done, what):
        raise KeyboardInterrupt

    problem = problem_of("lenet5")
    with pytest.raises(KeyboardInterrupt):
        ENGINE(problem, even(problem, 2), progress=stop)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("seed", [0, 7])
def test_every_preset_finds_the_obvious_cut(preset, seed):
    hypergraph = two_rings()
    part = cut_with_mtkahypar(hypergraph, Limits(np.array([6.0, 6.0])), seed, preset=preset)
    assert cut(hypergraph, part) == 1
    assert np.bincount(part).tolist() == [6, 6]


@pytest.mark.parametrize(("weight", "cost"), [(1e-9, 1), (1e12, 10**15), (0.3, 7)])
def test_weights_and_costs_of_any_size(weight, cost):
    """The library counts in 32 bits and lets sums wrap."""
    hypergraph = two_rings(weight, cost)
    part = cut_with_mtkahypar(hypergraph, Limits(np.full(2, 6 * weight)))
    assert cut(hypergraph, part) == cost


def test_a_seed_acts_on_the_deterministic_preset():
    problem = problem_of("lenet5")
    bounds = even(problem, 4, 0.3)
    found = {cut_with_mtkahypar(problem.hypergraph, bounds, seed).tobytes() for seed in range(6)}
    assert len(found) > 1


def test_each_part_has_its_own_limit_and_a_task_too_heavy_a_part_of_its_own():
    rng = np.random.default_rng(1)
    pins = np.sort(np.stack([rng.permutation(60)[:3] for _ in range(120)]))
    weights = np.ones(60)
    weights[17] = 40
    hypergraph = Hypergraph(np.arange(121) * 3, pins.ravel(), np.ones(120), weights)
    with pytest.raises(LabError, match="task 17 alone"):
        limits(weights, 4, 0.1)
    bounds = Limits(np.array([20.0, 40.0, 20.0, 20.0]))
    part = cut_with_mtkahypar(hypergraph, bounds)
    assert part[17] == 1
    assert badness(hypergraph, bounds, part)[:2] == (0, 0)


def test_a_start_is_never_made_worse():
    problem = problem_of("resnet18_32").grouped(8)
    bounds = even(problem, 6, 0.3)
    for start in (
        in_order(problem.hypergraph, bounds),
        np.random.default_rng(2).integers(0, 6, problem.vertices.count),
    ):
        for preset in PRESETS:
            part = cut_with_mtkahypar(problem.hypergraph, bounds, start=start, preset=preset)
            assert badness(problem.hypergraph, bounds, part) <= badness(problem.hypergraph, bounds, start)


def test_no_part_stays_empty():
    hypergraph = two_rings()
    assert sorted(np.bincount(filled(hypergraph, np.zeros(12, int), 4), minlength=4)) == [1, 1, 1, 9]
    part = cut_with_mtkahypar(hypergraph, Limits(np.full(12, 12.0)))
    assert np.bincount(part, minlength=12).tolist() == [1] * 12


def test_groups_are_light_enough_and_few():
    problem = problem_of("vgg16")
    for parts in (2, 32):
        smalls = in_groups(problem, even(problem, parts))
        assert all(40 < small.vertices.count < 1600 for small in smalls)
        assert len({small.vertices.count for small in smalls}) == len(smalls) == 3
    assert in_groups(smalls[0], even(problem, 32)) == [smalls[0]]


def test_bad_names_and_vectors():
    hypergraph, bounds = two_rings(), Limits(np.full(2, 6.0))
    with pytest.raises(LabError, match=r"preset='deterministc'.*did you mean 'deterministic'"):
        cut_with_mtkahypar(hypergraph, bounds, preset="deterministc")
    with pytest.raises(LabError, match="shape"):
        cut_with_mtkahypar(hypergraph, bounds, start=np.zeros(3, int))


def test_where_the_package_is_missing_the_error_names_another_engine(monkeypatch):
    monkeypatch.setitem(sys.modules, "mtkahypar", None)
    mtkahypar._library.cache_clear()
    problem = problem_of("lenet5")
    with pytest.raises(LabError, match=r"package mtkahypar.*--engine counts"):
        ENGINE(problem, even(problem, 2))
    monkeypatch.undo()
    assert ENGINE.version[0].isdigit()


def test_it_runs_in_a_thread():
    problem, found = problem_of("lenet5"), []
    bounds = even(problem, 3, 0.2)
    thread = threading.Thread(target=lambda: found.append(ENGINE(problem, bounds)))
    thread.start()
    thread.join(60)
    assert np.array_equal(found[0], ENGINE(problem, bounds))


INTERRUPTED = """
import os, signal
from labkit.network import zoo
from labkit.partition import coarse, flops, limits, tasks_of
from labkit.partition.engines.mtkahypar import ENGINE
tasks = tasks_of(zoo.get("resnet18_32"))
problem = coarse(tasks, flops(tasks))
bounds = limits(problem.hypergraph.weights, 4, 0.1)
calls = []
def interrupt_once(done, what):
    calls.append(done)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGINT)
try:
    ENGINE(problem, bounds, progress=interrupt_once)
except KeyboardInterrupt:
    again = ENGINE(problem, bounds)
    print("interrupted, then", "the same" if (again == ENGINE(problem, bounds)).all() else "other parts")
"""


@pytest.mark.skipif(not hasattr(os, "kill") or not hasattr(signal, "SIGINT"), reason="no signals here")
def test_ctrl_c_ends_it_between_calls_and_nothing_is_broken():
    ran = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=120, check=True)
    assert ran.stdout.strip() == "interrupted, then the same"
