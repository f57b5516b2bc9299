"""Runs on warm ranks: the same result as anywhere, and a failure is named, ends the call and spares what it can."""

import os
import signal
import threading

import numpy as np
import pytest

from labkit.engine.optimizers import SGD
from labkit.errors import LabError
from labkit.network import zoo
from labkit.run import cluster
from labkit.run.checkpoint import files as checkpoints
from labkit.run.cluster import run as cluster_run
from labkit.run.cluster.run import run_on_cluster
from labkit.run.failure import RankError
from labkit.run.job import Job
from labkit.run.local import run_on_threads
from labkit.schemes.registry import build

NETWORK = zoo.get("mlp", (1, 8, 8))
JOB = Job(steps=3, timeout_s=20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """IPython's folder of these tests, and the end of whatever runs there."""
    patch = pytest.MonkeyPatch()
    patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
    yield cluster.folder()
    cluster.down()
    patch.undo()


@pytest.fixture
def ranks(folder, require):
    """A sound cluster of two ranks; the one of the test before, if it is."""
    pytest.importorskip("ipyparallel")
    try:
        from labkit.run.mpi.library import launcher

        launcher()
    except LabError as error:
        require(False, f"no MPI ranks here: {error}")
    if cluster.status().broken:
        cluster.down()
    return cluster.up(2, timeout_s=60)


def schedule(ranks: int = 2, **options):
    return build("allreduce", NETWORK, ranks, 7, **options)


def test_the_result_is_that_of_threads(ranks):
    expected = run_on_threads(schedule(), JOB)
    for _ in range(2):
        found = run_on_cluster(schedule(), JOB)
        np.testing.assert_array_equal(found.parameters, expected.parameters)
        assert found.traffic == expected.traffic and found.losses == pytest.approx(expected.losses, rel=1e-6)
    server = run_on_cluster(build("parameter-server", NETWORK, 2, 7, mode="async"), JOB)
    assert len(server.staleness) > 0


def test_checkpoints_go_on_from_threads_to_the_cluster(ranks, tmp_path):
    whole = run_on_threads(schedule(), Job(steps=4))
    run_on_threads(schedule(), Job(steps=2, checkpoint_folder=tmp_path, checkpoint_every=2))
    settings = {"checkpoint_folder": tmp_path, "checkpoint_every": 1, "resume": True}
    found = run_on_cluster(schedule(), Job(steps=4, **settings))
    np.testing.assert_array_equal(found.parameters, whole.parameters)
    assert checkpoints.complete(tmp_path) == (4, 3)


def test_what_the_ranks_refuse_does_them_no_harm(ranks):
    with pytest.raises(LabError, match="there is no data set 'nix'"):
        run_on_cluster(schedule(), Job(data="nix"))
    with pytest.raises(LabError, match=r"is for 3 — type: labkit cluster down; labkit cluster up --ranks 3"):
        run_on_cluster(schedule(3), JOB)
    assert cluster.status() == ranks


def test_a_loss_that_is_no_number_names_the_rank_and_spares_the_cluster(ranks):
    with pytest.raises(RankError, match=r"rank . in step .*training has diverged"):
        run_on_cluster(schedule(), Job(steps=50, optimizer=SGD(lr=1e30), timeout_s=20))
    assert cluster.status() == ranks
    assert np.isfinite(run_on_cluster(schedule(), JOB).losses).all()


def test_an_exception_of_a_callback_ends_the_run_after_a_step(ranks):
    def enough(done: float, what: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_on_cluster(schedule(), Job(steps=10**6, record=False), progress=enough)
    assert cluster.status() == ranks
    assert len(run_on_cluster(schedule(), JOB).losses) == 3


def test_ranks_on_other_machines_are_not_watched_from_here(ranks, monkeypatch):
    monkeypatch.setattr(cluster_run.socket, "gethostname", lambda: "elsewhere")
    with pytest.raises(LabError, match=r"on other machines .*srun labkit run"):
        run_on_cluster(schedule(), JOB)


@pytest.mark.parametrize(
    ("number", "happened"), [(signal.SIGKILL, "was killed by SIGKILL"), (signal.SIGSTOP, "stopped")]
)
def test_a_rank_that_is_killed_or_stopped_ends_the_call_and_breaks_the_cluster(ranks, number, happened):
    victim, hit = ranks.engines[1].pid, threading.Event()

    def strike(step: int, loss: float) -> None:
        if not hit.is_set():
            hit.set()
            os.kill(victim, number)

    with pytest.raises(RankError, match=rf"rank 1 in step .* {happened}") as raised:
        run_on_cluster(schedule(), Job(steps=10**6, record=False, timeout_s=20), on_loss=strike)
    assert "rank 0" in str(raised.value)
    assert "in its last run rank 1" in cluster.status().broken
    with pytest.raises(LabError, match=r"broken.* — type: labkit cluster down"):
        run_on_cluster(schedule(), JOB)
