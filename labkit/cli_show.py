"""What commands print: one JSON document for scripts, or tables for people."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass

PIPE_WIDTH = 200  # columns of a table whose reader is a program: wide enough that nothing is cut


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
    """Print a table: the first column and every column of text to the left, numbers to the right."""
    from rich.table import Table

    rows = [[cell(value) for value in row] for row in rows]
    table = Table(title=title, caption=caption or None, title_justify="left", caption_justify="left")
    for index, name in enumerate(columns):
        numbers = index > 0 and all(row[index][:1].isdigit() or row[index] in ("", "-") for row in rows)
        table.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    show(table)


def show(renderable: object) -> None:
    """Print a line or anything that rich can draw. Text is taken literally: brackets are not markup."""
    from rich.console import Console

    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, width=PIPE_WIDTH)
    with console.capture() as captured:  # written at once by print, so that a broken pipe ends like anywhere else
        console.print(renderable)
    print(captured.get(), end="")


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
