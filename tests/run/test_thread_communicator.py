"""Messages between threads: what arrives where and when, and what is refused."""

import threading

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.run.communicators.protocol import ANY
from labkit.run.communicators.threads import connect


def vector(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@pytest.mark.parametrize("asked_first", [True, False])
@pytest.mark.parametrize("eager_bytes", [0, 1000])
def test_a_message_arrives_whoever_comes_first(asked_first, eager_bytes):
    a, b = connect(2, eager_bytes)
    into, sent = np.zeros(3, np.float32), vector(1, 2, 3)
    if asked_first:
        received = b.receive(into, 0, 9)
        assert not b.done(received)
    leaving = a.send(sent, 1, 9)
    assert a.done(leaving) == (asked_first or eager_bytes > 0)
    if not asked_first:
        if eager_bytes:
            sent[:] = 7  # the buffer is the sender's again
        received = b.receive(into, 0, 9)
    assert b.done(received) and a.done(leaving) and received.peer == 0
    assert into.tolist() == [1, 2, 3]


def test_messages_of_one_tag_keep_their_order_and_tags_keep_apart():
    a, b = connect(2)
    for tag, value in ((8, 1), (9, 2), (8, 3)):
        a.send(vector(value), 1, tag)
    into = [np.zeros(1, np.float32) for _ in range(3)]
    for buffer, tag in zip(into, (8, 8, 9), strict=True):
        assert b.done(b.receive(buffer, 0, tag))
    assert [x[0] for x in into] == [1, 3, 2]


def test_requests_are_met_in_their_order():
    a, b = connect(2)
    first, second = np.zeros(1, np.float32), np.zeros(1, np.float32)
    tickets = [b.receive(first, 0, 8), b.receive(second, 0, 8)]
    a.send(vector(5), 1, 8)
    assert [b.done(t) for t in tickets] == [True, False] and (first[0], second[0]) == (5, 0)


def test_any_takes_whichever_comes_first_and_says_whose_it_was():
    a, b, c = connect(3)
    into = np.zeros(1, np.float32)
    ticket = a.receive(into, ANY, 1)
    b.send(vector(1), 0, 2)  # another tag
    assert not a.done(ticket)
    c.send(vector(4), 0, 1)
    assert a.done(ticket) and (ticket.peer, into[0]) == (2, 4)
    b.send(vector(6), 0, 1)
    late = a.receive(into, ANY, 1)
    assert a.done(late) and (late.peer, into[0]) == (1, 6)


def test_the_sum_over_all_ranks_is_the_same_bits_in_any_order_of_arrival():
    values = np.float32([1e8, 1.0, -1e8, 0.3])
    for order in ((0, 1, 2, 3), (3, 1, 0, 2)):
        ranks = connect(4)
        buffers = [np.array([v], np.float32) for v in values]
        tickets = {rank: ranks[rank].allreduce(buffers[rank]) for rank in order}
        assert all(ranks[rank].done(ticket) for rank, ticket in tickets.items())
        wanted = ((values[0] + values[1]) + values[2]) + values[3]
        assert [b[0] for b in buffers] == [wanted] * 4
    again = [r.allreduce(np.zeros(1, np.float32)) for r in ranks[:3]]
    assert not ranks[0].done(again[0])


@pytest.mark.parametrize("sent", [np.zeros(2, np.float32), np.zeros(3, np.float64)])
def test_another_length_or_type_is_refused(sent):
    a, b = connect(2)
    a.send(sent, 1, 8)
    with pytest.raises(LabError, match="rank 0 sent"):
        b.receive(np.zeros(3, np.float32), 0, 8)


def test_ranks_that_are_not_there_are_refused():
    (a,) = connect(1)
    with pytest.raises(LabError, match="no rank 1"):
        a.send(vector(1), 1, 8)
    with pytest.raises(LabError, match="no rank 2"):
        a.receive(vector(1), 2, 8)
    with pytest.raises(LabError, match="0 ranks"):
        connect(0)


def test_what_a_rank_sent_before_it_left_arrives_and_nothing_else_does():
    a, b, c = connect(3)
    a.send(vector(3), 1, 8)
    a.close()
    into = np.zeros(1, np.float32)
    assert b.done(b.receive(into, 0, 8)) and into[0] == 3
    for ticket in (b.receive(into, 0, 8), b.send(np.zeros(5000, np.float32), 0, 8), b.allreduce(into)):
        if ticket.peer == ANY:
            c.close()
        with pytest.raises(LabError, match="rank 0 has ended"):
            b.done(ticket)


def test_many_threads_at_once_lose_nothing():
    """Each of four ranks sends 200 numbered messages to each other rank, from two lanes."""
    ranks, errors = connect(4, eager_bytes=0), []

    def talk(rank: int, tag: int) -> None:
        me = ranks[rank]
        for n in range(200):
            others = [other for other in range(4) if other != rank]
            into = {other: np.zeros(1, np.float32) for other in others}
            tickets = [me.receive(into[other], other, tag) for other in others]
            tickets += [me.send(vector(1000 * rank + n), other, tag) for other in others]
            while not all(map(me.done, tickets)):
                pause.wait(1e-5)
            errors.extend((rank, other, n) for other in others if into[other][0] != 1000 * other + n)

    pause = threading.Event()
    threads = [threading.Thread(target=talk, args=(rank, tag)) for rank in range(4) for tag in (8, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not errors and not any(thread.is_alive() for thread in threads)
