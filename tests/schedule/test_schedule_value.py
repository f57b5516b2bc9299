"""A schedule as a value: what it says about itself, and what it refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from schedule_cases import END, TINY, one_server, schedule

from labkit.errors import LabError
from labkit.schedule import Piece, Schedule, equal_shares, parse
from labkit.schedule.collectives import Move
from labkit.schedule.pieces import whole
from labkit.schedule.schedule import length, program

PAIR = schedule([f"F0:{END}; B0:{END}; swap g0<>1 +; U0:{END}", f"F0:{END}; B0:{END}; swap g0<>0 +; U0:{END}"])


def test_what_it_says_about_itself():
    assert (PAIR.size, PAIR.batch, PAIR.workers) == (2, 7, (0, 1))
    assert PAIR.shares == ((3,), (4,))
    assert str(PAIR).splitlines() == [
        "test: tiny, batch 7, 2 ranks",
        "0 | F0:5; B0:5; swap g0<>1 +; U0:5",
        "1 | F0:5; B0:5; swap g0<>0 +; U0:5",
    ]
    assert one_server().workers == (1, 2)
    assert str(schedule(["wait"] * 11)).splitlines()[1].startswith(" 0 | ")


def test_values_and_bytes_of_what_an_instruction_works_on():
    three = schedule(["wait"], pieces=(Piece(0, 8), Piece(8, 25)))
    cases = {"send w1>0": 17, "recv g0<0 +": 8, "reduce e>0 tree": 2, "F0:5": 0, "wait": 0}
    for text, values in cases.items():
        assert three.values(parse(text)) == values
        assert three.bytes(parse(text)) == 4 * values


def test_moves_of_messages():
    every = (0, 25)
    assert PAIR.moves(0, parse("send w0>1")) == (Move(1, every, None, every),)
    assert PAIR.moves(0, parse("recv g0<1 +")) == (Move(None, every, 1, every, True),)
    assert PAIR.moves(0, parse("swap g0<>1")) == (Move(1, every, 1, every),)
    assert PAIR.moves(0, parse("push g0>1"))[0].to == 1 and PAIR.moves(0, parse("pull w0<1"))[0].source == 1
    assert PAIR.moves(0, parse("push g0>0")) == PAIR.moves(0, parse("F0:5")) == PAIR.moves(0, parse("wait g0")) == ()
    assert len(PAIR.moves(0, parse("allreduce g0 ring"))) == 2
    empty = schedule(["wait", "wait"], pieces=(Piece(4, 4),))
    assert empty.moves(0, parse("send w0>1")) == empty.moves(0, parse("allreduce g0 ring")) == ()


@given(st.integers(1, 300), st.integers(1, 20), st.integers(1, 5))
def test_equal_shares_are_even_and_complete(batch, ranks, micro_batches):
    shares = equal_shares(batch, ranks, micro_batches)
    assert len(shares) == ranks and all(len(share) == micro_batches for share in shares)
    assert sum(map(sum, shares)) == batch
    totals = [sum(share) for share in shares]
    assert max(totals) - min(totals) <= 1
    assert all(max(share) - min(share) <= 1 for share in shares)


@pytest.mark.parametrize(
    ("given_", "message"),
    [((0, 2), "batch of 0"), ((4, 0), "ranks of 0"), ((4, 2, 0), "micro-batches of 0"), ((4, True), "ranks of True")],
)
def test_shares_that_cannot_be_are_refused(given_, message):
    with pytest.raises(LabError, match=f"{message} — give a whole number of at least 1"):
        equal_shares(*given_)


def test_length_and_program():
    assert length(slice(3, 8)) == 5
    assert program(["F0:3; B0:3;", "", " wait "]) == (parse("F0:3"), parse("B0:3"), parse("wait"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("F0:6", r"rank 0, instruction 0 \(F0:6\): network 'tiny' has 5 layers"),
        ("wait; F0:5#1", r"rank 0, instruction 1 \(F0:5#1\): the rank has 1 micro-batches"),
        ("send w1>1", "there are 1 pieces"),
        ("send w0>2", "there are 2 ranks"),
        ("send w0>0", "a rank sends nothing to itself"),
        ("swap g0<>0", "a rank sends nothing to itself"),
    ],
)
def test_instructions_that_name_what_is_not_there_are_refused(line, message):
    with pytest.raises(LabError, match=message):
        schedule([line, "wait"])


def test_a_server_of_its_own_may_be_pushed_to():
    assert schedule(["push g0>0", "wait"]).ranks[0][0].peer == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ranks": ()}, "a schedule of 0 ranks with shares for 2"),
        ({"shares": ((7,),)}, "a schedule of 2 ranks with shares for 1"),
        ({"shares": ((-1,), (8,))}, r"rank 0 has a share of \(-1,\) samples — give whole numbers from 0 up"),
        (
            {"pieces": (Piece(0, 26),)},
            "piece 0 holds the values 0 to 26 of 25 — let it start and stop between",
        ),
        ({"pieces": (Piece(0, 9), Piece(9, 3))}, "piece 1 holds the values 9 to 3"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changed, message):
    fields = {"shares": PAIR.shares, "pieces": whole(TINY), "ranks": PAIR.ranks} | changed
    with pytest.raises(LabError, match=message):
        Schedule("test", TINY, **fields)
