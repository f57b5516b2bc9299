"""What commands print: one JSON document for scripts, or tables for people."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, is_dataclass

PIPE_WIDTH = 200  # columns of a table whose reader is a program: wide enough that nothing is cut
LONGEST_WORD = 20  # longer ones (checksums, paths) are folded where a table is too wide for the terminal


def show_json(document: object) -> None:
    """Print `document` on stdout as the one JSON document of this command. Frozen records become objects."""
    print(json.dumps(document, default=_plain, indent=2, ensure_ascii=False, allow_nan=False))


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if hasattr(value, "item"):  # a NumPy scalar
        return value.item()
    return str(value)


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "") -> None:
    """Print a table: the first column and every column of text to the left, numbers to the right.

    A number is never broken over two lines, where it would be read as two. In a narrow terminal headings break and
    columns stand closer; where even that does not do, the table is wider than the terminal.
    """
    from rich import box
    from rich.table import Table

    rows = [[cell(value) for value in row] for row in rows]
    drawn = [_column(i, name, [row[i] for row in rows]) for i, name in enumerate(columns)]
    width, least, frame = _console().width, sum(c.least for c in drawn), 3 * len(drawn) + 1
    narrow, close = sum(c.whole for c in drawn) + frame > width, least + frame > width
    frame = len(drawn) + 1 if close else frame
    style = {"box": box.SIMPLE_HEAD, "padding": 0} if close else {}
    table = Table(title=title, caption=caption or None, title_justify="left", caption_justify="left", **style)
    for c in drawn:
        fixed = c.least if narrow and not c.prose else None
        table.add_column("\n".join(c.heading) if narrow else c.name, justify=c.side, overflow="fold", width=fixed)
    for row in rows:
        table.add_row(*row)
    show(table, least + frame)


@dataclass(frozen=True)
class _Column:
    """How a column can be drawn: `whole` and `least` are its widths without and with breaks; only prose has breaks."""

    name: str
    heading: list[str]
    prose: bool
    side: str
    whole: int
    least: int


def _column(index: int, name: str, cells: list[str]) -> _Column:
    numbers = index > 0 and all(text[:1].isdigit() or text in ("", "-") for text in cells)
    words = cells if numbers else " ".join(cells).split()
    prose = not numbers and any(" " in text or len(text) > LONGEST_WORD for text in cells)
    heading = [name] if prose else name.replace("/", "/ ").split()
    least = max(map(len, [*heading, *(word[:LONGEST_WORD] for word in words)]), default=1)
    return _Column(name, heading, prose, "right" if numbers else "left", max(map(len, [name, *cells])), least)


def show(renderable: object, least_width: int = 1) -> None:
    """Print a line or anything that rich can draw. Text is taken literally: brackets are not markup."""
    console = _console()
    console.width = max(console.width, least_width)
    with console.capture() as captured:  # written at once by print, so that a broken pipe ends like anywhere else
        console.print(renderable)
    print(captured.get(), end="")


def _console():
    """Where tables are drawn: as wide as the terminal, or PIPE_WIDTH for a program that reads."""
    from rich.console import Console

    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


def note(text: str) -> None:
    """One line about progress; on stderr, so that stdout stays with the result."""
    print(text, file=sys.stderr, flush=True)


def cell(value: object) -> str:
    """A value as the text of a table's cell: 61,706; 0.25; 1 x 28 x 28; - for None."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, tuple | list):
        return " x ".join(str(v) for v in value)
    return str(value)
