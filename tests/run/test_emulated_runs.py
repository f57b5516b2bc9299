"""Whole runs over an emulated network: what is computed stays the same to the last bit, and nothing comes too early."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.machine.links import Link
from labkit.network import zoo
from labkit.run.communicators.emulated import Emulated
from labkit.run.communicators.threads import connect
from labkit.run.job import Job
from labkit.run.local import run_on_threads
from labkit.run.rank.hooks import Hooks
from labkit.run.tags import tag_of
from labkit.schedule import Instruction
from labkit.schedule.costs import Costs, no_compute
from labkit.schedule.simulate import simulate
from labkit.schedule.traffic import traffic
from labkit.schemes import registry

LENET = zoo.get("lenet5")
SLOW = Link("slow", 300e-6, 150e6, emulated=True)
STEPS = 3
CASES = [
    ("allreduce", 2, {"algorithm": "ring"}),
    ("allreduce", 3, {"algorithm": "halving", "bucket_bytes": 50_000}),
    ("master", 3, {}),
    ("chunked", 3, {"chunks": 4}),
    ("parameter-server", 3, {"servers": "1", "mode": "sync"}),
    ("parameter-server", 2, {"servers": "sharded", "placement": "greedy", "mode": "sync"}),
]


@pytest.mark.parametrize(("scheme", "ranks", "options"), CASES)
def test_a_slow_network_changes_no_bit_and_no_count(scheme, ranks, options):
    schedule = registry.build(scheme, LENET, ranks, 10, **options)
    fast = run_on_threads(schedule, Job(steps=STEPS))
    slow = run_on_threads(schedule, Job(steps=STEPS, link=SLOW))
    assert np.array_equal(slow.parameters, fast.parameters) and slow.losses == fast.losses
    assert slow.traffic == fast.traffic == traffic(schedule).times(STEPS)
    assert (slow.timeline.regime, fast.timeline.regime) == ("emulated", "real")
    least = simulate(schedule, Costs(no_compute(LENET), SLOW), STEPS, events=False).seconds
    assert (
        slow.seconds >= least - SLOW.latency_s
    )  # by construction, however slow this machine is; a lane may have a lag


def test_a_server_that_takes_whatever_comes_runs_over_a_slow_network():
    schedule = registry.build("parameter-server", LENET, 3, 9, servers="1", mode="async")
    result = run_on_threads(schedule, Job(steps=STEPS, link=SLOW))
    assert result.traffic == traffic(schedule).times(STEPS)
    assert np.isfinite(result.losses).all()


def test_a_slowed_rank_sleeps_in_every_forward_pass_and_computes_the_same():
    schedule = registry.build("parameter-server", LENET, 3, 9)
    plain = run_on_threads(schedule, Job(steps=STEPS))
    slowed = run_on_threads(schedule, Job(steps=STEPS, link=SLOW, slowed_s=(0.0, 0.0, 0.05)))
    assert np.array_equal(slowed.parameters, plain.parameters)
    begins = [e for e in slowed.timeline.of(2) if e.spelling.startswith("F0:")]
    assert len(begins) == STEPS and all(event.seconds >= 0.05 for event in begins)


def test_seconds_that_cannot_be_slept():
    for wrong in ({"slowed_s": (-1.0,), "link": SLOW}, {"slowed_s": (0.1, 0.1)}):
        with pytest.raises(LabError, match=r"slowed_s|on a network that is not"):
            Job(**wrong)
    with pytest.raises(LabError, match="slowed_s of 2 ranks for a rank 2"):
        run_on_threads(registry.build("parameter-server", LENET, 3, 9), Job(link=SLOW, slowed_s=(0.0, 0.1)))


def test_every_update_is_told_as_it_is_made():
    told = []
    schedule = registry.build("parameter-server", LENET, 3, 9, servers="sharded", mode="async")
    result = run_on_threads(schedule, Job(steps=STEPS), hooks=lambda rank: Hooks(on_update=told.append))
    assert sorted(told) == list(result.staleness) and len(told) == 3 * STEPS * len(schedule.pieces)


def test_two_lanes_of_each_rank_share_the_ports():
    items, size, count = ("g", "w"), 2000, 6
    one, two = (Emulated(communicator, SLOW) for communicator in connect(2))
    sent = {item: [np.full(size, n, np.float32) for n in range(count)] for item in items}
    came = {item: [np.empty(size, np.float32) for _ in range(count)] for item in items}

    def lane(communicator, item, work):
        tag = tag_of(Instruction("send", item=item, piece=0, peer=1))
        for n in range(count):
            ticket = work(communicator, item, n, tag)
            while not communicator.done(ticket):
                pass
        return communicator.rank

    def send(communicator, item, n, tag):
        return communicator.send(sent[item][n], 1, tag)

    def receive(communicator, item, n, tag):
        return communicator.receive(came[item][n], 0, tag)

    with ThreadPoolExecutor(4) as pool:
        lanes = [pool.submit(lane, one, item, send) for item in items]
        lanes += [pool.submit(lane, two, item, receive) for item in items]
        assert sorted(done.result(timeout=20) for done in lanes) == [0, 0, 1, 1]
    assert all(np.array_equal(a, b) for item in items for a, b in zip(sent[item], came[item], strict=True))


def test_all_traffic_of_a_rank_goes_through_its_ports():
    """12 messages out of one port take at least as long as one of their length together, and arrive after that."""
    one, two = (Emulated(communicator, SLOW) for communicator in connect(2))
    tickets = [one.send(np.zeros(2000, np.float32), 1, 8 + 4 * n) for n in range(12)]
    receives = [two.receive(np.empty(2000, np.float32), 0, 8 + 4 * n) for n in range(12)]
    for communicator, open_ones in ((one, tickets), (two, receives)):
        for ticket in open_ones:
            while not communicator.done(ticket):
                pass
    held_ns = 8000 / SLOW.bytes_per_s * 1e9
    first, last = tickets[0].free_ns - held_ns, max(ticket.end_ns for ticket in receives)
    assert last - first >= 12 * held_ns + SLOW.latency_s * 1e9 - 12  # each is rounded to a nanosecond


def test_what_was_sent_arrives_though_all_others_have_left():
    one, two = (Emulated(communicator, SLOW) for communicator in connect(2))
    received = [two.receive(np.empty(2000, np.float32), 0, tag) for tag in (8, 12)]
    for tag in (8, 12):
        one.send(np.full(2000, tag, np.float32), 1, tag)
    one.close()
    for ticket, tag in zip(received, (8, 12), strict=True):
        while not two.done(ticket):
            pass
        assert (ticket.buffer == tag).all()
    with pytest.raises(LabError, match="rank 0"):
        two.done(two.receive(np.empty(1, np.float32), 0, 16))


def test_a_buffer_is_the_senders_again_though_the_receiver_has_not_asked():
    one, two = (Emulated(communicator, SLOW) for communicator in connect(2, eager_bytes=0))
    mine = np.arange(2000, dtype=np.float32)
    sent = one.send(mine, 1, 8)
    while not one.done(sent):
        pass
    mine[:] = -1
    received = two.receive(np.empty(2000, np.float32), 0, 8)
    while not two.done(received):
        pass
    assert np.array_equal(received.buffer, np.arange(2000))
    for communicator in (one, two):
        communicator.close()
