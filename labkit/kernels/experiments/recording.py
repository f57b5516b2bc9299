"""Recordings: what `benchmarks/gpu.py` measured on a real GPU, read back on machines without one.

A recording is one JSON document, benchmarks/results/<gpu>-<date>.json:

    {"format": "labkit-gpu-recording", "version": 1, "date": "2026-11-21",
     "machine": {...}, "gpu": {...}, "versions": {...}, "complete": true,
     "parts": {"batch_sweep": {"ok": true, "seconds": 31.5, "error": null,
                               "columns": ["network", "mapping", "batch", ...],
                               "rows": [["lenet5", "data", 1, ...], ...]}, ...}}

A part that failed keeps its error and the rows it had; `complete` is false until all parts were tried. Rows that are
read back carry the origin `recorded on <gpu>`.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit.errors import LabError, suggest
from labkit.machine.lab import checkout
from labkit.machine.origin import recorded_on

FORMAT, VERSION = "labkit-gpu-recording", 1
LARGEST_BYTES = 10**6
DIGITS = 4  # significant ones of a stored number: more than any timing deserves, and half the size

Row = dict[str, Any]


@dataclass(frozen=True)
class Recording:
    """One recording. `name` is its file's, without .json; `gpu` the name of the GPU; parts: name -> part as stored."""

    name: str
    gpu: str
    date: str
    document: dict = field(repr=False)

    @property
    def origin(self) -> str:
        """What its figures carry."""
        return recorded_on(self.gpu)

    @property
    def parts(self) -> list[str]:
        """Parts that have rows, in the order in which they were measured."""
        return [name for name, part in self.document["parts"].items() if part["rows"]]

    def rows(self, part: str) -> list[Row]:
        """The rows of one part, each with its origin. LabError for a part that is not there, or has failed."""
        stored = self.document["parts"].get(part)
        if stored is None:
            raise LabError(f"recording {self.name} has no part {part!r}", suggest(part, self.parts))
        if not stored["rows"]:
            raise LabError(
                f"part {part!r} of recording {self.name} has no rows: {stored['error']}",
                f"take another: {', '.join(self.parts)}" if self.parts else "take another recording",
            )
        return [dict(zip(stored["columns"], row, strict=True)) | {"origin": self.origin} for row in stored["rows"]]


def recordings(folder: Path | None = None) -> list[Recording]:
    """Every recording in `folder` (default: benchmarks/results of the checkout), the newest first; [] without any."""
    try:
        folder = folder or checkout() / "benchmarks" / "results"
    except LabError:
        return []  # installed without its checkout
    found = [read(path) for path in sorted(folder.glob("*.json")) if FORMAT in path.read_text(encoding="utf-8")[:200]]
    return sorted(found, key=lambda recording: recording.date, reverse=True)


def find(name: str | None = None, folder: Path | None = None) -> Recording:
    """The recording called `name`: its own name, or the beginning of it ('h200'); without a name the newest.

    Raises LabError where there is none.
    """
    known = recordings(folder)
    if not known:
        raise LabError("there is no recording of a GPU here", "make one on a GPU: python benchmarks/gpu.py")
    for recording in known:
        if name is None or recording.name.startswith(name.lower()):
            return recording
    raise LabError(f"unknown recording {name!r}", suggest(name, [r.name for r in known]))


def recorded(part: str, name: str | None = None) -> list[Row]:
    """The rows of one part of the recording called `name` (the newest without a name), such as 'batch_sweep'."""
    return find(name).rows(part)


def read(path: Path) -> Recording:
    """The recording in one file; LabError where it is none, or is of a version that this labkit cannot read."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LabError(f"{path} cannot be read: {error}", "get it back: git checkout -- benchmarks/results") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise LabError(f"{path} is not a recording of a GPU", "make one on a GPU: python benchmarks/gpu.py")
    if document.get("version") != VERSION:
        what = f"{path} is a recording of version {document.get('version')}, this labkit reads {VERSION}"
        raise LabError(what, "update labkit, or record again")
    return Recording(Path(path).stem, document["gpu"]["name"], document["date"], document)


class Writer:
    """A recording as it grows: every part is on disk as soon as it is there."""

    def __init__(self, path: Path, header: dict):
        self.path = Path(path)
        self.document = {"format": FORMAT, "version": VERSION, **header, "complete": False, "parts": {}}
        self.save()

    def add(self, part: str, rows: Iterable[Row], seconds: float, error: str | None = None) -> None:
        """Keep the rows of one part, and why it ended early if it did; replaces what it had before."""
        rows = list(rows)
        columns = list(dict.fromkeys(key for row in rows for key in row if key != "origin"))
        self.document["parts"][part] = {
            "ok": error is None,
            "seconds": round(seconds, 2),
            "error": error,
            "columns": columns,
            "rows": [[_short(row.get(column)) for column in columns] for row in rows],
        }
        self.save()

    def end(self) -> None:
        """Say that every part was tried."""
        self.document["complete"] = True
        self.save()

    def save(self) -> None:
        """Write the document beside the old one and put it in its place. LabError where it has grown too large."""
        text = _text(self.document)
        if len(text) > LARGEST_BYTES:
            what = f"the recording has grown to {len(text):,} bytes, {LARGEST_BYTES:,} are allowed"
            raise LabError(what, "record fewer rows")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".part")
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, self.path)


def _text(document: dict) -> str:
    """JSON with one line per row, so that a difference between two recordings can be read."""
    parts = {name: part | {"rows": None} for name, part in document["parts"].items()}
    text = json.dumps(document | {"parts": parts}, indent=1, default=str, allow_nan=False)
    for part in document["parts"].values():
        rows = ",\n    ".join(json.dumps(row, separators=(",", ":"), default=str) for row in part["rows"])
        text = text.replace('"rows": null', f'"rows": [{rows}]', 1)
    return text + "\n"


def _short(value: Any) -> Any:
    """A number with DIGITS significant digits; NumPy's as Python's; not-a-number as None."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if value - value == 0 else None
    return list(value) if isinstance(value, tuple) else value
