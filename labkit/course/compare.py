"""Where a learner's answer first differs from the expected one, said so that the place can be found."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Difference:
    """The first difference: `where` (as in `dw1[0, 3]`), both values in words, and the top-level `part` it lies in."""

    where: str
    expected: str
    came: str
    part: int | str | None = None


class Told(str):
    """A word to compare, with a sentence that messages show in its place, and what it probably comes from."""

    def __new__(cls, word: str, sentence: str = "", advice: str = "") -> "Told":
        made = super().__new__(cls, word)
        made.sentence, made.advice = sentence or word, advice
        return made

    def __deepcopy__(self, memo: dict) -> "Told":
        return self  # it never changes


def difference(got: Any, expected: Any, tolerance: float, parts: tuple[str, ...] = ()) -> Difference | None:
    """None if `got` agrees with `expected`.

    Tuples, lists of tuples and dicts are compared part by part, numbers and arrays entry by entry: floats within
    `tolerance` of the largest expected entry, integers, booleans and strings exactly.
    """
    if isinstance(expected, dict):
        return _of_dict(got, expected, tolerance)
    if isinstance(expected, tuple):
        return _of_tuple(got, expected, tolerance, parts)
    if isinstance(expected, set | frozenset):
        return _of_set(got, expected)
    if isinstance(expected, str | bool):
        same = type(got) is type(expected) or (isinstance(expected, bool) and isinstance(got, np.bool_))
        return None if same and got == expected else Difference("the result", _short(expected), _short(got))
    return _of_numbers(got, expected, tolerance)


def _of_set(got: Any, expected: set | frozenset) -> Difference | None:
    """Sets of names, or of whole numbers: a list or tuple of the same ones will do."""
    kinds, what = ((int, np.integer), "whole number") if any(isinstance(i, int) for i in expected) else (str, "name")
    if isinstance(got, set | frozenset | list | tuple) and all(isinstance(item, kinds) for item in got):
        if set(got) == set(expected):
            return None
        return Difference("the result", _members(expected, what), _members(got, what))
    return Difference("the result", f"a set of {what}s, {_members(expected, what)}", _short(got))


def _members(members: Any, what: str) -> str:
    return "{" + ", ".join(map(str, sorted(members))) + "}" if members else f"no {what}"


def _of_dict(got: Any, expected: dict, tolerance: float) -> Difference | None:
    if not isinstance(got, dict) or set(got) != set(expected):
        return Difference("the result", f"a dict with keys {list(expected)}", _short(got))
    return _first((key, repr(key), got[key], expected[key]) for key in expected)(tolerance)


def _of_tuple(got: Any, expected: tuple, tolerance: float, parts: tuple[str, ...]) -> Difference | None:
    if not isinstance(got, tuple | list) or len(got) != len(expected):
        names = f" ({', '.join(parts)})" if parts else ""
        return Difference("the result", f"{len(expected)} values{names}", _short(got))
    names = parts or tuple(f"result[{i}]" for i in range(len(expected)))
    return _first(zip(range(len(expected)), names, got, expected, strict=True))(tolerance)


def _first(rows: Any):
    """A function of the tolerance that finds the first differing (part, name, got, expected)."""

    def find(tolerance: float) -> Difference | None:
        for part, name, got, expected in rows:
            found = difference(got, expected, tolerance)
            if found:
                return Difference(found.where.replace("the result", name, 1), found.expected, found.came, part)
        return None

    return find


def _of_numbers(got: Any, expected: Any, tolerance: float) -> Difference | None:
    want = np.asarray(expected)
    try:
        have = np.asarray(got)
        if have.dtype.kind not in "iufb" or (have.dtype.kind == "b") != (want.dtype.kind == "b"):
            raise TypeError
    except (TypeError, ValueError):
        return Difference("the result", _short(expected), _short(got))
    if have.shape != want.shape:
        return Difference("the shape of the result", _shape(want), _shape(have))
    wrong = np.argwhere(~_near(have, want, tolerance))
    if not len(wrong):
        return None
    index = tuple(int(i) for i in wrong[0])
    where = f"the result[{', '.join(map(str, index))}]" if index else "the result"
    return Difference(where, _short(want[index]), _short(have[index]))


def _near(have: np.ndarray, want: np.ndarray, tolerance: float) -> np.ndarray:
    if want.dtype.kind in "iub":
        return have == want
    unknown = np.isnan(want)  # a known mistake may give NaN, and is to be recognised
    scale = float(np.max(np.abs(want[~unknown]), initial=0.0)) or 1.0
    with np.errstate(invalid="ignore"):
        return (np.abs(have - want) <= tolerance * scale) | (unknown & np.isnan(have))


def _shape(array: np.ndarray) -> str:
    return str(array.shape) if array.shape else "() (one number)"


def _short(value: Any) -> str:
    """A value in at most about a hundred characters."""
    if isinstance(value, np.ndarray) and value.size > 6:
        return f"an array of shape {value.shape}"
    if isinstance(value, float | np.floating):
        return f"{float(value):.7g}"
    if value is None:
        return "None (is a return missing?)"
    if isinstance(value, Told):
        return value.sentence
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 100 else text[:97] + "..."
