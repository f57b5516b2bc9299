"""Schedules on MPI ranks: the same as on threads, bit by bit; counted as planned; held, stopped, and broken."""

import os
import random
import signal
import time

import numpy as np
import pytest

from labkit.engine.optimizers import SGD, get
from labkit.errors import LabError
from labkit.machine.links import Link
from labkit.network import BatchNorm, Dense, Flatten, ReLU, Softmax, chain, zoo
from labkit.run.failure import RankError
from labkit.run.job import Job
from labkit.run.local import run_on_threads
from labkit.run.mpi import library as mpi_library
from labkit.run.mpi import processes
from labkit.run.mpi.run import MpiRun, StepLoss, run_on_mpi
from labkit.run.rank.feed import training_samples
from labkit.run.rank.state import RankState
from labkit.run.rank.warm_up import warm_up
from labkit.schedule import Event
from labkit.schedule.staleness import Stale
from labkit.schedule.traffic import traffic
from labkit.schemes import registry

NETWORK = zoo.get("mlp")
STEPS, TIMEOUT_S = 4, 60


@pytest.fixture(autouse=True)
def needs_mpi(require):
    try:
        mpi_library.launcher()
    except LabError as error:
        require(False, str(error))


def job(**more):
    return Job(**{"data": "synthetic", "backend": "reference", "steps": STEPS, "timeout_s": 20.0, **more})


def scheme(name="allreduce", ranks=2, batch=7, **options):
    return registry.build(name, NETWORK, ranks, batch, **options)


@pytest.mark.parametrize(
    ("name", "ranks", "options"),
    [
        ("allreduce", 3, {"bucket_bytes": 100_000}),
        ("allreduce", 2, {"algorithm": "mpi"}),
        ("chunked", 2, {"chunks": 3}),
        ("parameter-server", 3, {"servers": "sharded", "mode": "sync"}),
    ],
)
def test_processes_do_what_threads_do(name, ranks, options):
    schedule = scheme(name, ranks, **options)
    apart, together = run_on_mpi(schedule, job()), run_on_threads(schedule, job())
    assert np.array_equal(apart.parameters, together.parameters)
    assert apart.losses == together.losses and len(apart.losses) == STEPS
    assert apart.staleness == together.staleness
    assert apart.traffic == together.traffic == traffic(schedule).times(STEPS)
    assert [use.bytes_sent for use in apart.use] == [traffic(schedule).of(rank).bytes * STEPS for rank in range(ranks)]
    assert all(use.memory_bytes > 10**7 for use in apart.use)
    events = {(e.rank, e.step, e.position) for e in apart.timeline.events}
    assert events == {(e.rank, e.step, e.position) for e in together.timeline.events}
    assert apart.timeline.regime == "real" and min(e.start_s for e in apart.timeline.events) >= 0


def test_an_emulated_network_and_news_while_it_runs():
    link, schedule = Link("slow", 1e-4, 1e8, emulated=True), scheme(batch=6)
    events, losses, done = [], [], []
    result = run_on_mpi(
        schedule,
        job(link=link),
        on_event=events.append,
        on_loss=lambda *loss: losses.append(loss),
        progress=lambda fraction, what: done.append((fraction, what)),
    )
    assert result.timeline.regime == "emulated" and result.traffic == traffic(schedule).times(STEPS)
    assert np.array_equal(result.parameters, run_on_threads(schedule, job()).parameters)
    assert losses == list(enumerate(result.losses))
    assert done == [((step + 1) / STEPS, f"step {step + 1} of {STEPS}") for step in range(STEPS)]
    told = {(e.rank, e.step, e.position, e.spelling, e.bytes_sent) for e in events}
    assert told == {(e.rank, e.step, e.position, e.spelling, e.bytes_sent) for e in result.timeline.events}


def test_pause_step_and_stop():
    run = MpiRun(scheme("parameter-server", 3, mode="async"), job(steps=100_000), paused=True)
    assert run.state == "paused"
    run.step()
    run.wait(TIMEOUT_S, until=lambda: any(isinstance(e, StepLoss) for e in run.events))
    assert run.state == "paused", run
    run.resume()
    run.wait(TIMEOUT_S, until=lambda: sum(isinstance(e, StepLoss) for e in run.events) > 5)
    run.pause()
    assert run.state == "paused"
    deadline, before = time.monotonic() + TIMEOUT_S, -1
    while run.count != before:  # what was under way is still told
        assert time.monotonic() < deadline, "the run goes on although it is paused"
        before = run.count
        time.sleep(0.5)
    run.stop()
    assert run.wait(TIMEOUT_S) == "stopped"
    steps = run.result.steps
    assert 5 < steps < 100_000
    assert run.result.traffic == traffic(scheme("parameter-server", 3, mode="async")).times(steps)
    assert {e.step for e in run.events if isinstance(e, Event)} == set(range(steps))
    assert sorted(e for e in run.events if isinstance(e, Stale)) == list(run.result.staleness)
    timeline = run.result.timeline
    for name in ("ranks", "regime", "origin", "link", "oversubscribed"):
        assert getattr(run, name) == getattr(timeline, name), name
    assert run.steps == 100_000


