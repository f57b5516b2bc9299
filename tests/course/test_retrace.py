"""Runs with parameter servers, done once more from their records: the same weights, whoever came first."""

import numpy as np
import pytest

from labkit.course.retrace import accuracy_of, foreseen, retrace
from labkit.course.servers import costs_of, race, race_table, updates_by
from labkit.engine.optimizers import SGD, Momentum
from labkit.errors import LabError
from labkit.machine.links import Link
from labkit.network import zoo
from labkit.run.job import Job
from labkit.run.local import run_on_threads
from labkit.schedule.simulate import simulate, simulated_staleness
from labkit.schemes import build

MLP = zoo.get("mlp", input_shape=(1, 8, 8))
LINK = Link("slow", 3e-4, 5e7, emulated=True)
JOB = Job(steps=8, optimizer=Momentum(lr=0.1), link=LINK, slowed_s=(0.0, 0.001, 0.002, 0.003))
CASES = [
    {"mode": "sync"},
    {"mode": "async"},
    {"mode": "ssp", "bound": 1},
    {"mode": "async", "servers": "sharded", "placement": "greedy"},
    {"mode": "sync", "servers": "sharded"},
]


@pytest.mark.parametrize("options", CASES, ids=lambda options: " ".join(map(str, options.values())))
def test_the_weights_of_a_run_come_out_to_the_last_bit(options):
    schedule = build("parameter-server", MLP, 4, 47, **options)
    result = run_on_threads(schedule, JOB)
    again = retrace(schedule, JOB, result.staleness, result.timeline)
    assert np.array_equal(again.parameters, result.parameters)
    assert len(again.seconds) == JOB.steps * len(schedule.workers)
    assert again.regime == "emulated" and again.link == LINK.name
    assert list(again.seconds) == sorted(again.seconds)


def test_a_simulation_gives_the_same_every_time_and_synchronous_ones_the_weights_of_a_run():
    schedule = build("parameter-server", MLP, 4, 47)
    first, second = (foreseen(schedule, JOB, costs_of(MLP, JOB)) for _ in range(2))
    assert np.array_equal(first.parameters, second.parameters) and np.array_equal(first.accuracy, second.accuracy)
    assert np.array_equal(first.parameters, run_on_threads(schedule, JOB).parameters)
    assert first.regime == "simulated" and first.seconds[-1] < simulate(schedule, costs_of(MLP, JOB), 8).seconds


def test_another_order_of_updates_leads_elsewhere():
    schedule = build("parameter-server", MLP, 4, 47, mode="async")
    timeline, stale = simulate(schedule, costs_of(MLP, JOB), 8), simulated_staleness(schedule, costs_of(MLP, JOB), 8)
    other = simulated_staleness(schedule, costs_of(MLP, Job(link=LINK, slowed_s=(0.0, 0.003, 0.001, 0.001))), 8)
    here, there = (retrace(schedule, JOB, records, timeline).parameters for records in (stale, other))
    assert not np.array_equal(here, there)


def test_what_was_learned():
    schedule = build("parameter-server", MLP, 4, 48)
    seen = foreseen(schedule, Job(steps=40, optimizer=Momentum(lr=0.05), link=LINK), costs_of(MLP, Job(link=LINK)))
    assert seen.reaches(0.0) == 0.0 and seen.updates_to(0.0) == 0 and seen.reaches(1.01) is None
    when = seen.reaches(0.9)
    assert seen.accuracy[np.flatnonzero(seen.seconds == when)].max() >= 0.9
    assert not (seen.accuracy[seen.seconds < when] >= 0.9).any()
    assert updates_by(seen, when) == seen.updates_to(0.9) and updates_by(seen, -1.0) == 0
    assert accuracy_of(schedule, Job(), seen.parameters) > 0.9
    assert not seen.staleness.any()


def test_records_that_are_not_those_of_a_run():
    schedule = build("parameter-server", MLP, 4, 47, mode="async")
    timeline, stale = simulate(schedule, costs_of(MLP, JOB), 8), simulated_staleness(schedule, costs_of(MLP, JOB), 8)
    with pytest.raises(LabError, match="without records"):
        retrace(schedule, JOB, (), timeline)
    with pytest.raises(LabError, match="contradict"):
        retrace(schedule, JOB, stale[1:], timeline)
    with pytest.raises(LabError, match="timeline"):
        retrace(schedule, JOB, stale, simulate(schedule, costs_of(MLP, JOB), 7))
    late = [record for record in stale if record.step > 0]
    fresh = [record._replace(version=0, staleness=index // 4) for index, record in enumerate(late)]
    with pytest.raises(LabError, match=r"no records of step 0|contradict"):
        retrace(schedule, JOB, fresh, timeline)


def test_a_race_compares_schedules_and_learning_rates():
    schedules = {name: build("parameter-server", MLP, 4, 48, mode=name) for name in ("sync", "async")}
    job = Job(steps=25, optimizer=SGD(lr=0.1), link=LINK, slowed_s=(0.0, 0.01, 0.01, 0.01))
    times = race(schedules, job, 0.8, (1e-4, 0.3), seeds=(0, 1))
    assert times["sync", 1e-4] is None and times["sync", 0.3] > times["async", 0.3] > 0
    told = repr(race_table(times, 0.8, "here"))
    assert "–" in told.splitlines()[2] and f"{times['async', 0.3]:.2f}" in told
    assert told.startswith("here: seconds to 80 %")
