"""A run of threads in the background: its news, pause, stop, and failures."""

import threading

import by_hand
import numpy as np
import pytest

from labkit.engine.optimizers import SGD
from labkit.errors import LabError
from labkit.machine.links import Link
from labkit.machine.origin import SLEPT
from labkit.run.local import run_on_threads
from labkit.run.local_run import LocalRun
from labkit.run.mpi.run import StepLoss
from labkit.schedule import Event
from labkit.schedule.costs import flops_costs
from labkit.schedule.staleness import Stale

NETWORK, WAIT_S = by_hand.wide(), 30


def kinds(run: LocalRun, kind: type) -> list:
    return [item for item in run.events if isinstance(item, kind)]


def test_a_run_tells_everything_and_gives_the_result_of_threads():
    schedule, job = by_hand.server(NETWORK, 3, 7, "sync"), by_hand.job(link=Link("slow", 3e-4, 1e8, emulated=True))
    run = LocalRun(schedule, job)
    assert run.wait(WAIT_S) == "finished"
    assert np.array_equal(run.result.parameters, run_on_threads(schedule, job).parameters)
    assert sorted(kinds(run, Stale)) == list(run.result.staleness)
    losses = {item.step: item.loss for item in kinds(run, StepLoss)}
    assert [losses[step] for step in range(job.steps)] == pytest.approx(list(run.result.losses))
    assert len(kinds(run, Event)) == len(run.result.timeline.events)
    timeline = run.result.timeline
    for name in ("ranks", "regime", "origin", "link", "oversubscribed"):
        assert getattr(run, name) == getattr(timeline, name), name


def test_a_run_that_is_paused_stands_still_and_one_that_is_stopped_ends():
    run = LocalRun(by_hand.server(NETWORK, 3, 7, "async"), by_hand.job(steps=100_000))
    run.wait(WAIT_S, until=lambda: run.count > 20)
    run.pause()
    run.wait(WAIT_S, until=lambda: run.state == "paused")
    before = run.count
    assert not threading.Event().wait(0.2) and run.count == before
    run.resume()
    run.wait(WAIT_S, until=lambda: run.count > before + 20)
    run.stop()
    assert run.wait(WAIT_S) == "stopped" and run.result is None
    assert not [thread for thread in threading.enumerate() if thread.name == "run of threads"]


def test_a_run_that_fails_says_why():
    run = LocalRun(by_hand.server(NETWORK, 3, 7, "async"), by_hand.job(steps=200, optimizer=SGD(lr=1e200)))
    assert run.wait(WAIT_S) == "failed"
    assert isinstance(run.error, LabError) and "rank" in str(run.error)
    assert run.result is None


def test_a_run_that_sleeps_instead_of_computing_says_so_and_has_no_losses():
    link = Link("slow", 3e-4, 1e8, emulated=True)
    job = by_hand.job(link=link, compute=flops_costs(NETWORK, 1e12), dtype="float32")
    run = LocalRun(by_hand.allreduce(NETWORK, 2, 7, "ring"), job)
    assert run.wait(WAIT_S) == "finished"
    assert (run.regime, run.origin, run.link) == ("simulated", SLEPT, "slow")
    timeline = run.result.timeline
    assert (timeline.regime, timeline.origin, timeline.link) == job.kind
    assert {item.loss for item in kinds(run, StepLoss)} == {None} and len(kinds(run, StepLoss)) == job.steps
