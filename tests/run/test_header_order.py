"""Over an emulated network a server hears of pushes in the order in which their gradients come."""

import numpy as np
import pytest
from still_clock import LATENCY, SLOW, StillClock, ranks, values

from labkit.run.communicators.protocol import ANY
from labkit.run.tags import BARRIER, HEADER, carries_payload, slowed_down, tag_of, version_tag
from labkit.schedule import parse

PUSH = tag_of(parse("push g0>0"))
BYTES_NS = round(4000 / SLOW.bytes_per_s * 1e9)


@pytest.fixture
def clock(monkeypatch):
    return StillClock(monkeypatch)


def push(sender):
    """What a worker sends: who it is, and 1000 values."""
    return [sender.send(np.full(3, sender.rank), 0, HEADER), sender.send(values(1000), 0, PUSH)]


def test_the_first_to_send_is_heard_of_first_whoever_was_heard_first_below(clock):
    """Rank 2's messages are in the mailbox before those of rank 1, which has sent 10 us earlier."""
    server, one, two = ranks(3)
    header, again = np.empty(3, np.int64), np.empty(3, np.int64)
    first = server.receive(header, ANY, HEADER)
    clock.at(10_000)
    push(two)
    clock.at(0)
    push(one)
    assert clock.becomes_done(server, first, LATENCY)
    assert (first.peer, header[0]) == (1, 1)
    second = server.receive(again, ANY, HEADER)
    assert clock.becomes_done(server, second, LATENCY + BYTES_NS)  # behind the gradients of rank 1
    assert (second.peer, again[0]) == (2, 2)


def test_a_header_takes_no_time_of_a_port(clock):
    server, one = ranks(2)
    clock.at(0)
    push(one)
    gradients = server.receive(np.empty(1000, np.float32), 1, PUSH)
    assert clock.becomes_done(server, gradients, LATENCY + BYTES_NS)


def test_a_header_waits_for_the_port_that_its_gradients_wait_for(clock):
    """Otherwise it would come before those of a worker whose port was free."""
    server, one = ranks(2)
    clock.at(0)
    one.send(values(1000), 0, PUSH + 4)
    push(one)
    header = server.receive(np.empty(3, np.int64), 1, HEADER)
    assert clock.becomes_done(server, header, LATENCY + BYTES_NS)


def test_what_is_held_back():
    assert slowed_down(PUSH) and slowed_down(HEADER)
    assert not slowed_down(BARRIER) and not slowed_down(version_tag(3))
    assert carries_payload(PUSH) and not carries_payload(HEADER)
