"""A simulated server takes pushes in the order in which they come: it never waits for one while another lies there."""

from itertools import pairwise

import pytest

from labkit.machine.links import Link
from labkit.network import zoo
from labkit.schedule.costs import Costs, flops_costs
from labkit.schedule.simulate import simulate
from labkit.schemes import build

NETWORK = zoo.get("lenet5")
LINK = Link("slow", 30e-3, 1e6)


@pytest.mark.parametrize("servers", ["1", "sharded"])
@pytest.mark.parametrize("ranks", [3, 4, 6])
def test_each_push_is_there_the_time_of_its_bytes_after_the_one_before(servers, ranks):
    """Its port lets them in one after the other; servers that also work send answers through the ports of pushes."""
    schedule = build("parameter-server", NETWORK, ranks, 40 * ranks, mode="async", servers=servers)
    timeline = simulate(schedule, Costs(flops_costs(NETWORK, 1e9), LINK), steps=5)
    for rank in range(ranks):
        taken = [e for e in timeline.of(rank) if e.lane == "server" and e.bytes_received]
        for before, after in pairwise(taken):
            assert after.end_s - before.end_s >= after.bytes_received / LINK.bytes_per_s - 1e-9


def test_a_push_of_its_own_is_taken_before_those_that_are_under_way():
    """Rank 0 serves and works: its own are in its memory while those of others travel for 30 ms."""
    schedule = build("parameter-server", NETWORK, 2, 8, mode="async", servers="sharded")
    timeline = simulate(schedule, Costs(flops_costs(NETWORK, 1e12), LINK), steps=1)
    served = [e for e in timeline.of(0) if e.lane == "server" and e.kind == "compute"]
    received = [e for e in timeline.of(0) if e.lane == "server" and e.bytes_received]
    own = len(served) - len(received)
    assert own == 5 and all(e.end_s < LINK.latency_s for e in served[:own])
