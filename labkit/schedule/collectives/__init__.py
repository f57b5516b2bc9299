"""Collectives as lists of messages: what each rank sends, receives and adds, round by round.

The simulator times these moves, a communicator does them, and the ledger counts them: one source for all three. An
algorithm is a pure function (rank, ranks, root, values) -> moves of that rank; what it costs is in `limits/`.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from labkit.schedule.collectives import allreduce, broadcast, reduce
from labkit.schedule.collectives.move import Move

__all__ = ["ALGORITHMS", "LIBRARY", "Move", "known", "moves"]

LIBRARY = "mpi"  # the library's own all-reduce, whose messages nobody outside of it sees


class _Family(NamedTuple):
    """Algorithms of one operation by their names; a name that ends in a number passes it on, as in `chain8`."""

    plain: dict[str, Callable]
    numbered: dict[str, Callable]


_FAMILIES = {
    "allreduce": _Family(
        {"ring": allreduce.ring, "tree": allreduce.tree, "doubling": allreduce.doubling, "halving": allreduce.halving},
        {},
    ),
    "reduce": _Family({"linear": reduce.linear, "tree": reduce.tree}, {}),
    "bcast": _Family(
        {"linear": broadcast.linear, "tree": broadcast.tree, "scatter": broadcast.scatter},
        {"chain": broadcast.chain, "pipeline": broadcast.pipeline},
    ),
}
ALGORITHMS = {
    op: (*family.plain, *(f"{name}K" for name in family.numbered), *([LIBRARY] if op == "allreduce" else []))
    for op, family in _FAMILIES.items()
}


def known(op: str, how: str) -> bool:
    """Whether operation `op` has an algorithm spelled `how`."""
    return (how == LIBRARY and op == "allreduce") or _algorithm(op, how) is not None


@lru_cache(maxsize=4096)
def moves(op: str, how: str, rank: int, ranks: int, root: int, values: int) -> tuple[Move, ...]:
    """The moves of `rank` in operation `op` ('allreduce', 'reduce' or 'bcast') over `values` values, in order.

    Moves that would carry nothing are left out: of a vector shorter than the number of ranks, some chunks are empty.
    The library's own algorithm (`mpi`) has none to show.
    """
    algorithm = _algorithm(op, how)
    if algorithm is None or ranks == 1 or not values:
        return ()
    found = algorithm(rank, ranks, root, values)
    return tuple(move for move in map(_without_empty, found) if move is not None)


def _algorithm(op: str, how: str) -> Callable | None:
    family = _FAMILIES[op]
    if how in family.plain:
        return family.plain[how]
    match = re.fullmatch(r"([a-z]+)([1-9]\d*)", how)
    if not match or match[1] not in family.numbered:
        return None
    algorithm, number = family.numbered[match[1]], int(match[2])
    return lambda rank, ranks, root, values: algorithm(rank, ranks, root, values, number)


def _without_empty(move: Move) -> Move | None:
    sends = move.to is not None and move.sent[0] < move.sent[1]
    receives = move.source is not None and move.received[0] < move.received[1]
    if not (sends or receives):
        return None
    return move._replace(to=move.to if sends else None, source=move.source if receives else None)
