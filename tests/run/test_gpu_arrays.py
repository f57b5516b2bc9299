"""Ranks whose arrays NumPy cannot reach: everything goes through the backend's `Arrays`, and copies are waited for."""

import by_hand
import far_backend
import numpy as np
import pytest

from labkit.engine import ops
from labkit.engine.optimizers import Adam, Momentum
from labkit.errors import LabError
from labkit.network import BatchNorm, Dense, Flatten, Softmax, chain, zoo
from labkit.run.communicators.threads import connect
from labkit.run.local import run_on_threads
from labkit.run.rank.feed import training_samples
from labkit.run.rank.messages import Messages
from labkit.run.rank.state import RankState
from labkit.schedule import equal_shares
from labkit.schedule.pieces import whole
from labkit.schedule.traffic import traffic
from labkit.schemes import registry

NETWORK = by_hand.small()


@pytest.fixture(autouse=True)
def far(monkeypatch):
    """Backend 'far', known as any other."""
    monkeypatch.setitem(ops.BACKENDS, "far", "far_backend")


def compare(schedule, batch: int, **settings):
    """On 'far' as in one process on the reference, and as on ranks on the reference bit by bit; counted as planned."""
    job = by_hand.job(backend="far", **settings)
    split = by_hand.samples(schedule.network, job)
    there = run_on_threads(schedule, job, samples=split)
    here = run_on_threads(schedule, by_hand.job(**settings), samples=split)
    assert np.array_equal(there.parameters, here.parameters) and there.losses == here.losses
    weights, _ = by_hand.one_process(schedule.network, by_hand.job(**settings), batch, split)
    np.testing.assert_allclose(there.parameters, weights, rtol=0, atol=1e-10)
    assert there.traffic == traffic(schedule).times(job.steps)


@pytest.mark.parametrize("how", ["ring", "tree", "doubling", "halving", "mpi"])
def test_allreduce(how):
    compare(by_hand.allreduce(NETWORK, 3, 7, how, 2), 7, optimizer=Momentum(lr=0.05))
    compare(by_hand.overlapped(NETWORK, 2, 7, how), 7, optimizer=Adam(lr=0.01))


def test_reduce_broadcast_and_pairs():
    compare(by_hand.master(NETWORK, 3, 7, "tree"), 7, optimizer=Momentum(lr=0.05))
    compare(by_hand.chunked(NETWORK, 3, 7, 4, "linear"), 7)
    compare(by_hand.pairs(NETWORK, 7), 7)


@pytest.mark.parametrize("how", ["scatter", "chain2", "pipeline3"])
def test_broadcasts_in_parts(how):
    n = len(NETWORK)
    lines = [[f"F0:{n}; B0:{n}; reduce g0>1 tree" + "; U0:6" * (rank == 1), f"bcast w0<1 {how}"] for rank in range(4)]
    compare(by_hand.schedule(NETWORK, equal_shares(7, 4), whole(NETWORK), lines), 7, optimizer=Momentum(lr=0.05))


@pytest.mark.parametrize("sharded", [False, True])
def test_parameter_servers(sharded):
    compare(by_hand.server(NETWORK, 3, 7, "sync", sharded=sharded, overlap=True), 7, optimizer=Momentum(lr=0.05))


def test_an_asynchronous_server_on_one_rank_is_sgd():
    schedule = registry.build("parameter-server", NETWORK, 1, 7, servers="sharded", mode="async")
    compare(schedule, 7)


def test_ranks_without_samples_and_the_averaged_error():
    compare(by_hand.overlapped(NETWORK, 5, 3, "ring", 500), 3)
    schedule = registry.build("error-average", NETWORK, 3, 7)
    job = by_hand.job(backend="far")
    split = by_hand.samples(NETWORK, job)
    there, here = (run_on_threads(schedule, j, samples=split) for j in (job, by_hand.job()))
    assert np.array_equal(there.parameters, here.parameters)


