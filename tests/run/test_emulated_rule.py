"""The emulated network's rule, with a clock that stands still until a test moves it: every time is exact."""

import numpy as np
import pytest
from still_clock import LATENCY, TAG, StillClock, ranks, values

from labkit.errors import LabError
from labkit.machine.links import Link, parse_link
from labkit.run.communicators import arrivals
from labkit.run.communicators.protocol import ANY
from labkit.run.tags import BARRIER


@pytest.fixture
def clock(monkeypatch):
    return StillClock(monkeypatch)


def test_a_message_takes_latency_and_bytes_over_bandwidth(clock):
    one, two = ranks(2)
    buffer = np.zeros(1000, np.float32)
    sent, received = one.send(values(1000), 1, TAG), two.receive(buffer, 0, TAG)
    assert clock.becomes_done(one, sent, 40_000)  # 4000 bytes: the sender's port is free again
    assert clock.becomes_done(two, received, LATENCY + 40_000)
    assert np.array_equal(buffer, values(1000)) and received.peer == 0


def test_sends_queue_at_the_port_out(clock):
    one, two = ranks(2)
    sends = [one.send(values(1000), 1, TAG + n) for n in range(3)]
    receives = [two.receive(np.zeros(1000, np.float32), 0, TAG + n) for n in range(3)]
    for n in range(3):
        assert clock.becomes_done(one, sends[n], (n + 1) * 40_000)
    for n in range(3):
        assert clock.becomes_done(two, receives[n], LATENCY + (n + 1) * 40_000)


def test_receives_queue_at_the_port_in_and_latencies_overlap(clock):
    server, *workers = ranks(4)
    receives = [server.receive(np.zeros(1000, np.float32), w.rank, TAG) for w in workers]
    for w in workers:
        w.send(values(1000), 0, TAG)
    for n in range(3):
        assert clock.becomes_done(server, receives[n], LATENCY + (n + 1) * 40_000)


def test_two_ports_carry_two_messages_at_a_time(clock):
    one, two = ranks(2, Link("two ports", 500e-6, 100e6, ports=2, emulated=True))
    sends = [one.send(values(1000), 1, TAG + n) for n in range(3)]
    receives = [two.receive(np.zeros(1000, np.float32), 0, TAG + n) for n in range(3)]
    assert clock.becomes_done(one, sends[1], 40_000) and one.done(sends[0])
    assert clock.becomes_done(one, sends[2], 80_000)
    clock.at(LATENCY + 40_000)
    assert two.done(receives[0]) and two.done(receives[1])
    assert clock.becomes_done(two, receives[2], LATENCY + 80_000)


def test_sending_and_receiving_do_not_disturb_each_other(clock):
    one, two = ranks(2)
    received = one.receive(np.zeros(1000, np.float32), 1, TAG)
    sent = one.send(values(1000), 1, TAG)
    two.send(values(1000), 0, TAG)
    assert clock.becomes_done(one, sent, 40_000)
    assert clock.becomes_done(one, received, LATENCY + 40_000)


def test_ports_in_go_to_what_arrives_first_whichever_lane_it_is_for(clock):
    server, late, early = ranks(3)
    for_late = server.receive(np.zeros(1000, np.float32), 1, TAG)  # asked for first
    for_early = server.receive(np.zeros(1000, np.float32), 2, TAG)
    early.send(values(1000), 0, TAG)
    clock.at(10_000)
    late.send(values(1000), 0, TAG)
    assert not server.done(for_late)
    assert clock.becomes_done(server, for_late, LATENCY + 80_000)
    assert server.done(for_early)
    clock.at(LATENCY + 40_000)
    assert server.done(for_early)


def test_what_came_before_it_was_asked_for_is_there_at_once(clock):
    one, two = ranks(2)
    one.send(values(1000), 1, TAG)
    clock.at(10_000_000)
    assert two.done(two.receive(np.zeros(1000, np.float32), 0, TAG))


def test_a_message_from_a_port_that_was_busy_arrives_later(clock):
    one, two = ranks(2)
    one.send(values(100_000), 1, TAG)  # 4 ms
    clock.at(1_000_000)
    one.send(values(1000), 1, TAG + 1)
    small = two.receive(np.zeros(1000, np.float32), 0, TAG + 1)
    assert clock.becomes_done(two, small, 4_000_000 + LATENCY + 40_000)


