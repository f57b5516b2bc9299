"""Transparency: whatever a schedule sends in whatever way, k steps give the weights of one process."""

import by_hand
import numpy as np
import pytest

from labkit.engine.optimizers import Adam, Momentum
from labkit.network import BatchNorm, Conv, Dense, Flatten, Softmax, chain
from labkit.run.local import run_on_threads
from labkit.schedule import equal_shares
from labkit.schedule.collectives import ALGORITHMS
from labkit.schedule.pieces import whole
from labkit.schedule.traffic import traffic

NETWORK = by_hand.small()
ALLREDUCE = ALGORITHMS["allreduce"]


def assert_same(schedule, job, batch: int, split=None, parts=None, rtol: float = 0, atol: float = 1e-10):
    """As one process: weights, losses; and the ledger is the schedule's own count."""
    split = split or by_hand.samples(schedule.network, job)
    result = run_on_threads(schedule, job, samples=split)
    weights, losses = by_hand.one_process(schedule.network, job, batch, split, parts)
    np.testing.assert_allclose(result.parameters, weights, rtol=rtol, atol=atol)
    np.testing.assert_allclose(result.losses, losses, rtol=rtol or 1e-10)
    assert result.traffic == traffic(schedule).times(job.steps)
    return result


@pytest.mark.parametrize("how", ALLREDUCE)
@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 5])
def test_allreduce(how, ranks):
    job = by_hand.job(optimizer=Momentum(lr=0.05))
    assert_same(by_hand.allreduce(NETWORK, ranks, 7, how), job, 7)
    assert_same(by_hand.overlapped(NETWORK, ranks, 7, how), job, 7)


@pytest.mark.parametrize(("ranks", "batch"), [(3, 33), (5, 3), (4, 1), (1, 1)])
def test_odd_and_empty_shares(ranks, batch):
    job = by_hand.job(optimizer=Adam(lr=0.01))
    assert_same(by_hand.overlapped(NETWORK, ranks, batch, "ring", 500), job, batch)


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
def test_a_master_that_reduces_and_broadcasts(ranks):
    for how in ("linear", "tree"):
        assert_same(by_hand.master(NETWORK, ranks, 7, how), by_hand.job(optimizer=Adam(lr=0.01)), 7)


@pytest.mark.parametrize("how", ["linear", "tree"])
@pytest.mark.parametrize(("ranks", "count"), [(2, 1), (3, 4), (4, 11)])
def test_chunks_that_arrive_during_the_next_forward(ranks, count, how):
    assert_same(by_hand.chunked(NETWORK, ranks, 7, count, how), by_hand.job(optimizer=Momentum(lr=0.05)), 7)


def test_pairs_that_swap_send_and_receive():
    assert_same(by_hand.pairs(NETWORK, 7), by_hand.job(), 7)


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize(("ranks", "sharded"), [(2, False), (4, False), (1, True), (3, True), (5, True)])
def test_synchronous_parameter_servers(ranks, sharded, overlap):
    schedule = by_hand.server(NETWORK, ranks, 7, "sync", sharded, overlap)
    result = assert_same(schedule, by_hand.job(optimizer=Adam(lr=0.01)), 7)
    assert {s.staleness for s in result.staleness} == {0}
    assert len(result.staleness) == 3 * len(schedule.workers) * len(schedule.pieces)


@pytest.mark.parametrize("batch", [7, 1])
def test_micro_batches_that_go_back_through_different_ranges(batch):
    """The last layers of micro-batch 1 come first, so a range of micro-batch 0 is new in part only."""
    end = len(NETWORK)
    lines = f"F0:{end}; F0:{end}#1; B2:{end}#1; B0:{end}; B0:2#1; U0:{end}"
    plan = by_hand.schedule(NETWORK, equal_shares(batch, 1, 2), whole(NETWORK), [[lines]])
    assert_same(plan, by_hand.job(optimizer=Momentum(lr=0.05)), batch)


@pytest.mark.parametrize("micros", [2, 3, 5])
def test_micro_batches_that_are_all_in_flight(micros):
    """With Dropout, whose numbers belong to samples; of 7 samples on 2 ranks some micro-batches of 5 are empty."""
    network = by_hand.small(dropout=0.4)
    assert_same(by_hand.allreduce(network, 2, 7, "ring", micros), by_hand.job(optimizer=Momentum(lr=0.05)), 7)


def test_batch_norm_sees_the_samples_of_its_rank():
    layers = {"conv": Conv(3, 3), "norm": BatchNorm(), "flatten": Flatten(), "fc": Dense(10), "softmax": Softmax()}
    network = chain("normed", (1, 6, 5), layers)
    schedule = by_hand.allreduce(network, 3, 7, "tree")
    result = assert_same(schedule, by_hand.job(), 7, parts=lambda n: [2, 2, 3])
    assert result.state.shape == (6,) and np.isfinite(result.state).all() and result.state.any()


@pytest.mark.parametrize("steps", [5, 9])
def test_ragged_ends_of_epochs(steps):
    """23 samples in batches of 7: the fourth step of every epoch has 2, of which two of three ranks get some."""
    job = by_hand.job(steps=steps, optimizer=Momentum(lr=0.05))
    split = by_hand.samples(NETWORK, job, 23)
    assert_same(by_hand.allreduce(NETWORK, 3, 7, "ring"), job, 7, split)
    assert_same(by_hand.server(NETWORK, 3, 7, "sync"), job, 7, split)


def test_a_batch_larger_than_the_data():
    job = by_hand.job()
    split = by_hand.samples(NETWORK, job, 5)
    assert_same(by_hand.allreduce(NETWORK, 3, 33, "halving", 2), job, 33, split)


@pytest.mark.parametrize("backend", ["cpu", "cuda-cpu"])
def test_other_backends_in_float32(backend):
    job = by_hand.job(backend=backend, dtype="float32", optimizer=Momentum(lr=0.05))
    for schedule in (
        by_hand.overlapped(NETWORK, 3, 7, "ring"),
        by_hand.allreduce(NETWORK, 2, 7, "doubling", 2),
        by_hand.server(NETWORK, 3, 7, "sync", sharded=True),
    ):
        assert_same(schedule, job, 7, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("eager_bytes", [0, 10**9])
def test_results_do_not_depend_on_when_messages_leave(eager_bytes):
    """Bit for bit, whether a send ends when it is received or at once; and from run to run."""
    for schedule in (
        by_hand.overlapped(NETWORK, 5, 7, "halving"),
        by_hand.server(NETWORK, 4, 7, "sync", sharded=True, overlap=True),
        by_hand.allreduce(NETWORK, 3, 7, "mpi"),
    ):
        job = by_hand.job(dtype="float32")
        found = run_on_threads(schedule, job, eager_bytes=eager_bytes).parameters
        np.testing.assert_array_equal(found, run_on_threads(schedule, job).parameters)
