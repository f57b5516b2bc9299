"""Learners' moves, done with real messages: results, standstills, and what are no moves."""

import numpy as np
import pytest

from labkit.course import exchange
from labkit.course.compare import Told
from labkit.schedule.collectives import ALGORITHMS, LIBRARY, Move, moves
from labkit.widgets._collective import play


def library(algorithm):
    return lambda rank, ranks, values: list(moves("allreduce", algorithm, rank, ranks, 0, values))


@pytest.mark.parametrize("algorithm", [name for name in ALGORITHMS["allreduce"] if name != LIBRARY])
@pytest.mark.parametrize(("ranks", "values"), [(2, 1), (3, 10), (5, 3), (6, 2_003), (7, 5_000)])
def test_the_library_s_algorithms_sum(algorithm, ranks, values):
    words, held = exchange.outcome(library(algorithm), (ranks, values, exchange.HERE))
    assert words == exchange.ALL_THERE
    assert np.array_equal(held, exchange.vectors(ranks, values).astype(float).sum(0)[None].repeat(ranks, 0))


def test_vectors_differ_and_stay_the_same():
    one, again = exchange.vectors(4, 9), exchange.vectors(4, 9)
    assert np.array_equal(one, again) and len({tuple(row) for row in one.tolist()}) == 4


def halves(receive_first):
    def function(rank, ranks, values):
        into = Move(None, (0, 0), (rank - 1) % ranks, (0, values), True)
        out = Move((rank + 1) % ranks, (0, values), None, (0, 0))
        return [into, out] if receive_first else [out, into]

    return function


def test_a_deadlock_is_told_with_who_waits_for_whom():
    words, _ = exchange.outcome(halves(receive_first=True), (3, 4, exchange.HERE))
    assert isinstance(words, Told) and words.startswith("standstill")
    assert all(f"rank {r} waits in its move 0 for a message of rank {(r - 1) % 3}" in words for r in range(3))


@pytest.mark.parametrize(("values", "stands"), [(1_000, False), (1_100, True)])
def test_long_messages_wait_for_their_receiver(values, stands):
    words, _ = exchange.outcome(halves(receive_first=False), (2, values, exchange.HERE))
    assert words.startswith("standstill") == stands


def test_messages_of_unequal_length_are_told():
    def function(rank, ranks, values):
        return [Move(1 - rank, (0, 2 + rank), 1 - rank, (0, 2))]

    words, _ = exchange.outcome(function, (2, 8, exchange.HERE))
    assert "3 values" in words and "2 of" in words


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "is a return missing"),
        ("moves", "a value of type str"),
        ([1], "move 0 is 1"),
        ([Move(7, (0, 1), None, (0, 0))], "names rank 7"),
        ([Move(None, (0, 0), 0, (0, 1))], "names rank 0"),
        ([Move(1, (0, 9), None, (0, 0))], "of a vector of 8"),
        ([Move(1, 3, None, (0, 0))], "the values 3"),
    ],
)
def test_what_are_no_moves_is_told(given, said):
    words, _ = exchange.outcome(lambda rank, ranks, values: given, (2, 8, exchange.HERE))
    assert said in words


def test_empty_halves_are_left_out():
    def function(rank, ranks, values):
        return [Move(1 - rank, (0, 0), 1 - rank, (3, 3)), Move(1 - rank, (0, 1), None, None)]

    assert exchange.programs_of(function, 2, 8) == [[Move(1 - r, (0, 1), None, (0, 0))] for r in range(2)]


def test_a_stub_comes_back():
    assert exchange.outcome(lambda rank, ranks, values: ..., (2, 8, exchange.HERE)) == [..., ...]


def test_the_picture_sees_what_the_messages_do():
    """The widget plays moves by itself; both have to come to the same end."""
    for ranks, values in ((2, 3), (5, 8)):
        programs = exchange.programs_of(library("ring"), ranks, values)
        assert play(programs, values).holds[-1] == [[(1,) * ranks] * values] * ranks


def test_bytes_of_the_busiest_rank():
    assert exchange.bytes_of(exchange.programs_of(library("ring"), 4, 8)) == 4 * 2 * 6


def test_the_learner_s_moves_are_shown_once_there_are_some():
    def stub(rank, ranks, values):
        raise NotImplementedError

    assert "first" in exchange.played(stub).data
    assert exchange.played(library("ring"), ranks=3, values=7).says.startswith("Right")
    view = exchange.played(halves(receive_first=True), ranks=3, values=6)
    assert "Right" not in view.says
