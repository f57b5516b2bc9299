"""The one error that bad input raises anywhere in labkit, and the did-you-mean that goes with it."""

from collections.abc import Iterable
from difflib import get_close_matches


class LabError(ValueError):
    """Something the user asked for cannot be done as asked.

    `what` names the thing and the value that was given; `instead` says what to type instead. The command line prints
    both on one line and exits with `status`: 2 if it could not run as asked, 1 if it ran and found something wrong (a
    loss that is not a number any more). In a notebook `str(error)` shows the same sentence.
    """

    def __init__(self, what: str, instead: str = "", status: int = 2):
        super().__init__(f"{what} — {instead}" if instead else what)
        self.status = status
        self.what = what
        self.instead = instead


def suggest(word: str, known: Iterable[str]) -> str:
    """`instead` text for a name that is not known: the closest one, or all of them.

    `known` is every name that would have been accepted, in the order in which to list them.
    """
    names = [str(name) for name in known]
    spelled = {name.lower(): name for name in names}
    close = get_close_matches(str(word).lower(), spelled, n=1)
    return f"did you mean {spelled[close[0]]!r}?" if close else "choose one of: " + ", ".join(names)
