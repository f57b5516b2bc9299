"""Every collective, carried out on numbers: all ranks end with what they should, whatever p and n."""

from collections import defaultdict, deque

import numpy as np
import pytest

from labkit.schedule import parse
from labkit.schedule.collectives import ALGORITHMS, LIBRARY, known, moves

NAMES = [
    (op, name.replace("K", str(k)))
    for op, names in ALGORITHMS.items()
    for name in names
    if name != LIBRARY
    for k in ((1, 3, 8) if name.endswith("K") else (0,))
]


def carry_out(op: str, how: str, ranks: int, root: int, values: int) -> np.ndarray:
    """[ranks, values] that the ranks end with; rank r begins with (r + 1) * [1, 2, ..., values].

    Sends are buffered. Every rank does one move after the other; fails where nobody can go on.
    """
    held = np.outer(np.arange(1, ranks + 1), np.arange(1, values + 1))
    todo = [deque(moves(op, how, rank, ranks, root, values)) for rank in range(ranks)]
    under_way: dict[tuple[int, int], deque] = defaultdict(deque)
    begun = [False] * ranks
    while any(todo):
        went_on = False
        for rank, left in enumerate(todo):
            if not left:
                continue
            move = left[0]
            if move.to is not None and not begun[rank]:
                under_way[rank, move.to].append(held[rank, slice(*move.sent)].copy())
                begun[rank] = went_on = True
            if move.source is not None:
                if not under_way[move.source, rank]:
                    continue
                part = under_way[move.source, rank].popleft()
                target = held[rank, slice(*move.received)]
                assert len(part) == len(target), "messages are matched with others of the same length"
                target[:] = target + part if move.add else part
            left.popleft()
            begun[rank], went_on = False, True
        assert went_on, "nobody can go on"
    assert not any(under_way.values()), "every message is received"
    return held


@pytest.mark.parametrize(("op", "how"), NAMES)
@pytest.mark.parametrize("ranks", range(1, 12))
def test_all_end_with_what_they_should(op, how, ranks):
    for values in (1, 2, 5, 16, 41):
        for root in {0, ranks // 2, ranks - 1} if op != "allreduce" else {0}:
            held = carry_out(op, how, ranks, root, values)
            whole = np.arange(1, values + 1)
            total = ranks * (ranks + 1) // 2
            if op == "bcast":
                assert np.array_equal(held, np.tile((root + 1) * whole, (ranks, 1)))
            elif op == "reduce":
                assert np.array_equal(held[root], total * whole)
            else:
                assert np.array_equal(held, np.tile(total * whole, (ranks, 1)))


@pytest.mark.parametrize("text", ["bcast w0<0 scatter", "bcast w3<2 pipeline8 &", "bcast w0<1 chain12"])
def test_spellings_come_back(text):
    assert str(parse(text)) == text


@pytest.mark.parametrize("how", ["pipeline", "pipeline0", "pipelineK", "scatter2", "chain"])
def test_what_is_no_algorithm(how):
    assert not known("bcast", how)


def test_chunks_of_a_pipeline_travel_at_the_same_time():
    """A rank with children receives one chunk while it sends the one before, and nobody sends more than twice."""
    found = moves("bcast", "pipeline4", 1, 7, 0, 40)
    assert sum(move.to is not None and move.source is not None for move in found) == 3
    sent = [sum(m.values_sent for m in moves("bcast", "pipeline4", rank, 7, 0, 40)) for rank in range(7)]
    assert sent == [80, 80, 80, 0, 0, 0, 0]


def test_a_scattered_broadcast_sends_each_rank_about_as_much():
    sent = [sum(m.values_sent for m in moves("bcast", "scatter", rank, 8, 0, 80)) for rank in range(8)]
    assert max(sent) == sent[0] == 2 * 70 and min(sent) == 70
