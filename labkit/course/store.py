"""The file behind the ledger: found, read, changed atomically, and set aside (never lost) when it is damaged.

The file is `notebooks/.labkit/ledger.json` when work happens in or just above a `notebooks` folder, else
`~/.labkit/ledger.json`; the environment variable LABKIT_LEDGER names another. A `notebooks` folder that only others may
write to (one checkout for a whole class) does not hold it either. Where nothing can be written the ledger lives in
memory for the session and says so once. While nbgrader grades it lives in memory and says nothing: the grader's own
ledger is not touched, and a line on stderr would cost the student the points of that cell.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from labkit.course.records import Ledger

LOCK_WAIT_S = 2.0
_memory: dict[Path, Ledger] = {}  # stands in for a file that cannot be written


def graded() -> bool:
    """Whether nbgrader (0.8 or newer) runs this notebook, to grade or to validate it."""
    return bool(os.environ.get("NBGRADER_EXECUTION"))


def now() -> str:
    """The time of this moment as the ledger writes it: UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def ledger_path() -> Path:
    """The ledger's file for this process (it need not exist yet)."""
    named = os.environ.get("LABKIT_LEDGER")
    if named:
        return Path(named).expanduser()
    here = Path.cwd()
    for folder in (here, here / "notebooks"):
        if folder.name == "notebooks" and folder.is_dir() and os.access(folder, os.W_OK):
            return folder / ".labkit" / "ledger.json"
    return Path.home() / ".labkit" / "ledger.json"


def load() -> Ledger:
    """The ledger as it is now; an empty one where there is none, or where the file is damaged."""
    path = ledger_path()
    if _in_memory(path):
        return _memory[path]
    try:
        return _read(path)
    except OSError as error:
        return _keep_in_memory(path, error)


def update(change: Callable[[Ledger], Ledger]) -> Ledger:
    """Read, change, write back; other notebooks that write at the same moment wait. Returns the new ledger."""
    path = ledger_path()
    if not _in_memory(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(path):
                after = change(_read(path))
                _write(path, after)
                return after
        except OSError as error:
            _keep_in_memory(path, error)
    _memory[path] = change(_memory[path])
    return _memory[path]


def _in_memory(path: Path) -> bool:
    """Whether this session keeps the ledger of `path` in memory."""
    if graded():
        _memory.setdefault(path, Ledger())
    return path in _memory


def _read(path: Path) -> Ledger:
    """The ledger in the file; a damaged file is set aside. Raises OSError where the disk says no."""
    try:
        return Ledger.from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Ledger()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return _set_aside(path, error)


def _keep_in_memory(path: Path, error: OSError) -> Ledger:
    """From now on this session's ledger is not on the disk; what the file held is read once more if it can be."""
    _say(f"the ledger {path} cannot be used ({error.strerror}); predictions are kept in memory, for this session only")
    try:
        kept = _read(path)
    except OSError:
        kept = Ledger()
    return _memory.setdefault(path, kept)


def _write(path: Path, ledger: Ledger) -> None:
    """Whole or not at all: a new file beside the old one takes its place in one step."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    draft.write_text(json.dumps(ledger.to_json(), indent=1, ensure_ascii=False), encoding="utf-8")
    os.replace(draft, path)


def _set_aside(path: Path, error: Exception) -> Ledger:
    """Move a damaged file out of the way under a name that says so; start an empty ledger."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    aside = path.with_name(f"{path.stem}.broken-{stamp}{path.suffix}")
    os.replace(path, aside)
    _say(f"the ledger {path} could not be read ({error}); it is kept as {aside.name} and a new one is started")
    return Ledger()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock file beside `path`; one that is older than the wait was left by a process that died."""
    lock = path.with_name(path.name + ".lock")
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _say(message: str) -> None:
    print(f"labkit: {message}", file=sys.stderr)
