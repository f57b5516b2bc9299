"""The results file of `partition.py`: one JSON document, on disk again whenever a case has ended.

Runs that measure different parts may write to one file, one after the other or at the same time: each adds its own
parts and leaves the rest as it stands. A part that is measured again takes the place of the one that is there.

    {"format": "labkit-partition", "version": 1, "origin", "machine", "date", "versions", "load_average",
     "quick": false, "complete": true, "remarks": ["weights: ...", ...],
     "parts": {"coarse": {"seconds": 431.2, "complete": true, "errors": [], "columns": ["parts", "volume", ...],
                          "rows": [[2, 26.2], ...]}}}

The file is complete when all its parts are. A part keeps the rows that it had when it failed or its time was up;
`errors` says why. In rows, `remarks` are places in the list of remarks. Numbers have six significant digits.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from labkit.errors import LabError

FORMAT, VERSION = "labkit-partition", 1
DIGITS = 6
SAME = ("format", "version", "origin", "versions", "quick")  # what runs that share a file must have in common
LOCK_S = 10.0  # writing takes milliseconds: a lock that is there for longer was left by a run that was ended


class Document:
    """The file as it grows. header: what stands before the parts.

    Raises LabError if the file is there already and was made on another machine or with other versions.
    """

    def __init__(self, path: Path, header: dict):
        self.path = path
        self.header = {"format": FORMAT, "version": VERSION, **header}
        self.parts: dict[str, dict] = {}
        self.save()

    def add(self, part: str, rows: list[dict], seconds: float, error: str | None) -> None:
        """More rows of a part, the seconds that they took, and why there are no more of them."""
        kept = self.parts.setdefault(part, {"seconds": 0.0, "complete": False, "errors": [], "rows": []})
        kept["seconds"] += seconds
        kept["rows"] += rows
        kept["errors"] += [error] if error else []
        self.save()

    def end(self) -> None:
        """Say that every part of this run was tried."""
        for part in self.parts.values():
            part["complete"] = True
        self.save()

    def save(self) -> None:
        """Write beside the old file, with the parts that others have put there, and put it in its place."""
        remarks: list[str] = []
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self.path):
            together = self._others() | self.parts
            parts = {name: _table(part, remarks) for name, part in together.items()}
            complete = bool(parts) and all(part["complete"] for part in parts.values())
            document = self.header | {"complete": complete, "remarks": remarks, "parts": parts}
            beside = self.path.with_suffix(".part")
            beside.write_text(_text(document), encoding="utf-8")
            os.replace(beside, self.path)

    def _others(self) -> dict[str, dict]:
        """The parts that are in the file, if there is one."""
        if not self.path.exists():
            return {}
        there = read(self.path)
        for key in SAME:
            if there.get(key) != self.header[key]:
                what = f"{self.path} has {key} {there.get(key)!r}, this run {self.header[key]!r}"
                raise LabError(what, "move that file away, or give another folder with --out")
        return there["parts"]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Only one process at a time reads and writes the file."""
    lock, until = path.with_suffix(".lock"), monotonic() + LOCK_S
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            if monotonic() > until:
                lock.unlink(missing_ok=True)
            sleep(0.02)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def read(path: Path) -> dict:
    """The document with the rows of every part as dictionaries, their remarks spelled out."""
    return unpacked(json.loads(path.read_text(encoding="utf-8")))


def unpacked(document: dict) -> dict:
    """The same for a document that is loaded already."""
    parts = {}
    for name, part in document["parts"].items():
        rows = [dict(zip(part["columns"], row, strict=True)) for row in part["rows"]]
        for row in rows:
            if row.get("remarks") is not None:
                row["remarks"] = [document["remarks"][place] for place in row["remarks"]]
        parts[name] = part | {"rows": rows}
    return document | {"parts": parts}


def _table(part: dict, remarks: list[str]) -> dict:
    columns = list(dict.fromkeys(key for row in part["rows"] for key in row))
    rows = [[_cell(row.get(column), column, remarks) for column in columns] for row in part["rows"]]
    done = {"seconds": round(part["seconds"], 1), "complete": part["complete"], "errors": part["errors"]}
    return done | {"columns": columns, "rows": rows}


def _cell(value: object, column: str, remarks: list[str]) -> object:
    if column == "remarks" and value is not None:
        remarks += [text for text in value if text not in remarks]
        return [remarks.index(text) for text in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _text(document: dict) -> str:
    """JSON with one line per row, so that two files can be compared by eye."""
    empty = {name: part | {"rows": f"rows of {name}"} for name, part in document["parts"].items()}
    text = json.dumps(document | {"parts": empty}, indent=1, allow_nan=False)
    for name, part in document["parts"].items():
        lines = ",\n    ".join(json.dumps(row, allow_nan=False) for row in part["rows"])
        text = text.replace(json.dumps(f"rows of {name}"), f"[\n    {lines}]" if lines else "[]")
    return text + "\n"
