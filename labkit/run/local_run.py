"""A run of threads in the background: what `mpi.run.MpiRun` is with processes, for machines without MPI.

The threads hand over what they have to tell, and wait while nobody takes it: so a run that is paused stands still soon
after, each thread wherever it is. Pause it for no longer than the job's `timeout_s`.
"""

import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator

from labkit.engine.background import BackgroundRun
from labkit.machine.processor import usable_cores
from labkit.run.job import Job
from labkit.run.local import run_on_threads
from labkit.run.mpi.run import StepLoss
from labkit.run.rank.hooks import Hooks
from labkit.run.rank.state import RankState
from labkit.run.result import RunResult
from labkit.schedule import Event, Schedule
from labkit.schedule.staleness import Stale

AHEAD = 64  # news that nobody has taken yet
LOOK_EVERY_S = 0.1


class LocalRun(BackgroundRun):
    """Runs `schedule` in threads; `events` are Events, updates of servers and StepLosses. See `BackgroundRun`.

    result: the `RunResult` once the run is finished, else None. ranks, steps, regime, origin, link, oversubscribed: as
    its timeline will have them.
    """

    processes = None

    def __init__(self, schedule: Schedule, job: Job):
        self.result: RunResult | None = None
        self.ranks, self.steps = schedule.size, job.steps
        self.regime, self.origin, self.link = job.kind
        self.oversubscribed = schedule.size > usable_cores()
        super().__init__(self._news(schedule, job))

    def _news(self, schedule: Schedule, job: Job) -> Iterator[Event | Stale | StepLoss]:
        news, stop, ends = queue.Queue(AHEAD), threading.Event(), []

        def tell(item: object) -> None:
            while not stop.is_set():
                try:
                    return news.put(item, timeout=LOOK_EVERY_S)
                except queue.Full:
                    continue

        def work() -> None:
            try:
                ends.append(run_on_threads(schedule, job, on_event=tell, stop=stop, hooks=_hooks(schedule, job, tell)))
            except BaseException as error:  # whoever follows the run raises it
                ends.append(error)
            tell(None)

        thread = threading.Thread(target=work, name="run of threads", daemon=True)
        thread.start()
        try:
            while (item := news.get()) is not None:
                yield item
        finally:  # closed before the end: the run was stopped
            stop.set()
            thread.join()
        if isinstance(ends[0], BaseException):
            raise ends[0]
        self.result = ends[0]


def _hooks(schedule: Schedule, job: Job, tell: Callable[[object], None]) -> Callable[[int], Hooks]:
    """Hooks of each rank that tell of updates and, when all workers have done a step, of its loss."""
    parts, lock = defaultdict(list), threading.Lock()

    def at_step_end(step: int, state: RankState) -> None:
        if not schedule.shares[state.rank]:
            return
        with lock:
            parts[step].append(state.losses[-1])
            whole = parts.pop(step) if len(parts[step]) == len(schedule.workers) else None
        if whole:
            tell(StepLoss(step, sum(whole) if job.compute is None else None))

    return lambda rank: Hooks(on_update=tell, at_step_end=at_step_end)
