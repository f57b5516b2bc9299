"""The results file of `partition.py`: one JSON document, on disk again whenever a case has ended.

    {"format": "labkit-partition", "version": 1, "origin", "machine", "date", "versions", "load_average",
     "quick": false, "complete": true, "remarks": ["weights: ...", ...],
     "parts": {"coarse": {"seconds": 431.2, "errors": [], "columns": ["parts", "volume", ...], "rows": [[2, 26.2]]}}}

A part keeps the rows that it had when it failed or its time was up; `errors` says why. In rows, `remarks` are places in
the list of remarks. Numbers have six significant digits.
"""

import json
import os
from pathlib import Path

FORMAT, VERSION = "labkit-partition", 1
DIGITS = 6


class Document:
    """The file as it grows. header: what stands before the parts."""

    def __init__(self, path: Path, header: dict):
        self.path = path
        self.header = {"format": FORMAT, "version": VERSION, **header}
        self.complete = False
        self.parts: dict[str, dict] = {}
        self.save()

    def add(self, part: str, rows: list[dict], seconds: float, error: str | None) -> None:
        """More rows of a part, the seconds that they took, and why there are no more of them."""
        kept = self.parts.setdefault(part, {"seconds": 0.0, "errors": [], "rows": []})
        kept["seconds"] += seconds
        kept["rows"] += rows
        kept["errors"] += [error] if error else []
        self.save()

    def end(self) -> None:
        """Say that every part was tried."""
        self.complete = True
        self.save()

    def save(self) -> None:
        """Write beside the old file and put it in its place."""
        remarks: list[str] = []
        parts = {name: _table(part, remarks) for name, part in self.parts.items()}
        document = self.header | {"complete": self.complete, "remarks": remarks, "parts": parts}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".part")
        beside.write_text(_text(document), encoding="utf-8")
        os.replace(beside, self.path)


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
    return {"seconds": round(part["seconds"], 1), "errors": part["errors"], "columns": columns, "rows": rows}


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
