"""Writing a text file so that it appears complete or not at all."""

import os
from contextlib import suppress
from pathlib import Path

from labkit.errors import LabError


def write_whole(path: str | Path, text: str) -> Path:
    """Write `text` to a file, replacing an older one only when all of it is written; returns the file's path.

    Folders on the way are made, links followed. What is no file (/dev/stdout, a pipe) is written to as it is. Raises
    LabError where it cannot be written.
    """
    path = Path(path)
    try:
        check_writable(path)
        _write(Path(os.path.realpath(path)), text)
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        why = getattr(error, "strerror", None) or error
        raise LabError(f"cannot write {path}: {why}", "give the path of a file in a folder of yours") from None
    return path


def check_writable(path: str | Path) -> None:
    """Refuse a path that is a folder, or in a folder that may not be written to, before the work for it is done."""
    path = Path(path)
    if not path.name or path.is_dir():
        raise LabError(f"cannot write {path}: it is a folder", "give the path of a file")
    if path.parent.is_dir() and not os.access(path.parent, os.W_OK):
        raise LabError(f"cannot write {path}: its folder may not be written to", "give a file in a folder of yours")


def _write(path: Path, text: str) -> None:
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8", newline="\n")
        return
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8", newline="\n")
        os.replace(part, path)
    finally:
        with suppress(OSError):
            part.unlink()
