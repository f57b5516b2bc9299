"""A plan as text: one line per layer with the tasks that each part owns, so that a printed plan can be read."""

import numpy as np

from labkit.partition.plan import NOBODY, Plan

WIDEST = 8  # parts that get a column of their own


def plan_table(plan: Plan) -> str:
    """The plan's repr: a heading, and per layer its tasks and how many of them each part owns.

    With more than eight parts the columns become a list of the parts that own something.
    """
    heading = f"Plan of {plan.network.name} in {plan.parts} parts ({plan.method}, {plan.grain} grain)"
    rows = [_row(plan, number) for number in range(len(plan.slices))]
    columns = [f"part {p}" for p in range(plan.parts)] if plan.parts <= WIDEST else ["tasks by part"]
    cells = [["layer", "tasks", *columns], *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = [
        "  ".join(_aligned(cell, width, i) for i, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in cells
    ]
    return "\n".join([heading, *(line.rstrip() for line in lines)])


def _row(plan: Plan, number: int) -> list[str]:
    piece = plan.slices[number]
    members = piece.owner if piece.channels is None else piece.channels[piece.channels != NOBODY]
    counts = np.bincount(members, minlength=plan.parts)
    if plan.parts <= WIDEST:
        shown = [str(c) if c else "·" for c in counts]
    else:
        shown = [" ".join(f"{p}:{counts[p]}" for p in np.flatnonzero(counts))]
    return [piece.layer, str(len(members)), *shown]


def _aligned(text: str, width: int, column: int) -> str:
    return text.ljust(width) if column == 0 else text.rjust(width)
