"""Files that appear complete or not at all, so that a crash or a full disk leaves what was there; documents as JSON."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from psutil import pid_exists

from labkit.errors import LabError


def appear(path: Path, save: Callable[[Path], object]) -> Path:
    """Have `save(part)` write a file beside `path`, force it to the disk, and only then give it its name.

    Whatever happens in between, `path` is either as it was or complete. Returns `path`. Raises LabError where it cannot
    be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        save(part)
        _to_disk(part)
        os.replace(part, path)
        _to_disk(path.parent)
    except OSError as error:
        raise LabError(f"cannot write {path}: {error}", "free some space or choose another folder") from None
    finally:
        with suppress(OSError):
            part.unlink()
    return path


def write_json(document: dict, path: str | Path) -> None:
    """Write a document to a file, indented."""
    Path(path).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_json(path: str | Path, what: str, instead: str) -> object:
    """Read it back. Raises LabError saying that `what` (with the path after it) cannot be read, and `instead`."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise LabError(f"{what} {str(path)!r} cannot be read: {error}", instead) from None


def _sweep(path: Path) -> None:
    """Remove what processes that died while writing this file have left behind."""
    for part in path.parent.glob(f".{path.name}.*.part"):
        number = part.suffixes[-2][1:]
        if number.isdigit() and not pid_exists(int(number)):
            part.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    """Have the operating system write a file, or the entries of a folder, to the disk now."""
    if path.is_dir() and os.name == "nt":  # Windows flushes no folders
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
