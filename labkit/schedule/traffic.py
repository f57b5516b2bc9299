"""Messages and bytes by rank, peer and instruction: what a schedule says will be sent, and what a run counted.

The two are of one type, so that `counted == schedule's own` is one comparison. Only payload counts: gradients, weights
and errors as float32, not the few bytes of bookkeeping that a server's messages carry.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from labkit.network.graph import FLOAT_BYTES
from labkit.schedule.collectives import LIBRARY
from labkit.schedule.schedule import Schedule

INSIDE_LIBRARY = -1  # as a peer: the library's own collective, whose messages nobody outside of it sees


class Sent(NamedTuple):
    """What `rank` sends to `peer` for the instruction at `position` of its list, over all steps counted."""

    rank: int
    peer: int
    position: int
    messages: int
    bytes: int


@dataclass(frozen=True)
class Traffic:
    """Rows of `Sent`, sorted, at most one for each (rank, peer, position), none of them empty."""

    rows: tuple[Sent, ...]

    @property
    def messages(self) -> int:
        return sum(row.messages for row in self.rows)

    @property
    def bytes(self) -> int:
        return sum(row.bytes for row in self.rows)

    def of(self, rank: int) -> "Traffic":
        """What one rank sends."""
        return Traffic(tuple(row for row in self.rows if row.rank == rank))

    def to(self, rank: int) -> "Traffic":
        """What one rank receives."""
        return Traffic(tuple(row for row in self.rows if row.peer == rank))

    def times(self, steps: int) -> "Traffic":
        """The same for so many steps."""
        return gather(Sent(*row[:3], row.messages * steps, row.bytes * steps) for row in self.rows)


def gather(rows: Iterable[Sent]) -> Traffic:
    """Add up rows that agree in rank, peer and position."""
    sums: dict[tuple[int, int, int], list[int]] = {}
    for row in rows:
        entry = sums.setdefault(row[:3], [0, 0])
        entry[0] += row.messages
        entry[1] += row.bytes
    return Traffic(tuple(sorted(Sent(*key, *both) for key, both in sums.items() if both[0])))


def traffic(schedule: Schedule) -> Traffic:
    """What one step of `schedule` sends.

    A server answers every push of a worker with the weights of that piece, whichever of its `serve` comes first. Those
    answers have no instruction of their own, so they stand under the server's first `serve`.
    """
    rows = []
    for rank, program in enumerate(schedule.ranks):
        for position, instruction in enumerate(program):
            size = schedule.bytes(instruction)
            if instruction.how == LIBRARY and size and schedule.size > 1:
                rows.append(Sent(rank, INSIDE_LIBRARY, position, 1, size))
            elif instruction.op == "pull" and size and instruction.peer != rank:
                rows.append(Sent(instruction.peer, rank, _first_serve(schedule, instruction.peer), 1, size))
            else:
                rows += [
                    Sent(rank, move.to, position, 1, move.values_sent * FLOAT_BYTES)
                    for move in schedule.moves(rank, instruction)
                    if move.to is not None
                ]
    return gather(rows)


def _first_serve(schedule: Schedule, server: int) -> int:
    return next((n for n, i in enumerate(schedule.ranks[server]) if i.op == "serve"), 0)
