"""Watches the processes of a run from the launcher's side, and says what happened when a rank fails.

Every few milliseconds it looks at the board: how a rank's process ended (its keeper wrote it there), and what all ranks
are doing. Now and then it asks the system whether a rank is stopped or does nothing. The first failure ends the run.
"""

import json
import re
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from labkit.errors import LabError
from labkit.run.board import ALL, FINISHED, RUNNING, WAITING, WORKING, RankView
from labkit.run.keeper import TOLD_TO_END
from labkit.run.processes import Processes
from labkit.run.rank_main import fault_file

LOOK_EVERY_S = 0.02
ASK_EVERY_S = 0.25  # the system about each rank's process
STOPPED_S = 1.0  # a rank that is stopped for longer has failed
STALLED_S = 3.0  # so has one that computes without taking any of the processor's time for so long
START_S = 60.0
ADVICE = "type: labkit doctor"
END_S = 20.0  # from the last rank's end to the launcher's

Spelling = Callable[[int, int], str]  # (rank, position) -> the instruction there


@dataclass(frozen=True)
class Waiting:
    """A rank that waited when another failed: in which instruction of which step, for whom (ALL: whoever)."""

    rank: int
    step: int
    position: int
    spelling: str
    peer: int


@dataclass(frozen=True)
class Failure:
    """Why a run ended. rank: whose failure it was. step, position, spelling: what it was doing (step -1: nothing yet).
    happened: in words, such as 'was killed by SIGKILL'. waiting: the ranks that waited, those for `rank` first.
    """

    rank: int
    step: int
    position: int
    spelling: str
    happened: str
    waiting: tuple[Waiting, ...]

    def __str__(self) -> str:
        where = f" in step {self.step}, instruction {self.position} ({self.spelling})" if self.step >= 0 else ""
        text = f"rank {self.rank} {self.happened}{where}"
        if not self.waiting:
            return text
        return f"{text}; " + ", ".join(
            f"rank {w.rank} was waiting for {'others' if w.peer == ALL else f'rank {w.peer}'} in {w.spelling!r}"
            + (f" of step {w.step}" if w.step != self.step else "")
            for w in self.waiting
        )


class RankError(LabError):
    """A run that ended because of one rank; `failure` has the parts of the message, `traceback` what it printed."""

    def __init__(self, failure: Failure, instead: str, status: int = 1, traceback: str = ""):
        super().__init__(str(failure), instead, status)
        self.failure = failure
        self.traceback = traceback


class Watch:
    """Looks at a run again and again. spelling: says which instruction stands where in a rank's list."""

    def __init__(self, run: Processes, spelling: Spelling):
        self._run, self._spelling = run, spelling
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
            raise LabError(f"{run.launcher.name} was killed by {_signal(-ended)}", "start the run again", 1)
        self._look_for_dead(views)
        if all(view.status == 0 for view in views):
            self._over_s = self._over_s or now
            if ended is None and now - self._over_s > END_S:
                raise LabError(f"{run.launcher.name} does not end, although all ranks have", "start the run again")
            return ended is not None
        if ended is not None:
            self._launcher_gone(views, ended)
        if now - self._began_s > START_S and any(view.state < RUNNING for view in views):
            missing = ", ".join(str(view.rank) for view in views if view.state < RUNNING)
            raise LabError(f"after {START_S:g} s, not running yet: ranks {missing}", ADVICE)
        if now - self._asked_s > ASK_EVERY_S:
            self._asked_s = now
            for view in views:
                self._look_for_stall(view, views, now)
        return False

    def _look_for_dead(self, views: list[RankView]) -> None:
        dead = [view for view in views if view.status not in (None, 0, TOLD_TO_END)]
        if dead:
            first = min(dead, key=lambda view: view.ended_s)
            raise self._dead(first, views)

    def _dead(self, view: RankView, views: list[RankView]) -> LabError:
        path = self._run.folder / fault_file(view.rank)
        if view.status < 0:
            return self._error(view, f"was killed by {_signal(-view.status)}", views)
        if not path.exists():
            return self._error(view, f"ended with status {view.status}", views)
        raised = json.loads(path.read_text("utf-8"))
        if raised["lab"] and view.last.step < 0:  # before its first step: nothing but a wrong setting
            return LabError(raised["what"], raised["instead"], raised["status"])
        verb = "ended" if raised["lab"] else "raised"
        happened = f"{verb} ({raised['what']})"
        return self._error(view, happened, views, raised["instead"], raised["status"], raised["traceback"])

    def _launcher_gone(self, views: list[RankView], status: int) -> None:
        """The launcher ended before the ranks: it says why, or a keeper was killed."""
        silent = [view for view in views if view.status is None and view.keeper]
        if len(silent) == 1:
            said = re.search(r"signal (\d+)", self._run.said)
            happened = f"was killed by {_signal(int(said[1]))}" if said else "ended without a word"
            raise self._error(silent[0], happened, views)
        words = " ".join(line.strip(" -") for line in self._run.said.splitlines() if line.strip(" -"))
        what = f"{self._run.launcher.name} ended with status {status}" + (f": {words[-1000:]}" if words else "")
        raise LabError(what, ADVICE, 1)

    def _look_for_stall(self, view: RankView, views: list[RankView], now: float) -> None:
        """A stopped process has failed after STOPPED_S, one that sleeps in the middle of computing after STALLED_S."""
        import psutil

        if not view.pid or view.status is not None or view.state == FINISHED:
            return
        try:
            process = psutil.Process(view.pid)
            stopped, used_s = process.status() == psutil.STATUS_STOPPED, sum(process.cpu_times()[:2])
        except psutil.Error:
            return
        if not stopped:
            self._stopped_s.pop(view.rank, None)
        elif now - self._stopped_s.setdefault(view.rank, now) > STOPPED_S:
            raise self._error(
                view, f"is stopped (SIGSTOP) and has not gone on for {now - view.progress_s:.1f} s", views
            )
        before_s, seen_s = self._busy.get(view.rank, (-1.0, now))
        if used_s > before_s or view.progress_s > seen_s or view.last.doing != WORKING:
            self._busy[view.rank] = used_s, now
        elif now - seen_s > STALLED_S:
            raise self._error(view, f"has stalled: no progress and no work for {now - view.progress_s:.1f} s", views)

    def _error(self, view: RankView, happened: str, views, instead: str = "", status: int = 1, trace: str = ""):
        waiting = [found for other in views if other is not view and (found := self._waiting(other))]
        waiting.sort(key=lambda w: (w.peer != view.rank, w.rank))
        at = view.last
        spelling = self._name(view.rank, at.position)
        failure = Failure(view.rank, at.step, at.position, spelling, happened, tuple(waiting))
        return RankError(failure, instead or "start the run again", status, trace)

    def _waiting(self, view: RankView) -> Waiting | None:
        """What a rank waits for: in its main lane, else in one of the others."""
        for lane in view.lanes:
            if lane.doing == WAITING and lane.step >= 0 and view.state == RUNNING:
                name = self._name(view.rank, lane.position)
                return Waiting(view.rank, lane.step, lane.position, name, lane.peer)
        return None

    def _name(self, rank: int, position: int) -> str:
        return self._spelling(rank, position) if position >= 0 else ""


def _signal(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
