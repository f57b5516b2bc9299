"""What the notebooks on many processes compare runs with, and where those runs happen when there is no cluster."""

import os
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

from labkit.course import parallel
from labkit.errors import LabError
from labkit.machine.links import parse_link
from labkit.network import zoo
from labkit.run import cluster
from labkit.run.cluster import record as cluster_record
from labkit.run.cluster.processes import stamp
from labkit.run.cluster.record import Engine, Record
from labkit.run.job import Job
from labkit.schedule.costs import Costs, flops_costs
from labkit.schedule.schedule import program
from labkit.schedule.simulate import simulate
from labkit.schemes import build

LENET5 = zoo.get("lenet5")


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """The clusters of this user are none of these tests' business."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))


@pytest.fixture
def no_cluster(monkeypatch):
    """A machine on which no cluster can be started."""

    def refuse(*args, **keywords):
        raise LabError("no MPI library", "install one")

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


def recorded(**fields):
    """A record in the folder of the cluster, as if somebody had started one."""
    cluster.folder().mkdir(parents=True)
    me = stamp(os.getpid())
    engines = tuple(Engine(r, r, *me, socket.gethostname(), 1) for r in range(fields.get("ranks", 2)))
    record = Record(**({"ranks": 2, "profile": "", "host": socket.gethostname(), "controller": me} | fields))
    cluster_record.write(cluster.folder(), replace(record, engines=engines, controller=me))


def test_somebody_s_cluster_of_another_size_is_left_alone(monkeypatch):
    recorded(ranks=5)
    monkeypatch.setattr(cluster, "up", lambda *args, **keywords: pytest.fail("it was touched"))
    ranks = parallel.start_ranks(2).wait()
    assert ranks.where == parallel.OWN and "5 ranks" in repr(ranks)


def test_another_notebook_s_cluster_is_left_alone(monkeypatch):
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        recorded(owner=stamp(other.pid))
        monkeypatch.setattr(cluster, "up", lambda *args, **keywords: pytest.fail("it was touched"))
        ranks = parallel.start_ranks(2).wait()
        assert ranks.where == parallel.OWN and "another notebook" in repr(ranks)
    finally:
        other.kill()
        other.wait(10)


def test_the_cluster_of_a_kernel_that_was_restarted_is_replaced(monkeypatch):
    recorded(owner=(2**22 + 1, 5.0))
    taken_down = []
    monkeypatch.setattr(cluster, "down", lambda: taken_down.append(True))
    monkeypatch.setattr(cluster, "up", lambda count, timeout_s: None)
    monkeypatch.setattr(parallel.Ranks, "_load", lambda self: None)
    assert parallel.start_ranks(2).wait().where == parallel.PROCESSES and taken_down == [True]


def test_faults_are_drawn_and_steps_timed():
    lonely = replace(build("allreduce", LENET5, 2, 8), ranks=(program(["F0:13; B0:13; U0:13"]),) * 2)
    text = parallel.drawn_fault(lonely, width=60)
    assert max(map(len, text.split("\n\n")[0].splitlines())) <= 60 and "rank 1" in text.splitlines()[-2]
    assert parallel.drawn_fault(build("allreduce", LENET5, 2, 8)) == "no fault"
    costs = Costs(flops_costs(LENET5, 30e9), parse_link("emulated:500,100"))
    schedule = build("master", LENET5, 2, 60)
    assert parallel.step_ms(schedule, costs, 1) == 1e3 * simulate(schedule, costs).seconds


def test_costs_of_this_machine_are_for_the_link_that_was_asked_for():
    link = parse_link("emulated:500,100")
    costs = parallel.costs_here(LENET5, link, (2, 4))
    assert costs.link == link and costs.compute.origin == "measured here" and costs.reduce_bytes_per_s > 1e6
