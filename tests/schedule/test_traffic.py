"""What a schedule says it sends, against sums worked out by hand and against messages that were really sent."""

import pytest
from move_execution import execute, start
from schedule_cases import TINY, all_reduced, chunked, master, one_server, right_schedules, schedule, sharded_servers

from labkit.schedule.collectives import LIBRARY
from labkit.schedule.instruction import COLLECTIVES
from labkit.schedule.traffic import INSIDE_LIBRARY, Sent, Traffic, gather, traffic

MODEL = 4 * TINY.parameters
ROWS = Traffic((Sent(0, 1, 2, 3, 40), Sent(0, 2, 2, 1, 8), Sent(1, 0, 4, 2, 12)))


def test_sums_and_parts():
    assert (ROWS.messages, ROWS.bytes) == (6, 60)
    assert (ROWS.of(0).messages, ROWS.of(0).bytes) == (4, 48)
    assert (ROWS.to(0).messages, ROWS.to(0).bytes) == (2, 12)
    assert ROWS.times(3).rows[0] == Sent(0, 1, 2, 9, 120) and ROWS.times(3).bytes == 180
    assert ROWS.times(0) == Traffic(())


def test_gather_adds_up_and_sorts_and_drops_what_is_empty():
    assert gather([Sent(1, 0, 4, 1, 6), *ROWS.rows[:2], Sent(1, 0, 4, 1, 6), Sent(2, 0, 0, 0, 0)]) == ROWS


@pytest.mark.parametrize("ranks", range(2, 9))
def test_what_the_schemes_send_is_the_formula(ranks):
    assert traffic(all_reduced(ranks, "ring")).bytes == 2 * (ranks - 1) * MODEL
    assert traffic(all_reduced(ranks, "ring")).messages == 2 * ranks * (ranks - 1)
    for how in ("linear", "tree"):
        sent = traffic(master(ranks, how))
        assert (sent.messages, sent.bytes) == (2 * (ranks - 1), 2 * (ranks - 1) * MODEL)
    sent = traffic(chunked(ranks))
    assert (sent.messages, sent.bytes) == ((ranks - 1) * 3, 2 * (ranks - 1) * MODEL)
    sent = traffic(one_server(ranks))
    assert (sent.messages, sent.bytes) == (4 * ranks, 2 * ranks * MODEL)
    assert sent.of(0).bytes == sent.to(0).bytes == ranks * MODEL
    sent = traffic(sharded_servers(ranks))
    assert (sent.messages, sent.bytes) == (2 * 6 * (ranks - 1), 2 * (ranks - 1) * MODEL)
    assert not any(row.rank == row.peer for row in sent.rows)


def test_the_answers_of_a_server_stand_under_its_first_serve():
    rows = traffic(one_server(2)).of(0).rows
    assert [(row.peer, row.position, row.messages, row.bytes) for row in rows] == [(1, 0, 2, MODEL), (2, 0, 2, MODEL)]


def test_the_librarys_all_reduce_is_one_call_per_rank():
    assert traffic(all_reduced(4, "mpi")).rows == tuple(Sent(r, INSIDE_LIBRARY, 2, 1, MODEL) for r in range(4))
    assert traffic(all_reduced(1, "mpi")) == traffic(all_reduced(1, "ring")) == Traffic(())


def test_messages_of_two_ranks_by_position():
    pair = schedule(["send w0>1; recv g0<1 +; swap e<>1", "recv w0<0; send g0>0; swap e<>0"])
    assert traffic(pair).rows == (
        *(Sent(0, 1, 0, 1, MODEL), Sent(0, 1, 2, 1, 8)),
        *(Sent(1, 0, 1, 1, MODEL), Sent(1, 0, 2, 1, 8)),
    )


@pytest.mark.parametrize("name", right_schedules())
def test_collectives_send_what_traffic_counts(name):
    made = right_schedules()[name]
    for position, i in enumerate(made.ranks[0]):
        if i.op not in COLLECTIVES or i.how == LIBRARY:
            continue
        where = [next(n for n, other in enumerate(p) if other == i) for p in made.ranks]
        moves = [made.moves(rank, i) for rank in range(made.size)]
        messages, values = execute(moves, start(made.size, made.values(i)))
        counted = [row for row in traffic(made).rows if row.position == where[row.rank]]
        assert (sum(row.messages for row in counted), sum(row.bytes for row in counted)) == (messages, 4 * values)
        assert where[0] == position
