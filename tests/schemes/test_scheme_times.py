"""What the simulator says about the schemes: qualitative findings that notebooks build on, as modelled times."""

from dataclasses import replace

import pytest

from labkit.machine.links import parse_link
from labkit.network import zoo
from labkit.schedule.costs import Costs, flops_costs
from labkit.schedule.simulate import simulate, simulated_staleness
from labkit.schemes import build


def step_s(name: str, network: str, ranks: int, link: str = "ethernet10", batch: int = 64, **options) -> float:
    """Modelled seconds of a step among others: what each of five steps after the first adds."""
    trained = zoo.get(network)
    costs = Costs(flops_costs(trained, 5e10, 1e10), parse_link(link), 1e10)
    schedule = build(name, trained, ranks, batch, **options)
    one, six = (simulate(schedule, costs, steps, events=False).seconds for steps in (1, 6))
    return (six - one) / 5


@pytest.mark.parametrize("options", [{}, {"bucket_bytes": 0}, {"algorithm": "tree"}], ids=str)
def test_overlap_shortens_a_step(options):
    with_it, without = (step_s("allreduce", "alexnet_star", 4, overlap=o, **options) for o in (True, False))
    assert with_it < 0.9 * without


def test_overlap_helps_a_parameter_server_too():
    with_it, without = (step_s("parameter-server", "alexnet_star", 5, overlap=o) for o in (True, False))
    assert with_it < without


def test_a_ring_beats_a_master_the_more_the_more_ranks():
    """keuper-pfreundt-2016 section II: a central master's time grows with the ranks, a ring's does not."""
    link = "emulated:500,100"
    ratios = [
        step_s("master", "alexnet_star", p, link) / step_s("allreduce", "alexnet_star", p, link) for p in (2, 4, 8)
    ]
    assert 1 < ratios[0] < ratios[1] < ratios[2]


def test_sharding_relieves_the_server():
    one = step_s("parameter-server", "alexnet_star", 5)
    sharded = step_s("parameter-server", "alexnet_star", 4, servers="sharded", placement="greedy")
    assert sharded < one


def test_chunks_help_two_ranks_and_harm_eight_on_a_slow_link():
    """All ranks have their last chunk at the same time, and then queue for the master's port; see the file's remark."""
    link = "emulated:500,100"
    assert step_s("chunked", "resnet18_32", 2, link, chunks=16) < step_s("chunked", "resnet18_32", 2, link, chunks=1)
    assert step_s("chunked", "resnet18_32", 8, link, chunks=16) > step_s("chunked", "resnet18_32", 8, link, chunks=1)


def test_one_chunk_is_the_master():
    times = [step_s(name, "lenet5", 4, **o) for name, o in (("master", {}), ("chunked", {"chunks": 1}))]
    assert times[0] == pytest.approx(times[1])


def test_round_robin_is_slower_than_greedy_on_vgg16():
    """eserol-2019 section 5.2.3: with round-robin on two ranks one server has all weights, the other all biases."""
    options = {"servers": "sharded", "batch": 4, "link": "emulated:500,100"}
    times = [step_s("parameter-server", "vgg16", 2, placement=how, **options) for how in ("round-robin", "greedy")]
    assert times[1] < times[0]


def test_ranks_that_compute_do_not_help_where_the_network_is_slow():
    """Small batches on a slow link: more ranks take longer than one."""
    assert step_s("master", "lenet5", 8, "emulated:500,100") > step_s("single", "lenet5", 1)


@pytest.mark.parametrize("servers", ["1", "sharded"])
def test_a_slow_worker_is_stale_unless_there_is_a_bound(servers):
    """Two workers with one sample and one with 30: without a bound the two run away, with one they are held back."""
    network = zoo.get("lenet5")
    costs = Costs(flops_costs(network, 1e9, 1e10), parse_link("fdr"), 1e10)

    def stalest(**mode) -> int:
        schedule = build("parameter-server", network, 3 + (servers == "1"), 32, servers=servers, **mode)
        uneven = replace(schedule, shares=(*schedule.shares[:-3], (1,), (1,), (30,)))
        return max(update.staleness for update in simulated_staleness(uneven, costs, steps=12))

    assert stalest(mode="sync") == 0
    for bound in (0, 1, 2):
        assert 0 < stalest(mode="ssp", bound=bound) <= 2 * (2 * bound + 1) < stalest(mode="async")
