"""Collectives done for real on small vectors: every move of every rank, each message waiting for its counterpart."""

from collections import defaultdict, deque

import numpy as np


class Stuck(AssertionError):
    """Ranks wait for messages that nobody sends, or for receivers that do not come."""


def execute(lists, vectors):
    """Do the moves of all ranks; `vectors` [ranks][n] are changed in place. Returns (messages, values) that were sent.

    A move sends what is there when it begins, and puts what arrives when both of its directions are over. Raises
    Stuck where ranks wait for ever, and AssertionError for messages of a length that the receiver does not expect.
    """
    at, offers, messages, values = [0] * len(lists), defaultdict(deque), 0, 0
    offered, arrived = [None] * len(lists), [None] * len(lists)
    moved = True
    while moved:
        moved = False
        for rank, moves in enumerate(lists):
            while at[rank] < len(moves):
                move = moves[at[rank]]
                if move.to is not None and offered[rank] is None:
                    sent = vectors[rank][slice(*move.sent)].copy()
                    assert len(sent) == move.values_sent > 0, "an empty message, or one outside of the vector"
                    offered[rank] = [sent, False]
                    offers[rank, move.to].append(offered[rank])
                    messages, values, moved = messages + 1, values + len(sent), True
                if move.source is not None and arrived[rank] is None and offers[move.source, rank]:
                    came = offers[move.source, rank].popleft()
                    assert len(came[0]) == move.values_received, "the receiver expects another length"
                    came[1], arrived[rank], moved = True, came[0], True
                sends, receives = move.to is not None, move.source is not None
                if (sends and not offered[rank][1]) or (receives and arrived[rank] is None):
                    break
                if receives:
                    part = slice(*move.received)
                    vectors[rank][part] = arrived[rank] + (vectors[rank][part] if move.add else 0)
                offered[rank] = arrived[rank] = None
                at[rank], moved = at[rank] + 1, True
    if any(n < len(moves) for n, moves in zip(at, lists, strict=True)):
        raise Stuck(f"ranks stop after {at} of {[len(moves) for moves in lists]} moves")
    return messages, values


def start(ranks: int, values: int) -> list[np.ndarray]:
    """Vectors of whole numbers that differ in every value of every rank, so that any slip shows in a sum."""
    return [np.array([(rank + 1) * (7 * n + 3) ** 2 + rank for n in range(values)]) for rank in range(ranks)]
