"""Partition vectors: the part of each vertex, as PaToH (with blanks) and hMETIS (one per line) write them.

Parts are numbered from 0, vertices are in the order of the hypergraph's file.
"""

from pathlib import Path

import numpy as np

from labkit.partition.files import write_whole
from labkit.partition.formats.scan import Numbers, read_bytes, scan
from labkit.partition.plan import MOST_PARTS


def read(path: str | Path, vertices: int | None = None, parts: int | None = None) -> np.ndarray:
    """The part of each vertex in a file: int64 [vertices].

    vertices: how many there must be; None for as many as there are. parts: how many parts there are; None for up to
    32767. Raises LabError for a missing file and for anything wrong in it: line, column, what was found and expected.
    """
    return _read(scan(read_bytes(path, "a partition vector"), str(path)), vertices, parts)


def read_text(text: str, vertices: int | None = None, parts: int | None = None) -> np.ndarray:
    """As `read`, from the file's text."""
    return _read(scan(text.encode("utf-8", "replace"), "the text"), vertices, parts)


def _read(numbers: Numbers, vertices: int | None, parts: int | None) -> np.ndarray:
    most = (MOST_PARTS if parts is None else parts) - 1
    wrong = np.flatnonzero(numbers.values > most)
    if len(wrong):
        raise numbers.wrong(int(wrong[0]), f"a part from 0 to {most}")
    found = len(numbers.values)
    if vertices is not None and found > vertices:
        raise numbers.wrong(vertices, f"the end of the file after {vertices} part numbers, {found} came")
    if vertices is not None and found < vertices:
        raise numbers.ends(numbers.rows, f"{vertices} part numbers, one per vertex; {found} came")
    return numbers.values


def write(part: np.ndarray, path: str | Path) -> Path:
    """Write the part of each vertex, one per line; returns the file's path. Raises LabError where it cannot."""
    return write_whole(path, write_text(part))


def write_text(part: np.ndarray) -> str:
    """The file's text."""
    return "".join(f"{p}\n" for p in np.asarray(part).tolist())
