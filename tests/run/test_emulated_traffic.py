"""Any traffic over an emulated network: it arrives as it was sent, at the times that the simulator says."""

import heapq

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from still_clock import LATENCY, SLOW, TAG, StillClock, ranks, values

from labkit.machine.links import Link
from labkit.schedule.collectives import ALGORITHMS, LIBRARY, moves
from labkit.schedule.simulate import collective_seconds


@settings(max_examples=60, deadline=None)
@given(
    messages=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 5000), st.integers(0, 400_000)), max_size=12
    ),
    ports=st.integers(1, 2),
    late=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_any_traffic_arrives_as_it_was_sent_and_no_port_carries_two_messages(messages, ports, late):
    with pytest.MonkeyPatch.context() as patch:
        clock = StillClock(patch)
        everyone = ranks(3, Link("x", 500e-6, 100e6, ports=ports, emulated=True))
        sends, receives, now = [], [], 0
        for n, (source, to, count, pause) in enumerate(messages):
            to = (source + 1) % 3 if to == source else to
            now += pause
            clock.at(now)
            buffer = np.zeros(count, np.float32)
            receives.append((everyone[to], buffer, source, TAG + 4 * n))
            if not late[n]:
                receives[-1] = (*receives[-1], everyone[to].receive(*receives[-1][1:]))
            sends.append((everyone[source], everyone[source].send(values(count, n), to, TAG + 4 * n)))
        receives = [r if len(r) == 5 else (*r, r[0].receive(*r[1:4])) for r in receives]
        for communicator, ticket in [*sends, *((r[0], r[4]) for r in receives)]:
            for _ in range(50):
                if communicator.done(ticket):
                    break
                clock.now = max(clock.now, communicator.due_ns(ticket))
            assert communicator.done(ticket)
        for n, (_, buffer, *_rest) in enumerate(receives):
            assert np.array_equal(buffer, values(len(buffer), n))
        for rank in range(3):
            out = [(t.free_ns - t.buffer.nbytes * 10, t.free_ns) for c, t in sends if c.rank == rank]
            into = [(t.message.end_ns - b.nbytes * 10, t.message.end_ns) for c, b, *_, t in receives if c.rank == rank]
            assert most_at_a_time(out) <= ports and most_at_a_time(into) <= ports
        for (_, sent), (*_, received) in zip(sends, receives, strict=True):
            assert received.message.end_ns >= sent.free_ns + LATENCY


def most_at_a_time(spans):
    edges = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    held, most = 0, 0
    for _, step in edges:
        held += step
        most = max(most, held)
    return most


def one_rank(communicator, vector, program):
    """A generator that does `moves` of one rank, and yields the ticket that it waits for."""
    spare = np.empty_like(vector)
    for move in program:
        tickets = []
        if move.to is not None:
            tickets.append(communicator.send(vector[slice(*move.sent)], move.to, TAG))
        if move.source is not None:
            into = spare[: move.values_received]
            tickets.append(communicator.receive(into, move.source, TAG))
        for ticket in tickets:
            while not communicator.done(ticket):
                yield ticket
        if move.source is not None:
            there = vector[slice(*move.received)]
            there[:] = there + into if move.add else into


def seconds_of(clock, op, how, size, count):
    """Seconds on the still clock until all ranks have done a collective, and what each of them then has."""
    everyone = ranks(size)
    vectors = [values(count, rank) for rank in range(size)]
    running = [one_rank(c, v, moves(op, how, c.rank, size, 0, count)) for c, v in zip(everyone, vectors, strict=True)]
    todo = [(clock.start, n) for n in range(size)]  # when to look at each rank again
    end = clock.start
    while todo:
        clock.now, n = heapq.heappop(todo)
        ticket = next(running[n], None)
        if ticket is None:
            end = max(end, clock.now)
        else:
            heapq.heappush(todo, (max(clock.now + 1, everyone[n].due_ns(ticket)), n))
    return (end - clock.start) / 1e9, vectors


CASES = [(op, how) for op, family in ALGORITHMS.items() for how in family if how != LIBRARY and not how.endswith("K")]


@pytest.mark.parametrize(("op", "how"), [*CASES, ("bcast", "chain3")])
@pytest.mark.parametrize("size", [2, 3, 5, 8])
def test_a_collective_takes_what_the_simulator_says(monkeypatch, op, how, size):
    for count in (7, 1000):
        took, vectors = seconds_of(StillClock(monkeypatch), op, how, size, count)
        assert took == pytest.approx(collective_seconds(op, how, size, count, SLOW), abs=1e-6)
        total = sum(values(count, rank) for rank in range(size))
        expected = values(count, 0) if op == "bcast" else total
        for rank in range(size) if op != "reduce" else [0]:
            assert np.array_equal(vectors[rank], expected)
