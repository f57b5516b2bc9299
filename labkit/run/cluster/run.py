"""Runs on the warm ranks of a cluster, which begin at once: nothing is started, loaded or connected any more.

The ranks do what they would do as processes of their own (`run.mpi.rank_main`): a board shows where each of them is,
and the same watch (`run.mpi.watch`) ends the call when one is killed, stops, stalls or raises. What is different: the
ranks remain, and a cluster of which one is gone or does not come back counts as broken.
"""

import json
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labkit.errors import LabError
from labkit.run import cluster
from labkit.run.cluster import start as cluster_start
from labkit.run.cluster.processes import alive
from labkit.run.cluster.record import Engine
from labkit.run.job import Job
from labkit.run.mpi import keeper
from labkit.run.mpi.board import Board, create
from labkit.run.mpi.rank_main import BOARD, ORDERS
from labkit.run.result import RunResult
from labkit.schedule import Schedule

STOP_S = 5.0  # for the ranks to end their step after a Ctrl-C or an exception here
CLOSE_S = 0.7  # for ranks that wait to notice that the run is over
WORD_S = 1.5  # for the launcher to say which rank died by which signal
UNKNOWN = 1  # status of a rank of whose end nothing is known


@dataclass(frozen=True)
class Named:
    """What runs the ranks, by name."""

    name: str


class WarmRun:
    """One call of all ranks, in the form that `launch.follow` and `watch` of run.mpi take; see `Processes`."""

    launcher = Named("the cluster")

    def __init__(self, engines: tuple[Engine, ...], here: Path, folder: Path, board: Board, pending: dict):
        self.ranks, self.engines, self.folder, self.board = len(engines), engines, folder, board
        self.process = self  # it is polled
        self._here, self._pending = here, pending
        self._seen_dead: dict[int, float] = {}

    @property
    def said(self) -> str:
        """What the MPI launcher and the engines have printed."""
        return cluster_start.said(self._here)

    @property
    def answered(self) -> bool:
        """Whether all engines have done, or failed at, what they were asked."""
        return all(answer.ready() for answer in self._pending.values())

    @property
    def whole(self) -> bool:
        """Whether every engine is there and has nothing to do."""
        return self.answered and all(alive((e.pid, e.born)) for e in self.engines)

    def poll(self) -> int | None:
        """0 when all ranks have ended; None before. Ranks that are gone are noted on the board, the first one first."""
        gone = [e for e in self.engines if self.board.look(e.rank).status is None and not alive((e.pid, e.born))]
        for engine in gone:
            self._seen_dead.setdefault(engine.rank, time.monotonic())
        if gone:
            self._note_death()
        return 0 if self.answered and not gone else None

    def _note_death(self) -> None:
        """Which rank died first, and how: the launcher's word if it comes in time, else as it was seen here."""
        first, since = min(self._seen_dead.items(), key=lambda item: item[1])
        told = re.findall(r"process rank (\d+) [^-]*?exited on\s+signal (\d+)", self.said)
        if told:
            rank, signal = map(int, told[-1])
            self.board.rows[rank].ended(-signal)
        elif time.monotonic() - since > WORD_S:
            self.board.rows[first].ended(UNKNOWN)


def run_on_cluster(schedule: Schedule, job: Job, **how) -> RunResult:
    """Run `schedule` on the cluster that is up, which must have as many ranks; how: as for `mpi.run.run_on_mpi`.

    Raises as that does. Where a rank is gone then, or does not come back within seconds, the cluster is marked broken;
    after any other failure, such as a loss that is no number, it can be used again.
    """
    from labkit.run.mpi.run import run_on_mpi

    return run_on_mpi(schedule, job, warm=True, **how)


def call_on_cluster(function: str, arguments: dict, timeout_s: float = 60.0) -> list[list[tuple[str, object]]]:
    """Call `function` ('module:name') with a `rank_main.Seat` on every rank of the cluster; what each told its stream.

    arguments: JSON for all ranks. Raises LabError where no sound cluster is up, RankError where a rank fails, LabError
    after `timeout_s`; as for `run_on_cluster` about what the cluster is then.
    """
    from labkit.run.mpi.launch import follow

    with warm(function, arguments) as run:
        told: list[list[tuple[str, object]]] = [[] for _ in range(run.ranks)]
        follow(run, lambda rank, _: function, lambda rank, *line: told[rank].append(line), timeout_s=timeout_s)
    return told


@contextmanager
def warm(function: str, arguments: dict, ranks: int | None = None) -> Iterator[WarmRun]:
    """The ranks of the cluster that is up, all calling `function`, within a `with` block.

    ranks: how many there must be (None: whatever there are).
    """
    engines = _engines(ranks)
    here = cluster.folder()
    connected = cluster.connect(here)
    folder = Path(tempfile.mkdtemp(prefix=f"labkit-run-{os.getpid()}-{keeper.birth(os.getpid()) or 0}-"))
    board = create(folder / BOARD, len(engines), os.getpid(), keeper.birth(os.getpid()) or 0)
    orders = {"function": function, "arguments": arguments, "ranks": len(engines)}
    (folder / ORDERS).write_text(json.dumps(orders), "utf-8")
    try:
        run = WarmRun(engines, here, folder, board, cluster_start.send(connected, "run", str(folder)))
        try:
            yield run
        except BaseException as error:
            _after(run, error)
            raise
    finally:
        board.close()
        shutil.rmtree(folder, ignore_errors=True)
        connected.close()


def _engines(ranks: int | None) -> tuple[Engine, ...]:
    """The engines of a sound cluster of so many ranks on this machine; LabError with what to type otherwise."""
    found = cluster.status()
    if not found.up:
        raise LabError(found.what, cluster.DOWN if found.broken else f"type: labkit cluster up --ranks {ranks or 2}")
    if ranks not in (None, found.ranks):
        what = f"{found.what}, and the schedule is for {ranks}"
        raise LabError(what, f"type: labkit cluster down; labkit cluster up --ranks {ranks}")
    away = sorted({e.host for e in found.engines} - {socket.gethostname()})
    if away:
        what = f"ranks of the cluster are on other machines ({', '.join(away)}), where they cannot be watched from here"
        raise LabError(what, "type there: srun labkit run ..., or use %%px cells")
    return found.engines


def _after(run: WarmRun, error: BaseException) -> None:
    """See that the ranks end, and mark the cluster broken where one does not, or is gone.

    Where nothing is wrong with the ranks (a Ctrl-C, an exception of a callback) they may end their step first.
    """
    if not isinstance(error, LabError):
        run.board.stop()
        _await_answers(run, STOP_S)
    run.board.close_run()
    _await_answers(run, CLOSE_S)
    if not run.whole:
        reason = getattr(error, "what", str(error)) or type(error).__name__
        cluster.mark_broken(f"in its last run {reason}")


def _await_answers(run: WarmRun, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not run.answered and time.monotonic() < deadline:
        time.sleep(0.02)
