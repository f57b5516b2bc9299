"""A rank's instructions made ready for many steps: all that can be known before the first one."""

from typing import NamedTuple

from labkit.network.graph import FLOAT_BYTES
from labkit.run.tags import tag_of
from labkit.schedule import Instruction, Schedule
from labkit.schedule.collectives import LIBRARY, Move
from labkit.schedule.instruction import COLLECTIVES, COMPUTE


class Code(NamedTuple):
    """An instruction made ready. position: in the rank's list. kind: of its events.

    moves: its messages; tag: theirs. received: bytes that it receives. peers: the ranks it has to do with.
    """

    position: int
    instruction: Instruction
    spelling: str
    lane: str
    kind: str
    moves: tuple[Move, ...]
    tag: int
    received: int
    peers: tuple[int, ...]


def ready_program(schedule: Schedule, rank: int) -> tuple[Code, ...]:
    """The list of `rank`, made ready."""
    return tuple(_ready(schedule, rank, position, i) for position, i in enumerate(schedule.ranks[rank]))


def _ready(schedule: Schedule, rank: int, position: int, i: Instruction) -> Code:
    kind = "compute" if i.op in COMPUTE else "wait" if i.op == "wait" else "communicate"
    moves = schedule.moves(rank, i)
    tag = tag_of(i) if i.item and i.op not in ("wait", "U") else 0
    received = sum(move.values_received for move in moves) * FLOAT_BYTES if i.peer != rank or i.op in COLLECTIVES else 0
    return Code(position, i, str(i), i.lane, kind, moves, tag, received, peers_of(schedule, rank, i))


def peers_of(schedule: Schedule, rank: int, i: Instruction) -> tuple[int, ...]:
    """The other ranks that an instruction of `rank` has to do with; for `serve` none, because nobody knows yet."""
    if i.how == LIBRARY:
        return tuple(other for other in range(schedule.size) if other != rank)
    ends = {end for move in schedule.moves(rank, i) for end in (move.to, move.source)}
    return tuple(sorted(ends - {None, rank}))
