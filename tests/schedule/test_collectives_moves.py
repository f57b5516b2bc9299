"""Every algorithm of every collective, by doing its messages: 1 to 17 ranks, any root, vectors shorter than ranks."""

from math import ceil, log2

import numpy as np
import pytest
from move_execution import Stuck, execute, start

from labkit.schedule.collectives import ALGORITHMS, LIBRARY, Move, known, moves
from labkit.schedule.collectives.move import cut, receive, send

RANKS = range(1, 18)
ALLREDUCE = [how for how in ALGORITHMS["allreduce"] if how != LIBRARY]


def named(op: str) -> list[str]:
    """The algorithms of an operation, those with a number in some sizes."""
    found = []
    for how in ALGORITHMS[op]:
        found += [how] if not how.endswith("K") else [how[:-1] + number for number in ("1", "3", "8")]
    return found


def lengths(ranks: int) -> list[int]:
    return sorted({1, 2, ranks - 1, ranks, ranks + 1, 3 * ranks + 2} - {0})


def roots(ranks: int) -> list[int]:
    return sorted({0, 1 % ranks, ranks // 2, ranks - 1})


def done(op: str, how: str, ranks: int, root: int, values: int):
    """(vectors before, vectors after, messages, values sent)."""
    before = start(ranks, values)
    after = [vector.copy() for vector in before]
    counted = execute([moves(op, how, rank, ranks, root, values) for rank in range(ranks)], after)
    return before, after, *counted


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("how", ALLREDUCE)
def test_all_ranks_end_with_the_sum(how, ranks):
    for values in lengths(ranks):
        before, after, *_ = done("allreduce", how, ranks, 0, values)
        assert all(np.array_equal(vector, sum(before)) for vector in after), values


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("how", named("reduce"))
def test_the_root_ends_with_the_sum(how, ranks):
    for values in lengths(ranks):
        for root in roots(ranks):
            before, after, *_ = done("reduce", how, ranks, root, values)
            assert np.array_equal(after[root], sum(before)), (values, root)


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("how", named("bcast"))
def test_all_ranks_end_with_what_the_root_had(how, ranks):
    for values in lengths(ranks):
        for root in roots(ranks):
            before, after, *_ = done("bcast", how, ranks, root, values)
            assert all(np.array_equal(vector, before[root]) for vector in after), (values, root)


@pytest.mark.parametrize("ranks", RANKS)
def test_messages_and_values_sent_are_the_formulas(ranks):
    p, q = ranks, 1 << (ranks.bit_length() - 1)
    lg = q.bit_length() - 1
    for n in (p, 4 * p + 3):  # shorter vectors leave out empty messages
        formulas = {
            ("allreduce", "ring"): (2 * p * (p - 1), 2 * (p - 1) * n),
            ("allreduce", "tree"): (2 * (p - 1), 2 * (p - 1) * n),
            ("allreduce", "doubling"): (q * lg + 2 * (p - q), (q * lg + 2 * (p - q)) * n),
            ("allreduce", "halving"): (2 * q * lg + 2 * (p - q), 2 * (p - 1) * n),
            ("reduce", "linear"): (p - 1, (p - 1) * n),
            ("reduce", "tree"): (p - 1, (p - 1) * n),
            ("bcast", "linear"): (p - 1, (p - 1) * n),
            ("bcast", "tree"): (p - 1, (p - 1) * n),
            ("bcast", "chain1"): (p - 1, (p - 1) * n),
            ("bcast", "chain8"): ((p - 1) * min(8, n), (p - 1) * n),
            ("bcast", "pipeline3"): ((p - 1) * min(3, n), (p - 1) * n),
        }
        for (op, how), wanted in formulas.items():
            assert done(op, how, p, p - 1, n)[2:] == wanted, (op, how, n)


@pytest.mark.parametrize("ranks", RANKS)
def test_an_all_reduce_takes_as_many_rounds_as_it_says(ranks):
    powers = ranks & (ranks - 1) == 0
    longest = {how: max(len(moves("allreduce", how, r, ranks, 0, 64)) for r in range(ranks)) for how in ALLREDUCE}
    assert longest["ring"] == 2 * (ranks - 1)
    assert longest["tree"] <= 2 * ceil(log2(ranks))
    assert longest["doubling"] == int(log2(ranks)) + 2 * (not powers)
    assert longest["halving"] == 2 * int(log2(ranks)) + 2 * (not powers)


@pytest.mark.parametrize("how", ALLREDUCE)
def test_no_rank_sends_less_than_the_lower_bound(how):
    """Every rank's values must leave it, or their sum come back: at least (p - 1)/p of 2n in all per rank."""
    for p in (2, 4, 8, 16):
        sent = [sum(m.values_sent for m in moves("allreduce", how, r, p, 0, 16 * p)) for r in range(p)]
        assert sum(sent) >= 2 * (p - 1) * 16 * p
        assert how not in ("ring", "halving") or max(sent) == 2 * (p - 1) * 16


def test_nothing_is_sent_where_there_is_nothing_to_send():
    assert moves("allreduce", "ring", 0, 1, 0, 5) == ()
    assert moves("bcast", "tree", 1, 3, 0, 0) == ()
    assert moves("allreduce", LIBRARY, 0, 4, 0, 5) == ()
    few = [moves("allreduce", "ring", rank, 5, 0, 2) for rank in range(5)]
    assert all(move.values_sent + move.values_received > 0 for row in few for move in row)
    assert all((move.to is None) == (move.values_sent == 0) for row in few for move in row)


def test_names():
    assert known("allreduce", "mpi") and known("bcast", "chain12") and known("reduce", "tree")
    for op, how in (("reduce", "mpi"), ("bcast", "chain"), ("bcast", "chain0"), ("bcast", "ring"), ("allreduce", "")):
        assert not known(op, how)


def test_cut_is_even_and_complete():
    assert cut(7, 3) == ((0, 2), (2, 4), (4, 7))
    assert cut(2, 4) == ((0, 0), (0, 1), (1, 1), (1, 2))


def test_the_execution_sees_what_would_go_wrong():
    missing = [(send(1, (0, 2)),), ()]
    with pytest.raises(Stuck, match="after"):
        execute(missing, start(2, 2))
    shorter = [(send(1, (0, 2)),), (receive(0, (0, 1)),)]
    with pytest.raises(AssertionError, match="another length"):
        execute(shorter, start(2, 2))
    both_send = [(send(1, (0, 1)), receive(1, (0, 1))), (send(0, (0, 1)), receive(0, (0, 1)))]
    with pytest.raises(Stuck):
        execute(both_send, start(2, 1))
    swapped = start(2, 1)
    execute([(Move(1, (0, 1), 1, (0, 1), True),), (Move(0, (0, 1), 0, (0, 1), True),)], swapped)
    assert swapped[0] == swapped[1] == sum(start(2, 1))
