"""What a scheme sends in one step, in closed form: messages and bytes of each rank, without making its schedule.

Every scheme has a function `cost` that adds up the terms below; the tests hold it against `schedule.traffic`, which
counts the instructions one by one, and against what runs have counted. n values of float32, p ranks, S bytes = 4n.

    operation            messages in all     bytes in all       bytes of one rank
    linear or tree       p - 1               (p - 1) S          reduce: S; broadcast: up to (p - 1) S or lg p S at root
    ring                 2 p (p - 1)         2 (p - 1) S        2 (p - 1)/p S
    tree all-reduce      2 (p - 1)           2 (p - 1) S        up to lg p S at rank 0
    doubling             q lg q + 2 (p - q)  the same times S   lg q S, one more S for p - q pairs
    halving              2 q lg q + 2(p - q) 2 (p - 1) S        2 (q - 1)/q S, one more S for p - q pairs
    mpi                  p calls             p S                S (what happens inside is the library's)

q is the largest power of two up to p. Messages that would be empty (n < p) are not sent. Sources: Patarasuk and Yuan
2009; Thakur, Rabenseifner and Gropp 2005; convnet-strategies-mpi; keuper-pfreundt-2016 section II.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from labkit.errors import LabError
from labkit.network.graph import FLOAT_BYTES


class Sends(NamedTuple):
    """What one rank sends: a number of messages, and the values in them."""

    messages: int
    values: int


@dataclass(frozen=True)
class Cost:
    """Messages and bytes that each rank sends in one step, by rank."""

    messages: tuple[int, ...]
    bytes: tuple[int, ...]

    @property
    def total_messages(self) -> int:
        return sum(self.messages)

    @property
    def total_bytes(self) -> int:
        return sum(self.bytes)


def cost_of(rows: Iterable[Iterable[Sends]], ranks: int) -> Cost:
    """The sum of some operations, each of them given as what rank 0, 1, ... sends. LabError unless ranks >= 1."""
    if ranks < 1:
        raise LabError(f"{ranks} ranks", "give at least one")
    messages, values = [0] * ranks, [0] * ranks
    for row in rows:
        for rank, sends in enumerate(row):
            messages[rank] += sends.messages
            values[rank] += sends.values
    return Cost(tuple(messages), tuple(v * FLOAT_BYTES for v in values))


def to_root(ranks: int, values: int) -> list[Sends]:
    """Reduce into rank 0, linear or by a tree: every other rank sends all values once."""
    return [Sends(0, 0), *[Sends(1, values)] * (ranks - 1)]


def from_root(ranks: int, values: int) -> list[Sends]:
    """Linear broadcast from rank 0, which sends all values to each of the others."""
    return [Sends(ranks - 1, (ranks - 1) * values), *[Sends(0, 0)] * (ranks - 1)]


def all_to_all(algorithm: str, ranks: int, values: int) -> list[Sends]:
    """All-reduce by 'ring', 'tree', 'doubling', 'halving' or 'mpi'."""
    if ranks == 1 or not values:
        return [Sends(0, 0)] * ranks
    one = {"ring": _ring, "tree": _tree, "doubling": _doubling, "halving": _halving, "mpi": _library}[algorithm]
    return [one(rank, ranks, values) for rank in range(ranks)]


def _ring(rank: int, ranks: int, values: int) -> Sends:
    """Twice all chunks but one: the rank's neighbour's on the way to the sums, the next one's on the way back."""
    kept = [_chunk(values, ranks, (rank + 1) % ranks), _chunk(values, ranks, (rank + 2) % ranks)]
    return Sends(2 * min(values, ranks) - sum(map(bool, kept)), 2 * values - sum(kept))


def _chunk(values: int, parts: int, number: int) -> int:
    return (number + 1) * values // parts - number * values // parts


def _tree(rank: int, ranks: int, values: int) -> Sends:
    """Every rank but 0 sends once on the way up, and once for each child on the way down."""
    reach = rank & -rank or ranks  # children stand at distances 1, 2, 4, ... below the rank's lowest bit
    children = sum(rank + (1 << k) < ranks for k in range(ranks.bit_length()) if 1 << k < reach)
    sends = children + (rank > 0)
    return Sends(sends, sends * values)


def _doubling(rank: int, ranks: int, values: int) -> Sends:
    """lg q rounds for those that take part; the even rank of a folded pair sends once, the odd one once more."""
    sends = 1 if _folded(rank, ranks) and rank % 2 == 0 else _rounds(ranks) + _folded(rank, ranks)
    return Sends(sends, sends * values)


def _halving(rank: int, ranks: int, values: int) -> Sends:
    """Each round gives one part of what is left and keeps the other, which it gives on the way back.

    After k rounds, floor((n + c)/2^k) values are kept: c holds the first k turns, a 1 where the upper half (which has
    the odd value) was kept.
    """
    if _folded(rank, ranks) and rank % 2 == 0:
        return Sends(1, values)
    rounds, extra = _rounds(ranks), ranks - (1 << _rounds(ranks))
    place = rank // 2 if _folded(rank, ranks) else rank - extra
    turns = [place >> (rounds - 1 - k) & 1 for k in range(rounds)]
    offsets = [sum(turn << k for k, turn in enumerate(turns[:done])) for done in range(rounds + 1)]
    kept = [(values + offset) >> done for done, offset in enumerate(offsets)]
    sizes = [a - b for a, b in pairwise(kept)] + kept[1:] + [values] * _folded(rank, ranks)
    return Sends(sum(map(bool, sizes)), sum(sizes))


def _library(rank: int, ranks: int, values: int) -> Sends:
    return Sends(1, values)


def _rounds(ranks: int) -> int:
    """lg q."""
    return ranks.bit_length() - 1


def _folded(rank: int, ranks: int) -> bool:
    """Whether the rank is in one of the p - q pairs that act as one, because p is not a power of two."""
    return rank < 2 * (ranks - (1 << _rounds(ranks)))
