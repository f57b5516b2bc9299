"""A run whose ranks are threads of this process: no MPI, and a debugger sees everything."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from time import perf_counter

from labkit.data import Split
from labkit.engine.threads import limit
from labkit.errors import LabError
from labkit.run.checkpoint.resume import with_checkpoints
from labkit.run.communicators.emulated import Emulated
from labkit.run.communicators.protocol import Communicator
from labkit.run.communicators.threads import EAGER_BYTES, connect
from labkit.run.failure import Doing, Failure, RankError
from labkit.run.job import Job
from labkit.run.mpi.board import NOBODY
from labkit.run.rank.feed import training_samples
from labkit.run.rank.hooks import Hooks
from labkit.run.rank.interpreter import Interpreter
from labkit.run.rank.result import RankResult, merge
from labkit.run.rank.state import RankState
from labkit.run.rank.waiting import LaneError, quick_switches
from labkit.run.rank.warm_up import warm_up
from labkit.run.result import RunResult
from labkit.schedule import Event, Schedule
from labkit.schedule.validate import validate

LOOK_EVERY_S = 0.05


class _Over(Exception):
    """Another rank has ended the run."""


def run_on_threads(
    schedule: Schedule,
    job: Job,
    wrap: Callable[[Communicator], Communicator] | None = None,
    on_event: Callable[[Event], None] | None = None,
    stop: threading.Event | None = None,
    *,
    samples: Split | None = None,
    hooks: Callable[[int], Hooks] | None = None,
    eager_bytes: int = EAGER_BYTES,
) -> RunResult:
    """Run `schedule` for `job.steps` steps, a thread for each rank.

    wrap: what each rank's communicator is replaced by; without it, `job.link` decides about an emulated network.
    on_event(event): called in the lane's thread as soon as an event is over; times are seconds since this call.
    stop: ends the run when it is set. samples: what is trained on, instead of the job's data. hooks(rank): more hooks
    of a rank. eager_bytes: messages up to this size leave their sender at once, see `communicators.threads`.

    Raises LabError for a schedule that cannot run (`validate`; one that only is not SGD does run) and for data that
    cannot be had; RankError, which names rank, step, instruction and who waited, as soon as one rank fails. In any
    case all threads have ended then.
    """
    refuse_hangs(schedule)
    samples = training_samples(schedule.network, job) if samples is None and job.compute is None else samples
    if wrap is None:
        wrap = (lambda c: Emulated(c, job.link)) if job.link else (lambda c: c)
    run = _Run(schedule, stop)
    zero = perf_counter()
    for rank, communicator in enumerate(connect(schedule.size, eager_bytes)):
        given = with_checkpoints(schedule, job, rank, hooks(rank) if hooks else Hooks())
        mine = replace(
            given, prepare=_warm(given.prepare), stop=run.stopper(given.stop), on_event=on_event or given.on_event
        )
        clock = lambda: perf_counter() - zero  # noqa: E731
        run.ranks.append(
            Interpreter(schedule, job, rank, wrap(communicator), samples=samples, hooks=mine, clock=clock, cores=1)
        )
    with quick_switches(), limit(job.threads):
        return merge(run.results(), schedule, job)


def refuse_hangs(schedule: Schedule) -> None:
    """LabError for a schedule that would stand still or whose lanes would race; the first fault is its message."""
    hangs = [fault for fault in validate(schedule) if fault.kind == "hang"]
    if hangs:
        more = f" (and {len(hangs) - 1} more)" if len(hangs) > 1 else ""
        raise LabError(f"this schedule cannot run: {hangs[0].message}{more}", status=1)


def _warm(then: Callable[[RankState], int] | None) -> Callable[[RankState], int]:
    """What is to be done before the first step, after what is loaded at its first use."""

    def prepare(state: RankState) -> int:
        warm_up(state)
        return then(state) if then else 0

    return prepare


class _Run:
    """The threads of one run. `ranks`: their interpreters."""

    def __init__(self, schedule: Schedule, stop: threading.Event | None):
        self.schedule, self.ranks = schedule, []
        self._stop, self._over, self._lock = stop, threading.Event(), threading.Lock()
        self._error: BaseException | None = None
        self._results: dict[int, RankResult] = {}

    def stopper(self, also: Callable[[], None] | None) -> Callable[[], None]:
        """What a rank asks again and again: raises when the run is over."""

        def check() -> None:
            if self._over.is_set():
                raise _Over
            if self._stop is not None and self._stop.is_set():
                raise LabError("the run was stopped", "start it again to go on from its last checkpoint", status=1)
            if also:
                also()

        return check

    def results(self) -> list[RankResult]:
        """Start all ranks and wait for them; raises the first error, when all have ended."""
        threads = [
            threading.Thread(target=self._work, args=(ranked,), name=f"rank {ranked.rank}", daemon=True)
            for ranked in self.ranks
        ]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():
                    thread.join(LOOK_EVERY_S)  # a wait without end could not be interrupted on every system
        finally:
            self._over.set()
            for thread in threads:
                with suppress(RuntimeError):  # it was never started
                    thread.join()
        if self._error is not None:
            raise self._error from self._error.__cause__
        return [replace(result, memory_bytes=None) for result in self._results.values()]

    def _work(self, ranked: Interpreter) -> None:
        try:
            self._results[ranked.rank] = ranked.run()
        except BaseException as error:  # the first one is what the caller is told
            with self._lock:
                if not self._over.is_set():
                    self._error = self._told(ranked, error)
                    self._over.set()
        finally:
            ranked.communicator.close()

    def _told(self, ranked: Interpreter, error: BaseException) -> BaseException:
        if not isinstance(error, LaneError):
            return error
        happened = f"{'ended' if error.ours else 'raised'} ({error.what})"
        others = [found for other in self.ranks if other is not ranked and (found := _doing(other))]
        others.sort(key=lambda other: (other.peer != ranked.rank, other.peer == NOBODY, other.rank))
        failure = Failure(ranked.rank, error.step, error.position, error.spelling, happened, tuple(others))
        told = RankError(failure, error.instead, error.status)
        told.__cause__ = error.__cause__
        return told


def _doing(ranked: Interpreter) -> Doing | None:
    """What a rank is doing: in a lane that waits, else in its main lane."""
    lanes = [(lane, lane.code, lane.waits_for) for lane in ranked.lanes if lane.code is not None]
    lanes.sort(key=lambda seen: seen[2] is None)
    for lane, code, peer in lanes[:1]:
        return Doing(ranked.rank, lane.step, code.position, code.spelling, NOBODY if peer is None else peer)
    return None
