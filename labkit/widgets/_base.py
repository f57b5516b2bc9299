"""What every widget shares: how its module is put together from the files in static/, and the string of its settings.

A view's settings are one dictionary of plain values (the trait `state`). `encode` writes them as a line that can be
pasted into a cell, mailed or kept in a notebook; `decode` reads it back. JSON after the `=`, nothing is evaluated.
"""

import json
import re
from collections import Counter
from functools import cache
from importlib.resources import files
from urllib.parse import quote, unquote

from labkit.errors import LabError, suggest

# Spaces that JavaScript does not need: around these; around + - / % too, unless a sign follows (a - -b).
SPACED = re.compile(r" ?([=,;:?{}()<>&|*]) ?| ([-+/%]) (?![-+])")
# Ends of lines that JavaScript does not need: after these and before those a statement goes on, or has ended already.
# Where a comment stands, it would swallow what follows.
ENDED = re.compile(r"^((?!.*//).*)(?:(?<=[;,({[>?:])\n|\n(?=[?:+.&|)}\]]))", re.MULTILINE)
CONST = re.compile(r"\bconst\b")  # `let` says less to a reader and the same to the machine
PIECE = re.compile(r"\n(?=(?:function|const|class|export)\b)")  # where a statement of the module itself begins
FUNCTION = re.compile(r"(?:function |let (?=\w+=\([^()]*\)=>))(\w+)")
ESM_LIMIT_BYTES = 20_000  # a saved notebook carries one copy of the module per widget


@cache
def static_text(name: str) -> str:
    """Text of a file of labkit/widgets/static."""
    return (files("labkit.widgets") / "static" / name).read_text(encoding="utf-8")


def esm(*names: str) -> str:
    """One JavaScript module: the shared helpers, then the named files of static/, in that order.

    Functions that nobody in the module calls, indentation, lines that hold only a comment, spaces around punctuation
    and ends of lines after it stay behind: every saved view carries a copy of the rest. The files themselves are
    written to be read.
    """
    return "\n".join(_needed([piece for name in ("shared.js", *names) for piece in _pieces(name)]))


@cache
def _pieces(name: str) -> list[str]:
    """Statements of a file, without what only readers need."""
    return [_compact(piece) for piece in PIECE.split(static_text(name))]


def _needed(pieces: list[str]) -> list[str]:
    """Statements of a module without the functions whose name stands in no other of them."""
    uses = Counter(word for piece in pieces for word in _words(piece))
    kept = [piece for piece in pieces if not (found := FUNCTION.match(piece)) or uses[found[1]] > 1]
    return kept if len(kept) == len(pieces) else _needed(kept)


@cache
def _words(piece: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", piece))


def _compact(text: str) -> str:
    lines = [line for one in text.splitlines() if (line := one.strip()) and not line.startswith("//")]
    return ENDED.sub(r"\1", "\n".join(map(_tight, lines)))


def _tight(line: str) -> str:
    """`line` without spaces around punctuation; strings and templates stay as they are.

    A line with more than one template is left alone: one may stand inside the other.
    """
    if line.count("`") not in (0, 2):
        return line
    parts = re.split(r'("[^"]*"|`[^`]*`)', line)
    return "".join(part if part[:1] in ('"', "`") else CONST.sub("let", SPACED.sub(r"\1\2", part)) for part in parts)


def css() -> str:
    """The style sheet of all widgets."""
    return static_text("lab.css")


def encode(kind: str, state: dict) -> str:
    """`kind?key=value&key=value`, values as JSON with the characters of a URL."""
    pairs = (f"{key}={quote(json.dumps(value, separators=(',', ':')), safe='[],:.-')}" for key, value in state.items())
    return f"{kind}?" + "&".join(pairs)


def decode(kind: str, text: str, defaults: dict) -> dict:
    """`defaults` with the values that `text` names; the inverse of `encode`.

    Raises LabError if the string belongs to another widget, names an unknown setting, or gives one another type.
    """
    head, _, tail = str(text).partition("?")
    if head != kind:
        raise LabError(f"state string {str(text)[:60]!r}", f"use one that starts with {kind + '?'!r}")
    state = dict(defaults)
    for pair in filter(None, tail.split("&")):
        key, _, value = pair.partition("=")
        if key not in defaults:
            raise LabError(f"setting {key!r} in a state string of {kind}", suggest(key, defaults))
        state[key] = _typed(kind, key, value, defaults[key])
    return state


def _typed(kind: str, key: str, value: str, default: object) -> object:
    try:
        read = json.loads(unquote(value))
    except ValueError:
        raise LabError(f"{key}={value!r} in a state string of {kind}", "give JSON, such as 3 or true") from None
    number = isinstance(default, (int, float)) and not isinstance(default, bool)
    wanted = (int, float) if number else type(default)
    if default is not None and (not isinstance(read, wanted) or (number and isinstance(read, bool))):
        raise LabError(f"{key}={read!r} in a state string of {kind}", f"give a value like {default!r}")
    return read


def one_of(what: str, value: object, known: tuple[str, ...]) -> str:
    """`value` if it is one of `known`, else a LabError that lists them."""
    if value not in known:
        raise LabError(f"{what}={value!r}", suggest(str(value), known))
    return str(value)


def within(what: str, value: object, low: float, high: float, whole: bool = False) -> float:
    """`value` if it is a number (an integer if `whole`) between `low` and `high`, else a LabError."""
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
    if not fits or (whole and value != int(value)):
        raise LabError(f"{what}={value!r}", f"give {'an integer' if whole else 'a number'} from {low} to {high}")
    return int(value) if whole else float(value)
