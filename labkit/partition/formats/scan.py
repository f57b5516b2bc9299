"""Files of whole numbers, read fast, with the line and column of each number for when one of them is wrong."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labkit.errors import LabError

MOST_DIGITS = 15  # so that sums of thousands fit into 64 bits, and every number is exact in float64
BLANK, DIGIT, OTHER = 0, 1, 2
_KIND = np.full(256, OTHER, np.uint8)
_KIND[list(b" \t\r\n")] = BLANK
_KIND[list(b"0123456789")] = DIGIT
_COMMENT = re.compile(rb"^[ \t]*%[^\n]*", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class Numbers:
    """The numbers of a file, row by row; a row is a line that is no comment.

    name: the file's, for errors. text: its bytes. values: int64 [numbers]. places: int64 [numbers], the byte at which
    each begins. starts: int64 [rows + 1]; row i is values[starts[i]:starts[i + 1]]. lines: int64 [rows], the line of
    each row, from 0. Blank lines at the end are no rows.
    """

    name: str
    text: bytes
    values: np.ndarray
    places: np.ndarray
    starts: np.ndarray
    lines: np.ndarray

    @property
    def rows(self) -> int:
        return len(self.lines)

    @property
    def sizes(self) -> np.ndarray:
        """Numbers in each row: int64 [rows]."""
        return np.diff(self.starts)

    def wrong(self, number: int, expected: str) -> LabError:
        """The error for number `number` of the file, counted from 0; past the last it is the end of the file."""
        if number >= len(self.values):
            return self.ends(self.rows, expected)
        return _error(self.name, self.text, int(self.places[number]), str(self.values[number]), expected)

    def ends(self, row: int, expected: str) -> LabError:
        """The error where row `row` ends too early, or the file before it."""
        if row >= self.rows:
            return _error(self.name, self.text, len(self.text), "the end of the file", expected)
        begin = 0
        for _ in range(int(self.lines[row])):
            begin = self.text.index(b"\n", begin) + 1
        line = self.text[begin:].split(b"\n", 1)[0].rstrip(b"\r")
        return _error(self.name, self.text, begin + len(line), "the end of the line", expected)


def read_bytes(path: str | Path, what: str) -> bytes:
    """The content of a file; raises LabError where there is none. what: what the file should be, for errors."""
    try:
        return Path(path).read_bytes().removeprefix(b"\xef\xbb\xbf")  # Windows' editors put a mark before the text
    except FileNotFoundError:
        raise LabError(f"no such file: {path}", f"give the path of {what}") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise LabError(f"cannot read {path}: {error}", f"give the path of {what}") from None


def scan(text: bytes, name: str) -> Numbers:
    """The numbers in `text`; lines that begin with % are comments. name: of the file, for errors.

    Raises LabError at the first word that is no whole number from 0 to 10^15 - 1.
    """
    comments = [m.span() for m in _COMMENT.finditer(text)] if b"%" in text else []
    bare = bytearray(text)
    for begin, end in comments:
        bare[begin:end] = b" " * (end - begin)
    kind = _KIND[np.frombuffer(bare, np.uint8)]
    edges = np.diff(np.concatenate(([BLANK], np.minimum(kind, DIGIT), [BLANK])).astype(np.int8))
    places, lasts = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0) - 1
    _check_words(text, name, kind, places, lasts)
    values = np.zeros(len(places), np.int64)
    data, lengths = np.frombuffer(text, np.uint8), lasts - places + 1
    for back in range(int(lengths.max(initial=0))):
        long = lengths > back
        values[long] += (data[lasts[long] - back] - ord("0")).astype(np.int64) * 10**back
    begins = np.concatenate(([0], np.flatnonzero(data == ord("\n")) + 1))  # of every line
    kept = np.ones(len(begins), bool)
    kept[np.searchsorted(begins, [begin for begin, _ in comments], side="right") - 1] = False
    kept[np.searchsorted(begins, places[-1], side="right") if len(places) else 0 :] = False
    lines = np.flatnonzero(kept)
    starts = np.append(np.searchsorted(places, begins[lines]), len(places))
    return Numbers(name, text, values, places, starts, lines)


def _check_words(text: bytes, name: str, kind: np.ndarray, places: np.ndarray, lasts: np.ndarray) -> None:
    """Refuse the first word with other characters than digits, or with too many of them."""
    other = np.flatnonzero(kind == OTHER)[:1]
    long = np.flatnonzero(lasts - places >= MOST_DIGITS)[:1]
    bad = [np.searchsorted(places, other, side="right") - 1, long]
    words = np.concatenate(bad)
    if not len(words):
        return
    first = int(words.min())
    begin, end = int(places[first]), int(lasts[first]) + 1
    word = text[begin : min(end, begin + 40)].decode("utf-8", "replace") + ("..." if end - begin > 40 else "")
    if re.fullmatch(rb"-[0-9]+", text[begin:end]):
        word = f"the negative number {word}"
    elif not text[begin:end].isdigit():
        word = repr(word)
    raise _error(name, text, begin, word, f"a whole number from 0 up, with at most {MOST_DIGITS} digits")


def _error(name: str, text: bytes, place: int, found: str, expected: str) -> LabError:
    """The error at byte `place` of the text: line and column are counted from 1, columns in characters."""
    begin = text.rfind(b"\n", 0, place) + 1
    line = text.count(b"\n", 0, place) + 1
    column = len(text[begin:place].decode("utf-8", "replace")) + 1
    return LabError(f"{name}, line {line}, column {column}: found {found}", f"expected {expected}")
