"""Ownership as people write it: "0-31,40,42-50" for part 0, and so on; and arrays made of such texts.

A random fine-grain plan of VGG16 has over a million runs of neighbouring tasks with one owner, so texts are collected
first (`Runs`) and laid out in one array afterwards, where a task with two owners is found without spreading it out.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from labkit.errors import LabError
from labkit.partition.tasks import NOBODY

_NUMBER = r" *[0-9]{1,9} *"
_RANGES = re.compile(rf"{_NUMBER}(?:-{_NUMBER})?(?:,{_NUMBER}(?:-{_NUMBER})?)*")


def spell(owner: np.ndarray) -> dict[str, str]:
    """What each owner has, in ranges: [0, 0, 0, 2, 0] is {"0": "0-2,4", "2": "3"}. What NOBODY has is left out."""
    if not len(owner):
        return {}
    starts = np.concatenate(([0], np.flatnonzero(np.diff(owner)) + 1))
    lasts = np.append(starts[1:], len(owner)) - 1
    found: dict[int, list[str]] = {}
    for part, first, last in zip(owner[starts].tolist(), starts.tolist(), lasts.tolist(), strict=True):
        if part != NOBODY:
            found.setdefault(part, []).append(f"{first}-{last}" if last > first else str(first))
    return {str(part): ",".join(found[part]) for part in sorted(found)}


def spell_numbers(numbers: np.ndarray) -> str:
    """Rising numbers from 0 up in ranges: [0, 1, 2, 8] is "0-2,8"."""
    owner = np.full(int(numbers[-1]) + 1, NOBODY)
    owner[numbers] = 0
    return spell(owner)["0"]


@dataclass
class Runs:
    """Ranges read so far, of numbers below `size`: in row row[i], owner[i] has first[i] to last[i].

    what: how an error calls one number ('filter', 'channel'). where: how it calls what is being read.
    """

    size: int
    what: str
    where: str
    row: list[int] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    last: list[int] = field(default_factory=list)

    def add(self, row: int, owner: int, text: object) -> None:
        """Read ranges such as "0-31,40". Raises LabError for other text, and for numbers that do not exist."""
        if not isinstance(text, str) or not _RANGES.fullmatch(text):
            raise LabError(
                f"{self.where} has {self.what}s {_short(text)}",
                'give numbers and ranges in a string, such as "0-31,40"',
            )
        pieces = text.split(",")
        firsts = [int(piece.partition("-")[0]) for piece in pieces]
        lasts = [int(piece.rpartition("-")[2]) for piece in pieces]
        for first, last in zip(firsts, lasts, strict=True):
            if not first <= last < self.size:
                wrong = f"{self.what}s {first}-{last}" if first != last else f"{self.what} {first}"
                raise LabError(f"{self.where} has {wrong}", f"use rising ranges of the numbers 0 to {self.size - 1}")
        self.first += firsts
        self.last += lasts
        self.owner += [owner] * len(pieces)
        self.row += [row] * len(pieces)

    def table(self, rows: int, twice: Callable[[int, int, int, int], LabError]) -> np.ndarray:
        """Owner of each number of each row, NOBODY where no range has it: int64 [rows, size].

        twice: function (row, number, one owner, the other) -> the error to raise where ranges overlap.
        """
        row, owner, first, last = (np.array(a, np.int64) for a in (self.row, self.owner, self.first, self.last))
        order = np.argsort(row * self.size + first, kind="stable")
        row, owner, first, last = (a[order] for a in (row, owner, first, last))
        clash = np.flatnonzero((row[1:] == row[:-1]) & (first[1:] <= last[:-1]))
        if len(clash):
            i = clash[0]
            raise twice(int(row[i]), int(first[i + 1]), *sorted((int(owner[i]), int(owner[i + 1]))))
        found = np.full(rows * self.size, NOBODY, np.int64)
        lengths = last - first + 1
        begins = np.repeat(row * self.size + first - np.cumsum(lengths) + lengths, lengths)
        found[begins + np.arange(len(begins))] = np.repeat(owner, lengths)
        return found.reshape(rows, self.size)


def _short(value: object) -> str:
    """`value` as an error quotes it: at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
