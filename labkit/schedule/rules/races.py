"""Rules between the two lanes of one rank: the main lane must `wait` for what the network lane may still work on.

The network lane does its instructions one after the other, so `wait w3` is over no sooner than everything that was
issued before the last instruction on w3. That makes the rule a comparison of numbers: every background instruction
has the number of its issue, a stretch remembers the last one that reads or writes it, and a `wait` raises the number
up to which all are known to be done.
"""

from labkit.schedule.collectives import LIBRARY
from labkit.schedule.instruction import Instruction
from labkit.schedule.rules.faults import Fault, fault, place
from labkit.schedule.rules.stretches import Stretches
from labkit.schedule.schedule import Schedule


def race_faults(schedule: Schedule, stretches: Stretches, steps: int) -> list[Fault]:
    """Instructions of the main lane that touch what is still under way in the background, each named once."""
    found = []
    for rank, program in enumerate(schedule.ranks):
        if any(i.background for i in program):
            found += _races(schedule, stretches, rank, steps)
            found += _library(schedule, rank)
    return found


def accesses(i: Instruction, rank: int, layers: int) -> tuple[str, str]:
    """What an instruction reads and what it writes, as letters of 'g', 'w', 'e', and 'o' for answers that are owed."""
    if i.op == "F":
        return "w", "e" if i.layers[1] == layers else ""
    if i.op == "B":
        return "we" if i.layers[1] == layers else "w", "g"
    if i.op == "U":
        return "g", "w"
    if i.op in ("push", "pull"):
        return ("g", "o") if i.op == "push" else ("", "wo")
    if i.op == "send" or (i.op == "bcast" and i.peer == rank):
        return i.item, ""
    return "", i.item if i.op not in ("serve", "wait") else ""


def _races(schedule: Schedule, stretches: Stretches, rank: int, steps: int) -> list[Fault]:
    layers, width = len(schedule.network), max(len(stretches), 1)
    read, written = ({item: [-1] * width for item in "gweo"} for _ in range(2))  # stretch -> number of the last issue
    last: dict[str, int] = {}  # 'w3' -> number of the last issue on it
    issued: list[int] = []  # number of an issue -> position
    done, found = -1, {}
    compiled = [(i, *stretches.of(i), *accesses(i, rank, layers)) for i in schedule.ranks[rank]]
    for step in range(steps):
        for position, (i, a, b, reads, writes) in enumerate(compiled):
            if i.op == "wait":
                done = max(done, last.get(i.key, -1) if i.item else len(issued) - 1)
            elif i.background:
                _issue(len(issued), a, b, reads, writes, read, written)
                last[i.key] = len(issued)
                issued.append(position)
            elif issued:
                clash = max(
                    max((_latest(written[item], item, a, b) for item in reads + writes), default=-1),
                    max((_latest(read[item], item, a, b) for item in writes), default=-1),
                )
                if clash > done:
                    found.setdefault(position, _message(schedule, rank, position, step, issued[clash]))
                    done = clash  # as if it had waited: one missing `wait` is named once
    return list(found.values())


def _issue(number: int, a: int, b: int, reads: str, writes: str, read: dict, written: dict) -> None:
    for items, table in ((reads, read), (writes, written)):
        for item in items:
            first, end = (0, 1) if item == "e" else (a, b)
            table[item][first:end] = [number] * (end - first)


def _latest(row: list[int], item: str, a: int, b: int) -> int:
    return max(row[0:1] if item == "e" else row[a:b], default=-1)


def _message(schedule: Schedule, rank: int, position: int, step: int, under_way: int) -> Fault:
    other = schedule.ranks[rank][under_way]
    touched = {"g": "gradients", "w": "weights", "e": "the error"}[other.item]
    what = f"it needs {touched} that '{other}' (instruction {under_way}) may still be working on in the background"
    return fault(schedule, "hang", rank, position, step, what, f"put 'wait {other.key}' before it")


def _library(schedule: Schedule, rank: int) -> list[Fault]:
    """All ranks must call the library in one order, which two lanes side by side cannot promise."""
    calls = [n for n, i in enumerate(schedule.ranks[rank]) if i.how == LIBRARY]
    front = [n for n in calls if not schedule.ranks[rank][n].background]
    if not front or len(front) == len(calls):
        return []
    other = next(n for n in calls if n not in front)
    what = f"it calls the library's all-reduce, and so does the network lane ({place(schedule, rank, other)})"
    return [fault(schedule, "hang", rank, front[0], 0, what, "let one lane do them all, so that their order is known")]
