"""A schedule run by MPI ranks: `run_on_mpi` to its end, `MpiRun` in the background with pause, step and stop.

    result = run_on_mpi(schedule, Job(steps=20))
    run = MpiRun(schedule, Job(steps=200)); run.pause(); run.step(); run.resume(); run.wait(); run.result

The ranks are processes of this machine that are started for the run, or the warm ones of a cluster (`run.cluster`).
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple

from labkit.engine.background import BackgroundRun
from labkit.machine.processor import usable_cores
from labkit.run.checkpoint.resume import warn
from labkit.run.job import Job
from labkit.run.job_file import to_document
from labkit.run.local import refuse_hangs
from labkit.run.mpi.control import Control
from labkit.run.mpi.launch import listen, started
from labkit.run.mpi.processes import Processes
from labkit.run.mpi.rank_files import event_from, file_of, unpack
from labkit.run.mpi.watch import STALLED_S
from labkit.run.rank.result import merge
from labkit.run.result import RunResult
from labkit.schedule import Event, Schedule
from labkit.schedule.staleness import Stale

FUNCTION = "labkit.run.mpi.rank_run:run"


class StepLoss(NamedTuple):
    """The mean loss of the global batch of one step, when all ranks have told their parts of it; None where computing
    is slept through.
    """

    step: int
    loss: float | None


News = Event | StepLoss | Stale | str | None  # a str is a sentence for people; None: nothing new, but the run goes on


def run_on_mpi(
    schedule: Schedule,
    job: Job,
    on_event: Callable[[Event], None] | None = None,
    stop: threading.Event | None = None,
    progress: Callable[[float, str], None] | None = None,
    *,
    on_loss: Callable[[int, float], None] | None = None,
    warm: bool = False,
) -> RunResult:
    """Run `schedule` for `job.steps` steps, a process for each rank, and wait for the end.

    on_event(event), on_loss(step, loss): called as they come, within about 0.1 s; times of events are seconds since
    this call. stop: when it is set, all ranks end after the same step, and the result is of the steps done.
    progress(done_fraction, what). An exception from any of them ends the run. warm: on the ranks of the cluster that
    is up, instead of processes of its own.

    Raises LabError for a schedule that cannot run, without a launcher, and for what a rank refuses to begin with;
    RankError within seconds where a rank fails, which names rank, step, instruction and what the others were doing.
    In any case no process and no file of the run is left.
    """
    control = Control()
    news = follow_run(schedule, job, control, live=on_event is not None, warm=warm)
    try:
        while True:
            item = next(news)
            if stop is not None and stop.is_set():
                control.stop()
            if isinstance(item, Event) and on_event:
                on_event(item)
            elif isinstance(item, StepLoss):
                if on_loss and item.loss is not None:
                    on_loss(*item)
                if progress:
                    progress(min(1.0, (item.step + 1) / job.steps), f"step {item.step + 1} of {job.steps}")
            elif isinstance(item, str):
                warn(item)
    except StopIteration as over:
        return over.value
    finally:
        news.close()


class MpiRun(BackgroundRun):
    """A run in the background: `events` are its `Event`s and updates of servers (if live) and `StepLoss`es. See
    `BackgroundRun`.

    result: the `RunResult` once the run is finished, or stopped (then of the steps that were done); None before and
    where it failed. pause, step and stop take effect at the end of a step, which is the same for all ranks. ranks,
    steps, regime, origin, link, oversubscribed: as its timeline will have them.
    """

    def __init__(self, schedule: Schedule, job: Job, live: bool = True, paused: bool = False, warm: bool = False):
        self.result: RunResult | None = None
        self.ranks, self.steps = schedule.size, job.steps
        self.regime, self.origin, self.link = job.kind
        self.oversubscribed = schedule.size > usable_cores()
        self._control, self._asked_to_stop = Control(paused), False
        super().__init__(self._news(schedule, job, live, warm))
        if paused:
            self.state = "paused"

    @property
    def processes(self) -> Processes | None:
        """The ranks, while they run: their board, their folder."""
        return self._control.run

    def pause(self) -> None:
        self._control.pause()
        self._show("paused")

    def resume(self) -> None:
        self._control.resume()
        self._show("running")

    def step(self) -> None:
        self._control.step()
        self._show("paused")

    def stop(self) -> None:
        self._asked_to_stop = True
        self._control.stop()

    def _news(self, schedule: Schedule, job: Job, live: bool, warm: bool) -> Iterator[Event | StepLoss | Stale]:
        news = follow_run(schedule, job, self._control, live, warm)
        while True:
            try:
                item = next(news)
            except StopIteration as over:
                self.result = over.value
                return
            if isinstance(item, Event | StepLoss | Stale):
                yield item

    def _show(self, state: str) -> None:
        with self._changed:
            if not self.over and not self._asked_to_stop:
                self._set(state)

    def _finish(self, state: str) -> None:
        super()._finish("stopped" if state == "finished" and self._asked_to_stop else state)

    def _may_go_on(self) -> bool:
        return True  # the ranks are what is paused; their news are read all the time


def follow_run(schedule: Schedule, job: Job, control: Control, live: bool, warm: bool = False) -> Iterator[News]:
    """Start a run and yield its news until it is over; the generator's value is the result. Closing it ends the run."""
    refuse_hangs(schedule)
    zero_s, parts = time.perf_counter(), defaultdict(dict)
    workers = [rank for rank, share in enumerate(schedule.shares) if share]

    sleeps = job.compute is not None or job.slowed_s  # on purpose, and for as long as it likes
    stalled_s = float("inf") if sleeps else STALLED_S
    again = "start the run again" + " with resume (--resume)" * bool(job.checkpoint_every)

    def names(rank: int, position: int) -> str:
        program = schedule.ranks[rank]
        return str(program[position]) if position < len(program) else "the end of the step"

    with _ranks(schedule, job, live, warm) as run:
        control.attach(run)
        try:
            for line in listen(run, names, again=again, stalled_s=stalled_s):
                if line is None:
                    yield None
                    continue
                rank, kind, payload = line
                if kind == "event":
                    yield event_from(rank, payload, schedule, zero_s)
                elif kind == "update":
                    yield Stale(*payload)
                elif kind == "loss":
                    step, part = payload
                    parts[step][rank] = part
                    if len(parts[step]) == len(workers):
                        loss = sum(parts.pop(step).values())
                        yield StepLoss(step, loss if job.compute is None else None)
                else:
                    yield payload
        finally:
            control.attach(None)
        results = [unpack(file_of(run.folder, rank).read_bytes(), schedule) for rank in range(schedule.size)]
    return merge(results, schedule, job)


def _ranks(schedule: Schedule, job: Job, live: bool, warm: bool) -> AbstractContextManager[Processes]:
    arguments = {"run": to_document(schedule, job), "live": live}
    if warm:
        from labkit.run.cluster import run as cluster_run

        return cluster_run.warm(FUNCTION, arguments, schedule.size)
    return started(FUNCTION, arguments, schedule.size, job.threads)
