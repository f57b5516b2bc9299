"""Schedules as JSON documents: `labkit schedule --json` writes them, and a file of one stands alone.

    {"format": "labkit-schedule", "version": 1, "scheme": "allreduce ring",
     "network": {"name": "tiny", "input_shape": [1, 28, 28], "layers": [...]},
     "shares": [[8], [8]],
     "pieces": [[0, 330]],
     "instructions": [["F0:3", "B0:3", "allreduce g0 ring", "U0:3"],
                      ["F0:3", "B0:3", "allreduce g0 ring", "U0:3"]]}

shares: [ranks][micro-batches] samples. pieces: start and stop of each in the flat vector of parameters. instructions:
[ranks] the spellings of `instruction.py`. `text.py` has a form that is easier to write by hand.
"""

from labkit.errors import LabError
from labkit.network import from_document as network_from_document
from labkit.network import to_document as network_to_document
from labkit.partition.document_layers import check_keys
from labkit.schedule.instruction import parse
from labkit.schedule.pieces import Piece
from labkit.schedule.schedule import Schedule

FORMAT = "labkit-schedule"
VERSION = 1
NEEDED = ("format", "version", "scheme", "network", "shares", "pieces", "instructions")
MOST_RANKS = 2**16  # more are a slip of the keyboard


def to_document(schedule: Schedule) -> dict:
    """The JSON document of a schedule."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "scheme": schedule.scheme,
        "network": network_to_document(schedule.network),
        "shares": [list(share) for share in schedule.shares],
        "pieces": [list(piece) for piece in schedule.pieces],
        "instructions": [[str(instruction) for instruction in program] for program in schedule.ranks],
    }


def from_document(document: object) -> Schedule:
    """The schedule that a document describes.

    Raises LabError naming the key, the rank and the instruction that is wrong. What it says may still be nonsense as a
    schedule: that is for `validate`.
    """
    check_keys(document, NEEDED, (), "the schedule")
    if document["format"] != FORMAT:
        raise LabError(f"a schedule's 'format' is {_short(document['format'])}", f'write "{FORMAT}"')
    if document["version"] != VERSION or isinstance(document["version"], bool):
        raise LabError(f"a schedule's 'version' is {_short(document['version'])}", f"write {VERSION}, or update labkit")
    if not isinstance(document["scheme"], str):
        raise LabError(f"a schedule's 'scheme' is {_short(document['scheme'])}", "give its name, a string")
    shares = _rows(document["shares"], "shares", "whole numbers from 0 up", is_count)
    pieces = _rows(document["pieces"], "pieces", "two whole numbers, start and stop", is_count)
    for number, row in enumerate(pieces):
        if len(row) != 2:
            raise LabError(f"piece {number} is {_short(row)}", "write its start and its stop, as in [0, 330]")
    programs = _rows(document["instructions"], "instructions", 'texts, as in "F0:13"', lambda x: isinstance(x, str))
    return Schedule(
        document["scheme"],
        network_from_document(document["network"]),
        tuple(map(tuple, shares)),
        tuple(Piece(*row) for row in pieces),
        tuple(tuple(_parse(rank, n, text) for n, text in enumerate(row)) for rank, row in enumerate(programs)),
    )


def is_count(value: object) -> bool:
    """A whole number from 0 up, and not a truth value."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _rows(rows: object, key: str, what: str, fits) -> list[list]:
    """A list of lists of what `fits`."""
    if not isinstance(rows, list) or len(rows) > MOST_RANKS * 16:
        raise LabError(f"a schedule's {key!r} is {_short(rows)}", f"write a list of lists of {what}")
    for number, row in enumerate(rows):
        wrong = [value for value in row if not fits(value)] if isinstance(row, list) else [row]
        if wrong:
            raise LabError(f"{key!r} of a schedule has {_short(wrong[0])} in row {number}", f"write lists of {what}")
    return rows


def _parse(rank: int, position: int, text: str):
    try:
        return parse(text)
    except LabError as error:
        raise LabError(f"rank {rank}, instruction {position}: {error.what}", error.instead) from None


def _short(value: object) -> str:
    """A value in an error message: it may be pages long."""
    text = repr(value)
    return text if len(text) <= 40 else text[:38] + ".."
