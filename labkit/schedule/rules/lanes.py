"""The parts of an execution: instructions ready to be done, the lanes that do them, and the cells of its grid."""

from collections import deque
from typing import NamedTuple

from labkit.schedule.instruction import Instruction


class Op(NamedTuple):
    """An instruction with its place and its stretches; key, such as 'g3', and whether it is a message of length 0."""

    i: Instruction
    position: int
    a: int
    b: int
    key: str
    empty: bool


class Cell(NamedTuple):
    """One instruction in the grid of time and ranks. done: False for the one that its lane is stuck in."""

    rank: int
    lane: str
    step: int
    position: int
    column: int
    done: bool = True


class Lane:
    """One lane of a rank: its list, where it is in it, and what it waits for (`op`, None while it can go on)."""

    __slots__ = ("clock", "ends", "got", "missing", "name", "op", "program", "queue", "rank", "step", "target", "turn")

    def __init__(self, rank: int, name: str, program: list[Op]):
        self.rank, self.name, self.program = rank, name, program
        self.step = self.turn = self.clock = 0
        self.queue: deque[tuple[int, Op, int]] = deque()  # network: (step, what was issued, when)
        self.ends: list[int] = []  # network: when each instruction was over
        self.op: Op | None = None
        self.missing = 0  # halves of a message that have not met theirs
        self.got: list[int] | None = None
        self.target = 0  # main, in a wait: number of background instructions to be over
