"""Writing a text file so that it appears complete or not at all."""

import os
from contextlib import suppress
from pathlib import Path

from labkit.errors import LabError


def write_whole(path: str | Path, text: str) -> Path:
    """Write `text` to a file, replacing an older one only when all of it is written; returns the file's path.

    Folders on the way are made. Raises LabError where it cannot be written.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part") if path.name else path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8", newline="\n")
        os.replace(part, path)
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise LabError(f"cannot write {path}: {error}", "give the path of a file in a folder of yours") from None
    finally:
        with suppress(OSError, ValueError):
            if part != path:
                part.unlink()
    return path
