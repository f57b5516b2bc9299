"""Starts the processes of a run on this machine under an MPI launcher, and ends them so that nothing is left.

A run has a folder (orders, board, what ranks tell, results) and, on Linux, one in shared memory for the MPI library's
own files. Both are removed when the run ends; those of launchers that were killed, by their keepers or the next run.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR

from labkit.errors import LabError
from labkit.machine.processor import SHARED_MEMORY
from labkit.run.mpi import keeper
from labkit.run.mpi import library as mpi_library
from labkit.run.mpi.board import Board, create
from labkit.run.mpi.rank_main import BOARD, ORDERS

MARK = "LABKIT_RUN"  # environment variable of every process of a run; its value is the name of the run's folder
SAID = "launcher.txt"  # what the launcher and the ranks print
_PREFIX = "labkit-run"
_PATIENCE_S = 2.0  # for the launcher to end by itself once its ranks are gone


@dataclass(frozen=True)
class Processes:
    """A run's processes. process: the launcher's. folders: to remove at the end, `folder` first."""

    ranks: int
    launcher: mpi_library.Launcher
    process: subprocess.Popen
    board: Board
    folder: Path
    folders: tuple[Path, ...]

    @property
    def said(self) -> str:
        """What was printed so far."""
        path = self.folder / SAID
        return path.read_text("utf-8", errors="replace") if path.exists() else ""


def start(function: str, arguments: dict, ranks: int, threads: int = 1) -> Processes:
    """Start `ranks` processes that each call `function` ('module:name') with a `rank_main.Seat`.

    arguments: JSON, handed to all. threads: of BLAS and such, for each rank. Whoever starts them must `end` them.
    Raises LabError for ranks < 1, on Windows, and without a launcher.
    """
    if not isinstance(ranks, int) or ranks < 1:
        raise LabError(f"{ranks!r} ranks", "give a whole number of at least 1")
    if not hasattr(os, "fork"):
        raise LabError("ranks under MPI need Linux or macOS", "run them as threads of this process (--on threads)")
    launcher = mpi_library.launcher()
    sweep()
    folders = _folders()
    try:
        orders = {"function": function, "arguments": arguments, "ranks": ranks}
        orders["shared_memory"] = [str(folder) for folder in folders[1:]]
        (folders[0] / ORDERS).write_text(json.dumps(orders), "utf-8")
        board = create(folders[0] / BOARD, ranks, os.getpid(), keeper.birth(os.getpid()) or 0)
        process = _launch(launcher, ranks, threads, folders)
    except BaseException:
        _remove(folders)
        raise
    return Processes(ranks, launcher, process, board, folders[0], folders)


def end(run: Processes) -> None:
    """Kill what still runs of a run, and remove its folders. Takes up to a few seconds; may be called once."""
    run.board.close_run()
    for rank in range(run.ranks):
        view = run.board.look(rank)
        if view.pid and view.status is None:
            _kill(view.pid)
    if not _ended(run.process, _PATIENCE_S):
        run.process.terminate()
        if not _ended(run.process, 1.0):
            with suppress(ProcessLookupError):
                os.killpg(run.process.pid, signal.SIGKILL)
            run.process.wait()
    if run.process.returncode:
        for pid in left_over(run.folder.name):
            _kill(pid)
    run.board.close()
    _remove(run.folders)


def left_over(mark: str) -> list[int]:
    """Processes that carry a run's mark in their environment."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def sweep() -> None:
    """Remove this user's folders of runs whose launcher was killed together with all its ranks."""
    for place in (Path(tempfile.gettempdir()), SHARED_MEMORY):
        for folder in place.glob(f"{_PREFIX}-*-*-*"):
            pid, born = folder.name.removeprefix(f"{_PREFIX}-").split("-")[:2]
            gone = pid.isdigit() and born.isdigit() and not keeper.alive(int(pid), int(born))
            if gone and _is_mine(folder):
                keeper.clean([folder])


def _is_mine(folder: Path) -> bool:
    """Whether it is a folder of this user's own: in places that all may write to, nobody else's word counts."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _folders() -> tuple[Path, ...]:
    prefix = f"{_PREFIX}-{os.getpid()}-{keeper.birth(os.getpid()) or 0}-"
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    if not (SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK)):
        return (folder,)
    shared = SHARED_MEMORY / folder.name
    shared.mkdir(mode=0o700)
    return folder, shared


def _launch(launcher: mpi_library.Launcher, ranks: int, threads: int, folders: tuple[Path, ...]) -> subprocess.Popen:
    program = [sys.executable, "-m", "labkit.run.mpi.rank_main", str(folders[0])]
    environment = launcher.environment(ranks, threads, folders[0], folders[1] if len(folders) > 1 else None)
    with (folders[0] / SAID).open("wb") as said:
        return subprocess.Popen(
            launcher.command(ranks, program),
            env=environment | {MARK: folders[0].name},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C in the terminal is for us, and we end the ranks
        )


def _ended(process: subprocess.Popen, patience_s: float) -> bool:
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def _remove(folders: tuple[Path, ...]) -> None:
    keeper.clean(folders)
    for _ in range(20):  # a process that is being killed may still write
        if not any(folder.exists() for folder in folders):
            break
        time.sleep(0.05)
        keeper.clean(folders)
