"""What the notebooks on many processes compare runs with, and where those runs happen when there is no cluster."""

import pytest

from labkit.course import parallel
from labkit.errors import LabError
from labkit.network import zoo
from labkit.run import cluster
from labkit.run.job import Job
from labkit.schemes import build

LENET5 = zoo.get("lenet5")


@pytest.fixture
def no_cluster(monkeypatch):
    """A machine on which no cluster can be started."""

    def refuse(*args, **keywords):
        raise LabError("no MPI library", "install one")

    monkeypatch.setattr(cluster, "status", lambda: cluster.Status(False, "there is no cluster"))
    monkeypatch.setattr(cluster, "up", refuse)


@pytest.mark.parametrize(("scheme", "options"), [("allreduce", {}), ("parameter-server", {"mode": "sync"})])
def test_a_synchronous_scheme_is_not_apart_from_one_process(no_cluster, scheme, options):
    schedule, job = build(scheme, LENET5, 3, 20, **options), Job(steps=3)
    ranks = parallel.start_ranks(3).wait()
    assert parallel.apart(ranks.run(schedule, job), parallel.one_process(schedule, job)) < 1e-6


def test_the_shortcut_is_apart(no_cluster):
    schedule, job = build("error-average", LENET5, 2, 20), Job(steps=3)
    result = parallel.start_ranks(2).run(schedule, job)
    assert parallel.apart(result, parallel.one_process(schedule, job)) > 1e-4


def test_without_mpi_ranks_are_threads_and_say_so(no_cluster):
    ranks = parallel.start_ranks(2).wait()
    assert ranks.where == parallel.THREADS and "no MPI library" in repr(ranks)


def test_somebody_s_cluster_of_another_size_is_left_alone(monkeypatch):
    theirs = cluster.Status(True, "a cluster of 5 ranks is up", ranks=5)
    monkeypatch.setattr(cluster, "status", lambda: theirs)
    monkeypatch.setattr(cluster, "up", lambda *args, **keywords: pytest.fail("it was touched"))
    ranks = parallel.start_ranks(2).wait()
    assert ranks.where == parallel.OWN and "5 ranks" in repr(ranks)