class Killer:
    """Sends a signal to one rank when it does a certain instruction; called between looks at the run."""

    def __init__(self, run: MpiRun, rank: int, step: int, position: int, number: int):
        self.run, self.rank, self.place, self.number = run, rank, (step, position), number

    def strike(self) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            assert time.monotonic() < deadline and not self.run.over, self.run
            processes_of = self.run.processes
            if processes_of is not None:
                view = processes_of.board.look(self.rank)
                if (view.last.step, view.last.position) >= self.place:
                    os.kill(view.pid, self.number)
                    return
            time.sleep(0.0005)


@pytest.mark.parametrize(("seed", "number"), [(0, signal.SIGKILL), (1, signal.SIGKILL), (2, signal.SIGSTOP)])
def test_a_rank_that_is_killed_or_stopped_ends_the_run(seed, number):
    chance = random.Random(seed)
    schedule = scheme(*chance.choice([("allreduce", 3), ("master", 2), ("chunked", 2)]))
    rank = chance.randrange(schedule.size)
    run = MpiRun(schedule, job(steps=100_000), live=False)
    position = chance.randrange(len(schedule.ranks[rank]))
    Killer(run, rank, chance.randrange(20), position, number).strike()
    struck = time.monotonic()
    folder = run.processes.folder if run.processes else None
    assert run.wait(TIMEOUT_S) == "failed"
    assert isinstance(run.error, RankError), run.error
    assert run.error.failure.rank == rank
    assert ("SIGKILL" if number == signal.SIGKILL else "SIGSTOP") in run.error.failure.happened
    assert str(schedule.ranks[rank][run.error.failure.position]) == run.error.failure.spelling
    assert time.monotonic() - struck < TIMEOUT_S
    if folder:
        assert not folder.exists() and not processes.left_over(folder.name)


def test_warming_up_changes_neither_weights_nor_statistics():
    layers = {"norm": BatchNorm(), "relu": ReLU(), "flat": Flatten(), "fc": Dense(10), "softmax": Softmax()}
    schedule = registry.build("single", chain("small", (1, 8, 8), layers), 1, 2)
    settings = job(optimizer=get("momentum", lr=0.1))
    state = RankState(schedule, settings, 0, training_samples(schedule.network, settings))
    held = [state.model.parameters.flat, state.model.state.flat, *state.slots]
    before = [vector.copy() for vector in held]
    warm_up(state)
    assert len(held) == 3 and len(held[1])
    assert all(np.array_equal(*pair) for pair in zip(held, before, strict=True))


def test_divergence_is_named():
    with pytest.raises(RankError, match="diverged") as caught:
        run_on_mpi(scheme(), job(steps=50, optimizer=SGD(lr=1e30)))
    assert caught.value.status == 1 and "learning rate" in caught.value.instead


def test_what_no_rank_can_begin_with_is_said_once():
    with pytest.raises(LabError) as caught:
        run_on_mpi(scheme(), job(data="no-such-data"))
    assert not isinstance(caught.value, RankError) and "no-such-data" in caught.value.what


def test_an_exception_of_the_caller_ends_the_ranks():
    def stumble(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_on_mpi(scheme(), job(steps=100_000), on_event=stumble)


def test_checkpoints_and_going_on_with_another_number_of_ranks(tmp_path):
    whole = run_on_mpi(scheme(), job(steps=6, dtype="float64"))
    kept = {"checkpoint_folder": tmp_path / "kept", "checkpoint_every": 3, "dtype": "float64"}
    run_on_mpi(scheme(), job(steps=3, **kept))
    resumed = run_on_mpi(scheme(ranks=3), job(steps=6, resume=True, **kept))
    assert resumed.steps == 3
    np.testing.assert_allclose(resumed.parameters, whole.parameters, rtol=1e-12, atol=1e-14)
