"""The grid of time and ranks in text, with the offending cell marked: where a fault happens, and what is around it.

        round   0     1      2
        rank 0  F0:5  B0:5   [allreduce g0 ring] ...
        rank 1  F0:5  B0:5   reduce g0>0 tree ...

Columns are rounds of an execution without clocks (`execution`), not seconds: those that meet stand in one column.
"""

from labkit.schedule.rules.execution import Execution
from labkit.schedule.rules.faults import Fault
from labkit.schedule.rules.lanes import Cell
from labkit.schedule.rules.stretches import stretches_of
from labkit.schedule.schedule import Schedule

MOST_RANKS = 12  # that are drawn; those next to the fault's, when there are more
LONGEST = 20  # characters of a spelling; longer ones are cut
LANES = {"main": "", "network": " &", "server": " serve"}
LEGEND = "[ ] the fault; ... waits for ever; & network lane; columns are rounds, not seconds"


def grid(schedule: Schedule, fault: Fault, width: int = 100) -> str:
    """Draw the rounds around `fault`, at most `width` characters wide (but wide enough for one round).

    Every lane of a rank that does something in these rounds has a row.
    """
    cells = _cells(schedule, fault)
    marked = next(cell for cell in cells if (cell.rank, cell.position, cell.step) == _place(fault))
    near = _near(schedule.size, fault.rank)
    text = {cell: _text(schedule, cell, cell is marked) for cell in cells if cell.rank in near}
    label = len(f"rank {max(near)} serve") + 2
    wide: dict[int, int] = {}  # round -> width of its column
    for cell, spelled in text.items():
        wide[cell.column] = max(wide.get(cell.column, len(str(cell.column)) + 2), len(spelled) + 2)
    shown = _shown(wide, marked.column, width - label)
    lines = ["round".ljust(label) + "".join(str(n).ljust(wide[n]) for n in shown)]
    for rank in near:
        for lane, sign in LANES.items():
            row = {c.column: text[c] for c in text if (c.rank, c.lane) == (rank, lane) and c.column in shown}
            if row or lane == "main":
                lines.append(f"rank {rank}{sign}".ljust(label) + "".join(row.get(n, "").ljust(wide[n]) for n in shown))
    if len(near) < schedule.size:
        lines.append(f"({schedule.size - len(near)} more ranks)")
    return "\n".join(line.rstrip() for line in [*lines, LEGEND])


def _shown(wide: dict[int, int], marked: int, width: int) -> list[int]:
    """The marked round and those around it that fit into `width` characters, two before it for each one after it."""
    before = sorted(n for n in wide if n < marked)
    after = sorted((n for n in wide if n > marked), reverse=True)
    shown = [marked]
    while before or after:
        side = before if (before and len(shown) % 3) or not after else after
        number = side.pop()
        if sum(wide[n] for n in shown) + wide[number] > width:
            break
        shown.append(number)
    return sorted(shown)


def _place(fault: Fault) -> tuple[int, int, int]:
    return fault.rank, fault.position, fault.step


def _cells(schedule: Schedule, fault: Fault) -> list[Cell]:
    """What an execution does up to the fault's step and the next, and what its lanes are stuck in.

    An instruction that is never come to stands after everything that its rank does.
    """
    execution = Execution(schedule, stretches_of(schedule), fault.step + 2).run()
    cells = execution.cells + [
        Cell(lane.rank, lane.name, lane.step, lane.op.position, lane.clock, done=False) for lane in execution.stuck
    ]
    if not any((cell.rank, cell.position, cell.step) == _place(fault) for cell in cells):
        program = schedule.ranks[fault.rank]
        lane = program[fault.position].lane if program else "main"
        after = max((cell.column + 1 for cell in cells if cell.rank == fault.rank), default=0)
        cells.append(Cell(fault.rank, lane, fault.step, fault.position, after))
    return cells


def _near(size: int, rank: int) -> range:
    """The ranks that are drawn."""
    first = max(0, min(rank - MOST_RANKS // 2, size - MOST_RANKS))
    return range(first, min(first + MOST_RANKS, size))


def _text(schedule: Schedule, cell: Cell, marked: bool) -> str:
    program = schedule.ranks[cell.rank]
    spelled = str(program[cell.position]).removesuffix(" &") if cell.position < len(program) else "(nothing)"
    spelled = spelled if len(spelled) <= LONGEST else spelled[: LONGEST - 2] + ".."
    spelled = f"[{spelled}]" if marked else spelled
    return spelled if cell.done else f"{spelled} ..."
