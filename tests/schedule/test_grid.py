"""The grid of time and ranks: what it draws around a fault, and that it can be drawn for every fault."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schedule_cases import END, all_reduced, overlapped, right_schedules, schedule, with_program

from labkit.network import zoo
from labkit.schedule import Fault, grid, parse, validate
from labkit.schedule.grid import LEGEND
from labkit.schedule.pieces import buckets
from labkit.schedule.schedule import program

RIGHT = right_schedules()


def test_two_collectives_that_do_not_meet():
    made = with_program(all_reduced(3), 1, program([f"F0:{END}; B0:{END}; reduce g0>0 tree; U0:{END}"]))
    (fault,) = validate(made)
    assert grid(made, fault).splitlines() == [
        "round         0     1     2",
        "rank 0        F0:5  B0:5  allreduce g0 ring ...",
        "rank 1        F0:5  B0:5  [reduce g0>0 tree] ...",
        "rank 2        F0:5  B0:5  allreduce g0 ring ...",
        LEGEND,
    ]


def test_a_missing_wait_stands_beside_what_is_still_under_way():
    made = overlapped(2)
    made = with_program(made, 1, [i for i in made.ranks[1] if str(i) != "wait g0"])
    (fault,) = validate(made)
    rows = grid(made, fault, width=140).splitlines()
    main, network = (next(row for row in rows if row.startswith(start)) for start in ("rank 1  ", "rank 1 &"))
    assert main.index("[U w0]") == network.index("allreduce g2 ring")
    assert "[" not in "".join(row for row in rows[:-1] if row is not main)


def test_one_column_is_one_round_for_all_who_meet_in_it():
    made = schedule([f"F0:{END}; B0:{END}; send g0>1; U0:{END}", f"F0:{END}; recv g0<0; B0:{END}; U0:{END}"])
    rows = grid(made, validate(made)[0]).splitlines()
    assert rows[1].index("send g0>1") == rows[2].index("recv g0<0")


def test_a_long_schedule_is_drawn_around_the_fault():
    network = zoo.get("vgg16")
    pieces = buckets(network, 0)
    lines = "".join(f"; allreduce g{n} ring" for n in range(len(pieces)))
    end = len(network)
    made = schedule([f"F0:{end}; B0:{end}{lines}; U0:{end}"] * 20, network=network, pieces=pieces, batch=40)
    made = with_program(made, 15, [i for i in made.ranks[15] if i.key != "g7"])
    (fault,) = validate(made)
    drawn = grid(made, fault)
    assert max(map(len, drawn.splitlines())) <= 100
    assert "[allreduce g7 ring]" in drawn and "F0:" not in drawn and "(8 more ranks)" in drawn
    fault = Fault("maths", 15, 5, 1, "")
    assert "rank 15 " in grid(made, fault) and "rank 0 " not in grid(made, fault)
    assert len(grid(made, fault, width=10).splitlines()[0].split()) == 2  # one round always


def test_an_instruction_that_is_never_come_to_stands_at_the_end():
    made = schedule([f"F0:{END}; recv g0<1; U0:{END}", f"F0:{END}; B0:{END}"])
    row = grid(made, Fault("maths", 0, 2, 0, "")).splitlines()[1]
    assert row.split()[2:] == ["F0:5", "recv", "g0<1", "...", "[U0:5]"]


def test_a_rank_that_does_nothing():
    made = with_program(all_reduced(2), 1, ())
    fault = next(fault for fault in validate(made) if fault.rank == 1)
    assert "[(nothing)]" in grid(made, fault)


def test_servers_have_rows_of_their_own_and_long_spellings_are_cut():
    made = RIGHT["sync shards"]
    made = with_program(made, 0, made.ranks[0][1:])
    assert "rank 0 serve" in grid(made, validate(made)[0])
    made = schedule([f"F0:{END}; B0:{END}; bcast w0<1 pipeline1000000 &", "wait"])
    assert "[bcast w0<1 pipelin..] ..." in grid(made, validate(made)[0])


@pytest.mark.parametrize("name", RIGHT)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.data())
def test_every_fault_can_be_drawn(name, data):
    made = RIGHT[name]
    rank = data.draw(st.sampled_from([r for r, program in enumerate(made.ranks) if program]))
    line = list(made.ranks[rank])
    n, m = (data.draw(st.integers(0, len(line) - 1)) for _ in range(2))
    line[n : n + 1] = data.draw(st.sampled_from([[], [line[n]] * 2, [line[m]], [parse("wait")]]))
    broken = with_program(made, rank, line)
    for fault in validate(broken)[:5]:
        rows = grid(broken, fault).splitlines()
        assert max(map(len, rows)) <= 100
        assert sum("[" in row for row in rows[:-1]) == 1
