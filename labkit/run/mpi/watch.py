"""Watches the processes of a run from the launcher's side, and raises as soon as one fails.

Every few milliseconds it looks at the board: how a rank's process ended (its keeper wrote it there), and what all ranks
are doing. Now and then it asks the system whether a rank is stopped or does nothing. The first failure ends the run.
"""

import json
import re
import signal
import time
from contextlib import suppress

from labkit.errors import LabError
from labkit.run.failure import RankError, Spelling, failure_of
from labkit.run.mpi.board import FINISHED, RUNNING, WORKING, RankView
from labkit.run.mpi.keeper import TOLD_TO_END
from labkit.run.mpi.processes import Processes
from labkit.run.mpi.rank_main import fault_file

LOOK_EVERY_S = 0.02
ASK_EVERY_S = 0.25  # the system about each rank's process
STOPPED_S = 1.0  # a rank that is stopped for longer has failed
STALLED_S = 3.0  # so has one that sleeps for so long in the middle of computing
START_S = 60.0
END_S = 20.0  # from the last rank's end to the launcher's
GRACE_S = 0.25  # after a rank has failed: for the news that another was killed before
ADVICE = "type: labkit doctor"
AGAIN = "start the run again"


class Watch:
    """Looks at a run again and again. spelling: says which instruction stands where in a rank's list. again: what to
    type after a failure. stalled_s: how long a rank may sleep in the middle of computing.
    """

    def __init__(self, run: Processes, spelling: Spelling, again: str = AGAIN, stalled_s: float = STALLED_S):
        self._run, self._spelling, self._again, self._stalled_s = run, spelling, again, stalled_s
        self._began_s = self._asked_s = time.monotonic()
        self._stopped_s: dict[int, float] = {}  # rank -> since when its process is seen stopped
        self._busy: dict[int, tuple[float, float]] = {}  # rank -> (seconds of the processor's time, seen when)
        self._over_s: float | None = None

    def over(self) -> bool:
        """Whether the run has ended well. Raises RankError or LabError for one that has failed."""
        run, now = self._run, time.monotonic()
        ended = run.process.poll()  # before the board is read: what the ranks wrote is then there
        views = [run.board.look(rank) for rank in range(run.ranks)]
        if ended is not None and ended < 0:  # then that is why ranks end, not the other way round
            raise LabError(f"{run.launcher.name} was killed by {_signal(-ended)}", self._again, 1)
        self._look_for_dead(views, ended is not None)
        if all(view.status == 0 for view in views):
            self._over_s = self._over_s or now
            if ended is None and now - self._over_s > END_S:
                raise LabError(f"{run.launcher.name} does not end, although all ranks have", self._again, 1)
            return ended is not None
        if ended is not None:
            self._launcher_gone(views, ended)
        if now - self._began_s > START_S and any(view.state < RUNNING for view in views):
            missing = ", ".join(str(view.rank) for view in views if view.state < RUNNING)
            raise LabError(f"after {START_S:g} s, not running yet: ranks {missing}", ADVICE, 1)
        if now - self._asked_s > ASK_EVERY_S:
            self._asked_s = now
            for view in views:
                self._look_for_stall(view, views, now)
        return False

    def _look_for_dead(self, views: list[RankView], over: bool) -> None:
        """A rank that was killed comes before one that failed in a message with it, and may be seen after it; over:
        there is no more to see.
        """
        dead = [view for view in views if view.status not in (None, 0, TOLD_TO_END)]
        if not dead:
            return
        first = min(dead, key=lambda view: (view.status > 0, view.ended_s))
        if first.status < 0 or over or time.monotonic() - first.ended_s > GRACE_S:
            raise self._dead(first, views)

    def _dead(self, view: RankView, views: list[RankView]) -> LabError:
        path = self._run.folder / fault_file(view.rank)
        if view.status < 0:
            return self._failed(view, f"was killed by {_signal(-view.status)}", views)
        if not path.exists():
            return self._failed(view, f"ended with status {view.status}", views)
        raised = json.loads(path.read_text("utf-8"))
        place = raised["place"] and tuple(raised["place"])
        if raised["lab"] and place is None and view.last.step < 0:  # nothing but a wrong setting
            return LabError(raised["what"], raised["instead"], raised["status"])
        happened = f"failed: {raised['what']}"
        failure = failure_of(view, happened, views, self._spelling, place)
        return RankError(failure, raised["instead"] or self._again, raised["status"], raised["traceback"])

    def _launcher_gone(self, views: list[RankView], status: int) -> None:
        """The launcher ended before the ranks: it says why, or a keeper was killed."""
        silent = [view for view in views if view.status is None and view.keeper]
        if len(silent) == 1:
            said = re.search(r"signal (\d+)", self._run.said)
            happened = f"was killed by {_signal(int(said[1]))}" if said else "ended without a word"
            raise self._failed(silent[0], happened, views)
        words = " ".join(line.strip(" -") for line in self._run.said.splitlines() if line.strip(" -"))
        what = f"{self._run.launcher.name} ended with status {status}" + (f": {words[-1000:]}" if words else "")
        raise LabError(what, ADVICE, 1)

    def _look_for_stall(self, view: RankView, views: list[RankView], now: float) -> None:
        """A stopped process has failed after a while, and one that sleeps in the middle of computing, too."""
        import psutil

        if not view.pid or view.status is not None or view.state == FINISHED:
            return
        try:
            process = psutil.Process(view.pid)
            state, used_s = process.status(), sum(process.cpu_times()[:2])
        except psutil.Error:
            return
        if state != psutil.STATUS_STOPPED:
            self._stopped_s.pop(view.rank, None)
        elif now - self._stopped_s.setdefault(view.rank, now) > STOPPED_S:
            happened = f"is stopped (SIGSTOP) and has not gone on for {now - view.progress_s:.1f} s"
            raise self._failed(view, happened, views)
        before_s, seen_s = self._busy.get(view.rank, (-1.0, now))
        busy = used_s > before_s or state != psutil.STATUS_SLEEPING
        if busy or view.progress_s > seen_s or view.last.doing != WORKING:
            self._busy[view.rank] = used_s, now
        elif now - seen_s > self._stalled_s:
            raise self._failed(view, f"has stalled: no work and no progress for {now - view.progress_s:.1f} s", views)

    def _failed(self, view: RankView, happened: str, views: list[RankView]) -> RankError:
        return RankError(failure_of(view, happened, views, self._spelling), self._again)


def _signal(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
