"""Experiments of notebook 07: logs of servers, steps by the number of workers, placements, and a rank that dies."""

import numpy as np
import pytest

from labkit.course import servers as lab
from labkit.course.bank.nb07_greedy_placement import greedy_placement
from labkit.course.bank.nb07_staleness_of import staleness_of
from labkit.course.server_log import own_ages, own_balance, server_log
from labkit.engine.optimizers import Momentum
from labkit.errors import LabError
from labkit.machine.links import Link
from labkit.network import zoo
from labkit.run.job import Job
from labkit.run.local import run_on_threads
from labkit.run.local_run import LocalRun
from labkit.schedule.costs import Costs, no_compute
from labkit.schedule.simulate import simulate
from labkit.schemes import build

MLP = zoo.get("mlp", input_shape=(1, 8, 8))
LINK = Link("slow", 3e-4, 5e7, emulated=True)
JOB = Job(steps=8, optimizer=Momentum(lr=0.05), link=LINK, slowed_s=lab.sleeping(0.001, 0.002, 0.003))


@pytest.mark.parametrize("how", [{"mode": "async"}, {"mode": "ssp", "bound": 0}, {"mode": "ssp", "bound": 2}])
def test_a_log_says_how_stale_every_update_was(how):
    schedule = build("parameter-server", MLP, 4, 48, **how)
    result = run_on_threads(schedule, JOB)
    log = server_log(result, schedule)
    assert sorted(staleness_of(log)) == sorted(record.staleness for record in result.staleness)
    pieces = len(schedule.pieces)
    assert sum(what == "update" for what, *_ in log) == 3 * pieces * JOB.steps == log.count(log[0]) * 3 * pieces
    assert {piece for *_, piece in log} == set(range(pieces))


@pytest.mark.parametrize("how", [{"mode": "sync"}, {"mode": "async", "servers": "sharded"}])
def test_there_is_no_log_of_sums_and_of_ranks_that_serve_themselves(how):
    schedule = build("parameter-server", MLP, 4, 48, **how)
    with pytest.raises(LabError, match="no log of parameter-server"):
        server_log(run_on_threads(schedule, Job(steps=1)), schedule)


def test_a_learners_function_on_a_real_log():
    schedule = build("parameter-server", MLP, 4, 48, mode="async")
    result = run_on_threads(schedule, JOB)
    recorded, own = own_ages(staleness_of, result, schedule).rows
    assert recorded[1:4] == own[1:4] and own[-1] == 0
    assert "not yet" in repr(own_ages(lambda log: [], result, schedule))


def test_a_learners_placement():
    (one,) = own_balance(greedy_placement, zoo.get("vgg16"), 2)
    assert one.max_over_avg == pytest.approx(one.least_max_over_avg)
    assert own_balance(lambda values, servers: None, zoo.get("vgg16"), 2) == []


def test_a_step_of_one_server_grows_with_its_workers():
    found = lab.more_workers(MLP, LINK, (1, 2, 4), 0.01, 16)
    size_s = 4 * MLP.parameters / LINK.bytes_per_s
    steps = found["one server"]
    assert list(steps) == [1, 2, 4] and steps[4] - steps[2] == pytest.approx(2 * 2 * size_s, rel=0.1)
    assert found["ring all-reduce"][1] == pytest.approx(0.01)
    assert found["ring all-reduce"][4] < steps[4]


def test_steady_steps_leave_out_the_first():
    schedule = build("parameter-server", MLP, 2, 8)
    costs = Costs(no_compute(MLP), LINK)
    several = simulate(schedule, costs, 12).seconds / 12
    assert lab.step_seconds(schedule, costs) == pytest.approx(several, rel=0.1)


def test_placements_are_told_apart_and_arrays_that_are_cut_are_the_fastest():
    found = lab.placed_step(zoo.get("vgg16"), 4, 8, 0.0, LINK)
    assert found["one server"] > found["round-robin"] > found["greedy"] > found["cut into equal parts"]


def test_modes_side_by_side():
    schedules = {name: build("parameter-server", MLP, 4, 48, mode=name) for name in ("sync", "async")}
    results = {name: run_on_threads(schedule, JOB) for name, schedule in schedules.items()}
    sync, other = lab.modes_table(schedules, results, lab.costs_of(MLP, JOB)).rows
    assert sync[3:] == ("0.00", 0) and other[4] == max(record.staleness for record in results["async"].staleness)
    assert float(sync[1]) > float(other[1])


def test_a_run_of_threads_is_stopped_where_it_would_be_killed():
    run = LocalRun(build("parameter-server", MLP, 3, 8), Job(steps=10_000))
    said = lab.kill(run, rank=1, step=5)
    assert run.over and "threads" in str(said) and said.step >= 5
    with pytest.raises(LabError, match="stopped"):
        lab.kill(run, rank=1, step=10_000)


def test_the_best_of_each():
    times = {("a", 0.1): 3.0, ("a", 0.2): 2.0, ("b", 0.1): None, ("b", 0.2): None}
    assert lab.best(times) == {"a": 2.0}
    assert np.isclose(lab.sleeping(0.1, 0.2), (0.0, 0.1, 0.2)).all()