def test_the_buffer_is_free_as_soon_as_the_port_is(clock):
    one, two = ranks(2, slow_to_leave=True)  # below, the message has not left yet
    mine, theirs = values(1000), np.zeros(1000, np.float32)
    sent = one.send(mine, 1, TAG)
    clock.at(40_000)
    assert one.done(sent)
    mine[:] = -1
    received = two.receive(theirs, 0, TAG)
    clock.at(LATENCY + 40_000)
    assert two.done(received) and np.array_equal(theirs, values(1000))


def test_bookkeeping_is_not_slowed_down(clock):
    one, two = ranks(2)
    buffer = np.zeros(3, np.int64)
    one.send(np.arange(3), 1, BARRIER)
    received = two.receive(buffer, ANY, BARRIER)
    assert two.done(received) and received.peer == 0 and list(buffer) == [0, 1, 2]
    assert two.due_ns(received) == 0


def test_from_any_rank_messages_keep_their_order(clock):
    server, *workers = ranks(4)
    buffers = [np.zeros(2, np.float32) for _ in range(6)]
    receives = [server.receive(buffer, ANY, TAG) for buffer in buffers]
    for n in range(6):
        workers[n % 3].send(np.array([n % 3 + 1, n // 3], np.float32), 0, TAG)
    clock.at(10**9)
    assert all(server.done(r) for r in reversed(receives))  # whatever the order of asking
    assert [int(b[0]) for b in buffers] == [r.peer for r in receives]
    for worker in (1, 2, 3):
        assert [int(b[1]) for b in buffers if b[0] == worker] == [0, 1]


def test_from_any_rank_what_arrives_first_comes_first_though_it_was_sent_later(clock):
    server, one, two = ranks(3)
    buffers = [np.zeros(1000, np.float32) for _ in range(3)]
    receives = [server.receive(buffer, ANY, TAG) for buffer in buffers]
    for number, worker in ((1, one), (2, one), (3, two)):  # the second one waits for its sender's port
        worker.send(np.full(1000, number, np.float32), 0, TAG)
    clock.at(10**9)
    assert all(server.done(r) for r in receives)
    assert [int(b[0]) for b in buffers] == [1, 3, 2]


def test_when_to_ask_again_is_never_after_the_messages_time(clock):
    one, two = ranks(2)
    buffer = np.zeros(1000, np.float32)
    received = two.receive(buffer, 0, TAG)
    assert clock.now < two.due_ns(received) <= clock.now + LATENCY + 40_000  # not sent yet
    sent = one.send(values(1000), 1, TAG)
    for ticket, communicator, end in ((sent, one, 40_000), (received, two, LATENCY + 40_000)):
        asked = 0
        while not communicator.done(ticket):
            due = communicator.due_ns(ticket)
            assert clock.now < due <= clock.start + end
            clock.now, asked = due, asked + 1
        assert clock.now == clock.start + end and asked <= 4


def test_the_librarys_own_all_reduce_is_refused():
    with pytest.raises(LabError, match="ring, tree, doubling or halving"):
        ranks(2)[0].allreduce(values(4))


def test_ranks_of_two_machines_are_refused(clock, monkeypatch):
    one, two = ranks(2)
    one.send(values(10), 1, TAG)
    received = two.receive(np.zeros(10, np.float32), 0, TAG)
    monkeypatch.setattr(arrivals, "machine", lambda: 1)
    with pytest.raises(LabError, match="two machines"):
        two.done(received)


def test_it_says_what_it_is():
    one = ranks(2, parse_link("emulated:500,100"))[0]
    assert (one.rank, one.size, one.regime) == (0, 2, "emulated")
    assert one.name == "a mailbox slowed down to 500 us, 100 MB/s"
    one.close()
    assert one.inner.boxes[0] is None


def test_figures_beyond_the_emulation_are_told_once():
    with pytest.warns(UserWarning, match="below 200 us") as told:
        ranks(3, parse_link("emulated:5,100"))
    assert len(told) == 1


def test_a_lane_that_was_woken_late_sends_as_if_it_had_been_in_time(clock):
    one, two = ranks(2)
    one.send(values(1000), 1, TAG)
    received = two.receive(np.zeros(1000, np.float32), 0, TAG)
    assert not two.done(received)
    clock.at(LATENCY + 40_000 + 70_000)  # 70 us late
    assert two.done(received)
    clock.at(LATENCY + 40_000 + 100_000)  # 30 us of work on what came
    assert two.send(values(1000), 0, TAG).free_ns == clock.start + LATENCY + 40_000 + 30_000 + 40_000


def test_who_did_not_wait_is_not_late(clock):
    one, two = ranks(2)
    one.send(values(1000), 1, TAG)
    clock.at(5_000_000)  # the rank computed while the message came
    assert two.done(two.receive(np.zeros(1000, np.float32), 0, TAG))
    assert two.send(values(1000), 0, TAG).free_ns == clock.now + 40_000


def test_more_than_most_of_the_latency_is_nobodys_oversleeping(clock):
    one, two = ranks(2)
    one.send(values(1000), 1, TAG)
    received = two.receive(np.zeros(1000, np.float32), 0, TAG)
    assert not two.done(received)
    clock.at(50_000_000)
    assert two.done(received)
    assert two.send(values(1000), 0, TAG).free_ns == clock.now - LATENCY * 3 // 4 + 40_000


def test_after_a_barrier_nobody_is_late(clock):
    one, two = ranks(2)
    one.send(values(1000), 1, TAG)
    received = two.receive(np.zeros(1000, np.float32), 0, TAG)
    assert not two.done(received)
    clock.at(LATENCY + 40_000 + 70_000)
    assert two.done(received)
    one.send(np.zeros(1), 1, BARRIER)
    assert two.done(two.receive(np.zeros(1), 0, BARRIER))
    assert two.send(values(1000), 0, TAG).free_ns == clock.now + 40_000


def test_a_lag_is_forgotten(clock):
    one, two = ranks(2)
    one.send(values(1000), 1, TAG)
    received = two.receive(np.zeros(1000, np.float32), 0, TAG)
    assert not two.done(received)
    clock.at(LATENCY + 40_000 + 70_000)
    assert two.done(received)
    clock.at(10 * LATENCY)
    assert two.send(values(1000), 0, TAG).free_ns == clock.now + 40_000


def test_a_lane_goes_on_from_the_last_of_its_messages(clock):
    one, two = ranks(2)
    one.send(values(1000), 1, TAG)
    received, sent = two.receive(np.zeros(1000, np.float32), 0, TAG), two.send(values(10), 0, TAG)
    assert not two.done(received) and not two.done(sent)
    clock.at(LATENCY + 40_000 + 70_000)
    assert two.done(received) and two.done(sent)  # the send was over long ago
    assert two.send(values(1000), 0, TAG).free_ns == clock.start + LATENCY + 40_000 + 40_000


def test_a_rank_leaves_when_what_it_sent_has_left(clock):
    one, _ = ranks(2, slow_to_leave=True)
    sent = one.send(values(1000), 1, TAG)
    clock.at(40_000)
    assert one.done(sent)
    asked = []

    def leave_at_last(ticket):
        asked.append(ticket)
        return len(asked) > 3

    one.inner.done = leave_at_last
    one.close()
    assert sent.left and one.inner.boxes[0] is None


def test_after_a_failure_a_rank_leaves_at_once(clock):
    one, _ = ranks(2, slow_to_leave=True)
    left = []
    one.inner.close = lambda: left.append(True)
    sent = one.send(values(1000), 1, TAG)
    clock.at(40_000)
    assert one.done(sent)  # a thread of its own now sees to it
    one.inner.done = lambda ticket: False
    one.give_up()
    one._driver.join(10)
    assert left and not one._driver.is_alive()


def test_data_that_is_late_is_looked_for_again_and_again_but_not_without_a_pause(clock):
    one, two = ranks(2)
    received = two.receive(np.zeros(5000, np.float32), 0, TAG)
    one.send(values(5000), 1, TAG)
    done, two._arrivals._inner.done = two._arrivals._inner.done, lambda t: done(t) and t.tag != TAG
    clock.at(10**7)
    assert not two.done(received) and received.end_ns < clock.now
    assert clock.now < two.due_ns(received) <= clock.now + 100_000