def test_running_statistics_come_back():
    network = chain("bn", (1, 8, 7), {"norm": BatchNorm(), "flat": Flatten(), "fc": Dense(10), "softmax": Softmax()})
    schedule = by_hand.allreduce(network, 2, 6, "ring")
    split = by_hand.samples(network, by_hand.job())
    there, here = (run_on_threads(schedule, by_hand.job(backend=b), samples=split) for b in ("far", "reference"))
    assert np.array_equal(there.state, here.state) and not np.array_equal(here.state, np.zeros_like(here.state))


def test_checkpoints_of_arrays_elsewhere(tmp_path):
    schedule = by_hand.allreduce(NETWORK, 3, 7, "ring")
    split = by_hand.samples(NETWORK, by_hand.job())

    def job(steps: int, **more):
        settings = {"backend": "far", "optimizer": Adam(lr=0.01), "checkpoint_folder": tmp_path, "checkpoint_every": 2}
        return by_hand.job(steps=steps, **settings, **more)

    run_on_threads(schedule, job(2), samples=split)
    resumed = run_on_threads(schedule, job(4, resume=True), samples=split)
    straight = run_on_threads(schedule, by_hand.job(steps=4, optimizer=Adam(lr=0.01)), samples=split)
    assert np.array_equal(resumed.parameters, straight.parameters)


def test_lenet_on_kernels_is_one_process_on_the_reference():
    """Backend cuda-cpu: the kernels of a GPU on the cores. Two ranks, every all-reduce, in float32."""
    network = zoo.get("lenet5")
    settings = {"data": "synthetic", "dtype": "float32", "optimizer": Momentum(lr=0.01)}
    split = training_samples(network, by_hand.job(**settings))
    weights, losses = by_hand.one_process(network, by_hand.job(**settings), 8, split)
    for algorithm in ("ring", "mpi"):
        schedule = registry.build("allreduce", network, 2, 8, algorithm=algorithm, overlap=True)
        result = run_on_threads(schedule, by_hand.job(backend="cuda-cpu", **settings), samples=split)
        np.testing.assert_allclose(result.parameters, weights, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(result.losses, losses, rtol=1e-4)


def test_one_mirror_for_each_piece_that_is_sent():
    """Page-locked memory is dear: nothing that only computes or waits gets any, and no message makes its own."""
    schedule = by_hand.chunked(NETWORK, 2, 7, 4, "tree")
    state = RankState(schedule, by_hand.job(backend="far"), 0, by_hand.samples(NETWORK, by_hand.job()))
    mirrors = Messages(state, connect(2)[0], None).mirrors
    assert mirrors.keys() == {f"{item}{piece}" for item in "gw" for piece in range(4)}
    assert sum(mirror.values.size for mirror in mirrors.values()) == 2 * NETWORK.parameters


def test_a_copy_that_never_ends_is_no_hang(monkeypatch):
    monkeypatch.setattr(far_backend.FarMirror, "done", lambda self: False)
    job = by_hand.job(backend="far", timeout_s=0.2)
    with pytest.raises(LabError, match=r"rank \d in step 0, instruction 2 .*waited 0.2 s for the copy to the host"):
        run_on_threads(by_hand.allreduce(NETWORK, 2, 7, "ring"), job, samples=by_hand.samples(NETWORK, job))


def test_what_is_received_whole_is_not_fetched_before(monkeypatch):
    """Ranks that take the weights of another one have no use for their own."""
    fetched, fetch = [], far_backend.FarMirror.fetch

    def count(self):
        fetched.append(self)
        fetch(self)

    monkeypatch.setattr(far_backend.FarMirror, "fetch", count)
    ranks, steps = 3, by_hand.job().steps
    compare(by_hand.master(NETWORK, ranks, 7, "tree"), 7)
    assert len(fetched) == steps * (ranks + 1)  # every rank's gradients, and the weights of rank 0
