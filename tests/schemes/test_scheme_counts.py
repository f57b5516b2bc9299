"""Messages and bytes: the closed form of every scheme is what its schedule says, instruction by instruction."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.network import zoo
from labkit.network.build import chain
from labkit.network.layers import Dense
from labkit.schedule.collectives import moves
from labkit.schedule.traffic import traffic
from labkit.schemes import build, cost
from labkit.schemes.cost import all_to_all

RANKS = range(1, 9)
LENET = zoo.get("lenet5")
TINY = chain("tiny", (2,), {"fc": Dense(1), "out": Dense(2)})  # arrays of 2, 1, 2 and 2 values: fewer than ranks
S = 4 * 61_706
ALGORITHMS = ("ring", "tree", "doubling", "halving", "mpi")
SERVERS = [("1", None), ("sharded", "round-robin"), ("sharded", "greedy")]


def assert_counts(name, network, ranks, **options):
    """The formula of each rank is what the schedule counts; returns (messages, bytes) in all."""
    schedule, formula = build(name, network, ranks, 9, **options), cost(name, network, ranks, 9, **options)
    counted = traffic(schedule)
    each = [counted.of(rank) for rank in range(ranks)]
    assert (formula.messages, formula.bytes) == (tuple(t.messages for t in each), tuple(t.bytes for t in each))
    assert (formula.total_messages, formula.total_bytes) == (counted.messages, counted.bytes)
    return counted.messages, counted.bytes


def test_one_process_sends_nothing():
    assert assert_counts("single", LENET, 1, micro_batches=3) == (0, 0)


@pytest.mark.parametrize("p", RANKS)
def test_master_sends_two_models_for_each_other_rank(p):
    assert assert_counts("master", LENET, p) == (2 * (p - 1), 2 * (p - 1) * S)


@pytest.mark.parametrize("p", RANKS)
def test_chunked_sends_one_model_up_and_K_chunks_down(p):
    """convnet-strategies-mpi, method 2: its N(1 + K) messages with a master that computes; its payload for every K."""
    for K in range(1, 17):
        assert assert_counts("chunked", LENET, p, chunks=K) == ((p - 1) * (1 + K), 2 * (p - 1) * S)


def test_average_message_of_chunked_is_not_the_papers():
    """The paper's average of model/K times its own number of messages gives its payload only for K = 1."""
    messages, payload = assert_counts("chunked", LENET, 5, chunks=4)
    assert payload / messages == 2 * S / (1 + 4) != S / 4
    assert messages * S / 4 == 1.25 * 4 * S != payload


@pytest.mark.parametrize("p", RANKS)
def test_error_average_sends_ten_errors_up_and_the_model_down(p):
    assert assert_counts("error-average", LENET, p) == (2 * (p - 1), (p - 1) * (S + 40))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("p", RANKS)
def test_allreduce_in_buckets_of_every_size(p, algorithm):
    for bucket_bytes in (0, 4_000, 2**20):
        assert_counts("allreduce", LENET, p, algorithm=algorithm, bucket_bytes=bucket_bytes)


@pytest.mark.parametrize("p", RANKS)
def test_rings_and_trees_send_2p_minus_2_models(p):
    """Buckets change the number of messages, never the bytes."""
    for bucket_bytes, buckets in ((0, 5), (2**20, 1)):
        options = {"bucket_bytes": bucket_bytes}
        both = {how: assert_counts("allreduce", LENET, p, algorithm=how, **options) for how in ("ring", "tree")}
        assert both["ring"] == (2 * p * (p - 1) * buckets, 2 * (p - 1) * S)
        assert both["tree"] == (2 * (p - 1) * buckets, 2 * (p - 1) * S)


@pytest.mark.parametrize("p", RANKS)
def test_totals_of_doubling_and_halving(p):
    """q ranks take part, the largest power of two up to p; the other p - q give and get all values once."""
    rounds = p.bit_length() - 1
    q = 1 << rounds
    doubling = q * rounds + 2 * (p - q)
    assert assert_counts("allreduce", LENET, p, algorithm="doubling") == (doubling, doubling * S)
    halving = 2 * q * rounds + 2 * (p - q)
    assert assert_counts("allreduce", LENET, p, algorithm="halving") == (halving, 2 * (p - 1) * S)


@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("micro_batches", [1, 3])
def test_timing_options_change_no_count(overlap, micro_batches):
    options = {"overlap": overlap, "micro_batches": micro_batches}
    assert assert_counts("allreduce", LENET, 3, bucket_bytes=0, **options) == (60, 4 * S)


@pytest.mark.parametrize(("servers", "placement"), SERVERS)
@pytest.mark.parametrize("p", RANKS)
def test_parameter_servers_send_2p_minus_2_models_in_ten_arrays(p, servers, placement):
    options = {"servers": servers} | ({"placement": placement} if placement else {})
    if (servers, p) == ("1", 1):
        return  # refused, see test_scheme_refusals
    for overlap in (True, False):
        counts = assert_counts("parameter-server", LENET, p, overlap=overlap, **options)
        assert counts == (2 * (p - 1) * 10, 2 * (p - 1) * S)


@pytest.mark.parametrize("mode", [{"mode": "async"}, {"mode": "ssp", "bound": 2}])
def test_modes_of_a_server_change_no_count(mode):
    assert assert_counts("parameter-server", LENET, 4, servers="sharded", **mode) == (60, 6 * S)


@pytest.mark.parametrize("p", RANKS)
def test_fewer_values_than_ranks(p):
    """Empty messages are not sent, and the formulas know it."""
    for algorithm in ALGORITHMS:
        assert_counts("allreduce", TINY, p, algorithm=algorithm, bucket_bytes=0)
    assert_counts("parameter-server", TINY, p, servers="sharded", placement="greedy")
    for K in range(1, TINY.parameters + 1):
        assert_counts("chunked", TINY, p, chunks=K)


@pytest.mark.parametrize("network", ["mlp", "alexnet_star", "googlenet", "resnet18_32", "vgg16"])
def test_other_networks(network):
    chosen = zoo.get(network)
    assert_counts("allreduce", chosen, 5, algorithm="halving")
    assert_counts("chunked", chosen, 5, chunks=7)
    assert_counts("parameter-server", chosen, 5, servers="sharded", placement="greedy")
    assert_counts("error-average", chosen, 5)


@given(st.sampled_from(ALGORITHMS[:-1]), st.integers(2, 40), st.integers(0, 100_000))
@settings(max_examples=200, deadline=None)
def test_formula_of_every_all_reduce_is_its_moves(algorithm, ranks, values):
    found = all_to_all(algorithm, ranks, values)
    for rank in range(ranks):
        sent = [m.values_sent for m in moves("allreduce", algorithm, rank, ranks, 0, values) if m.to is not None]
        assert found[rank] == (len(sent), sum(sent))
