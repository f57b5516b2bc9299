"""Three editions of one notebook: clean (as written), student (stubs instead of solutions), solution (no markers).

The markers are those of nbgrader: `### BEGIN SOLUTION` ... `### END SOLUTION` and `### BEGIN HIDDEN TESTS` ...
`### END HIDDEN TESTS`, each on a line of its own. All functions take and return notebooks as nbformat's dictionaries
and leave their argument as it was.
"""

from collections.abc import Callable
from copy import deepcopy

from labkit.errors import LabError

STUB = 'raise NotImplementedError("write this part, then run the check")'
EDITIONS = ("student", "solution", "clean")
SOLUTION, HIDDEN = "SOLUTION", "HIDDEN TESTS"


def edition(notebook: dict, name: str) -> dict:
    """The notebook as `name` (one of EDITIONS) has it. Raises LabError for markers that do not pair up."""
    if name not in EDITIONS:
        raise LabError(f"there is no edition {name!r}", f"choose one of: {', '.join(EDITIONS)}")
    made = deepcopy(notebook)
    for cell in made["cells"]:
        if cell["cell_type"] == "code" and name != "clean":
            cell["source"] = student(cell["source"]) if name == "student" else solved(cell["source"])
    return made


def student(source: str) -> str:
    """A stub for every solution, nothing for every hidden test."""
    stubbed = _regions(source, SOLUTION, lambda indent, lines: [indent + STUB])
    return _regions(stubbed, HIDDEN, lambda indent, lines: []).rstrip()


def solved(source: str) -> str:
    """Solutions and hidden tests in place, without the markers around them."""
    return _regions(_regions(source, SOLUTION, lambda indent, lines: lines), HIDDEN, lambda indent, lines: lines)


def has_solution(source: str) -> bool:
    """Whether a cell holds a part that learners write."""
    return f"### BEGIN {SOLUTION}" in source


def _regions(source: str, kind: str, replace: Callable[[str, list[str]], list[str]]) -> str:
    """`source` with every region of that kind, markers included, replaced by `replace(indent, lines inside)`."""
    begin, end = f"### BEGIN {kind}", f"### END {kind}"
    out, inside, indent = [], None, ""
    for line in source.split("\n"):
        mark = line.strip()
        if mark == begin and inside is None:
            inside, indent = [], line[: len(line) - len(line.lstrip())]
        elif mark == end and inside is not None:
            out += replace(indent, inside)
            inside = None
        elif mark in (begin, end):
            raise LabError(f"{mark!r} in the wrong place", f"pair each {begin!r} with one {end!r}, never nested")
        else:
            (out if inside is None else inside).append(line)
    if inside is not None:
        raise LabError(f"{begin!r} has no end", f"add a line {end!r}")
    return "\n".join(out)
