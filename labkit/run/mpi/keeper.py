"""The process that looks after a rank: it starts the rank's own process, sees how that ends and says so on the board.

The launcher (mpiexec) starts keepers, each of which divides in two before anything large is loaded. So it is known by
which signal a rank died, although the rank is no child of ours; the other ranks are not ended before it is known what
they were doing; and when the process that started the run is gone, however it went, the keepers end the ranks, even
stopped ones, and remove the run's files. A keeper that is killed takes its rank with it (Linux).
"""

import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from labkit.machine.processor import SHARED_MEMORY
from labkit.run.mpi.board import Board

TOLD_TO_END = 1000  # status of a rank whose keeper was told to end it, usually because another rank is gone
LOOK_EVERY_S = 0.2
LINGER_S = 3.0  # the run is ended by who watches it; without a watcher's word, by leaving
_PR_SET_PDEATHSIG = 1
_SHARED, _NOTED = f" {SHARED_MEMORY}/", "shared-memory-"


def divide() -> int:
    """Fork. In the rank's own process: 0, and it will not outlive its keeper. In the keeper: the rank's process id."""
    keeper = os.getpid()
    pid = os.fork()
    if pid == 0:
        _end_with_parent()
        if os.getppid() != keeper:
            os._exit(1)
    return pid


def look_after(pid: int, board: Board, rank: int, remove: Sequence[Path]) -> int:
    """Wait for the rank's process; returns the keeper's own exit status: 0 if the rank ended well.

    remove: the run's folders, to remove if the process that started the run is gone.
    """
    row = board.rows[rank]
    row.process(pid, os.getpid())
    parent, told = os.getppid(), _listen()
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            status = os.waitstatus_to_exitcode(status)
            row.ended(status)
            return 0 if status == 0 else _linger(board)
        orphan = not alive(*board.launcher)
        if orphan or board.closing or os.getppid() != parent or signal.SIGTERM in told():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            row.ended(TOLD_TO_END)
            if orphan:
                clean(remove)
            return 1


def note_shared_memory(folder: Path, rank: int) -> None:
    """Write down which files in shared memory this process has mapped: some MPI libraries leave theirs when killed."""
    maps = Path("/proc/self/maps")
    if maps.exists():
        found = {line.split(maxsplit=5)[5] for line in maps.read_text("utf-8").splitlines() if _SHARED in line}
        (folder / f"{_NOTED}{rank}").write_text("\n".join(sorted(found)), "utf-8")


def clean(folders: Sequence[Path]) -> None:
    """Remove a run's folders, the first of which says what else there is to remove from shared memory."""
    for note in folders[0].glob(f"{_NOTED}*"):
        with suppress(OSError):
            for path in map(Path, note.read_text("utf-8").splitlines()):
                if SHARED_MEMORY in path.parents and ".." not in path.parts:  # whatever else a note may say
                    path.unlink(missing_ok=True)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def alive(pid: int, born: int) -> bool:
    """Whether the process is still there, and is the same one; a dead one that nobody has asked about is not."""
    now = birth(pid)
    if now is not None:
        return now == born
    if sys.platform == "linux":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def birth(pid: int) -> int | None:
    """When a process was born, in ticks of the system's clock; None where it is gone, or the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _listen():
    """Take note of signals; returns a function that waits a little and gives those that have come."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writer)

    def told() -> bytes:
        ready, _, _ = select.select([reader], [], [], LOOK_EVERY_S)
        return os.read(reader, 64) if ready else b""

    return told


def _linger(board: Board) -> int:
    """Stay until the watcher has seen how it ended: leaving makes the MPI launcher end all others."""
    deadline = time.monotonic() + LINGER_S
    while not board.closing and time.monotonic() < deadline and alive(*board.launcher):
        time.sleep(0.02)
    return 1


def _end_with_parent() -> None:
    """Have the system kill this process when its parent's is gone (Linux; elsewhere nothing happens)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
