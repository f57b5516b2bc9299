"""The library's all-reduce from GPU to GPU: weights and counts as through the host, and no fault that hangs."""

import re
import sys
import time
from types import ModuleType, SimpleNamespace

import by_hand
import numpy as np
import pytest
from nccl_stand_in import World

from labkit.engine.optimizers import Momentum
from labkit.errors import LabError
from labkit.machine.links import Link
from labkit.run.communicators import nccl
from labkit.run.gpu import nccl_start
from labkit.run.gpu.places import EXCHANGE
from labkit.run.local import run_on_threads
from labkit.schedule.traffic import traffic

NETWORK = by_hand.small()
LIBRARY = by_hand.allreduce(NETWORK, 3, 7, "mpi")


@pytest.fixture(autouse=True)
def no_wishes(monkeypatch):
    monkeypatch.delenv(EXCHANGE, raising=False)
    monkeypatch.delenv(nccl_start.SEVERAL, raising=False)
    monkeypatch.setattr(nccl_start, "START_S", 0.5)


def run(schedule=LIBRARY, **settings):
    job = by_hand.job(**{"backend": "cuda", "optimizer": Momentum(lr=0.05), **settings})
    return run_on_threads(schedule, job, samples=by_hand.samples(schedule.network, by_hand.job()))


def through_the_host(schedule=LIBRARY):
    return run(schedule, backend="reference")


@pytest.mark.parametrize("overlap", [False, True])
def test_the_same_weights_and_counts(monkeypatch, overlap):
    world = World(monkeypatch)
    schedule = by_hand.overlapped(NETWORK, 3, 7, "mpi") if overlap else LIBRARY
    result = run(schedule, exchange="nccl")
    np.testing.assert_allclose(result.parameters, through_the_host(schedule).parameters, rtol=0, atol=1e-12)
    assert result.traffic == traffic(schedule).times(result.steps)
    assert result.communicator == "threads of one process and NCCL 2.32.3"
    assert [use.gpu for use in result.use] == ["NVIDIA Test"] * 3 and not result.remarks
    calls = 1 + result.steps * sum(i.op == "allreduce" for i in schedule.ranks[0])  # and a first sum that is known
    assert [c.calls for c in world.communicators] == [calls] * 3
    assert all(c.aborted for c in world.communicators), "they were left at the end"


def test_what_only_the_library_sends_has_no_mirror(monkeypatch):
    World(monkeypatch)
    monkeypatch.setattr("far_backend.FarMirror", None)
    run()


def test_other_all_reduces_go_through_the_host(monkeypatch):
    world = World(monkeypatch)
    schedule = by_hand.allreduce(NETWORK, 3, 7, "ring")
    result = run(schedule)
    assert np.array_equal(result.parameters, through_the_host(schedule).parameters)
    assert not world.communicators and not result.remarks
    with pytest.raises(LabError, match="no all-reduce of this schedule is the library's own"):
        run(schedule, exchange="nccl")


@pytest.mark.parametrize("by", ["job", "environment"])
def test_it_can_be_turned_off(monkeypatch, by):
    world = World(monkeypatch)
    if by == "environment":
        monkeypatch.setenv(EXCHANGE, "host")
    result = run(exchange="host" if by == "job" else "auto")
    assert not world.communicators and result.communicator == "threads of one process" and not result.remarks
    assert np.array_equal(result.parameters, through_the_host().parameters)


def test_wishes_that_nobody_knows(monkeypatch):
    World(monkeypatch)
    with pytest.raises(LabError, match="exchange='nccll' — did you mean 'nccl'"):
        run(exchange="nccll")
    monkeypatch.setenv(EXCHANGE, "hots")
    with pytest.raises(LabError, match="LABKIT_EXCHANGE='hots' — did you mean 'host'"):
        run()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backend": "cpu", "dtype": "float32"}, "do not compute on GPUs"),
        ({"link": Link("slow", 1e-3, 1e8, emulated=True)}, "nobody can slow it down to slow"),
    ],
)
def test_where_it_makes_no_sense(monkeypatch, settings, message):
    World(monkeypatch)
    with pytest.raises(LabError, match=message):
        run(exchange="nccl", **settings)


OBSTACLES = [
    ({"faults": {1: "is not installed"}}, "rank 1: no nccl4py"),
    ({"version": ("2.32.3", "2.32.3", "2.30.1")}, "the ranks have NCCL 2.30.1 and 2.32.3"),
    ({"faults": {2: "refuses"}}, "rank 2: NCCL does not start: Refused: unhandled system error"),
    ({"faults": {0: "never starts"}}, "rank 0: waited 0.5 s for NCCL to start"),
    ({"faults": dict.fromkeys(range(3), "adds up wrongly")}, r"rank \d: NCCL adds up wrongly"),
]


@pytest.mark.parametrize(("world", "why"), OBSTACLES)
def test_where_it_cannot_be_had_the_host_does_it_and_says_why(monkeypatch, world, why):
    world = World(monkeypatch, **world)
    result = run()
    assert np.array_equal(result.parameters, through_the_host().parameters)
    (remark,) = result.remarks
    assert remark.startswith("NCCL is not used: ") and remark.endswith("through the host")
    assert re.search(why, remark)
    assert all(c.aborted for c in world.communicators)
    with pytest.raises(LabError, match=f"exchange 'nccl': {why}"):
        run(exchange="nccl")


def test_one_rank_that_fails_ends_the_start_of_all_at_once(monkeypatch):
    """The others would wait for it until their time is up."""
    monkeypatch.setattr(nccl_start, "START_S", 30.0)
    World(monkeypatch, faults={2: "refuses"})
    began = time.monotonic()
    run()
    assert time.monotonic() - began < 15


def test_what_does_not_let_go_of_the_gpu_ends_the_run(monkeypatch):
    monkeypatch.setattr(nccl, "ABORT_S", 0.1)
    world = World(monkeypatch, faults={0: "does not let go", 1: "refuses"})
    with pytest.raises(LabError, match="NCCL does not let go of the GPU — set LABKIT_EXCHANGE=host"):
        run()
    for communicator in world.communicators:
        communicator.open.set()


def test_an_error_on_the_way_names_rank_and_instruction(monkeypatch):
    world = World(monkeypatch, faults={1: "fails later"})
    with pytest.raises(LabError, match=r"rank 1 in step 0, instruction 2 \(allreduce g0 mpi\).*NCCL failed: error 2"):
        run()
    assert all(c.aborted for c in world.communicators)


def test_a_rank_that_never_comes_is_no_hang(monkeypatch):
    """Its part of the sum is missing, as that of a dead process; whoever waits gives up what it has started."""
    world = World(monkeypatch, faults={1: "goes missing"})
    with pytest.raises(LabError, match=r"rank \d in step 0, instruction 2 \(allreduce g0 mpi\).*waited 0.4 s"):
        run(timeout_s=0.4)
    assert all(c.aborted for c in world.communicators)


def test_without_nccl4py_or_libnccl_it_says_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "nccl", None)
    with pytest.raises(LabError, match=r"no nccl4py: .*make setup EXTRAS"):
        nccl.library()
    assert nccl_start.able(0)["why"].startswith("no nccl4py") and nccl_start.able(0)["nccl"] == ""
    core = ModuleType("nccl.core")
    monkeypatch.setitem(sys.modules, "nccl", SimpleNamespace(core=core))
    monkeypatch.setitem(sys.modules, "nccl.core", core)
    core.get_version = lambda: SimpleNamespace(libnccl=None)
    with pytest.raises(LabError, match="finds no libnccl"):
        nccl.library()
    core.get_version = lambda: SimpleNamespace(libnccl=SimpleNamespace(version="2.32.3"))
    assert nccl.library() == (core, "2.32.3")


def test_looking_for_nccl_loads_no_other_library(monkeypatch):
    """nccl4py would import PyTorch, seconds and a gigabyte, to look whether an array is one of its tensors."""
    for name in ("nccl.core.interop.torch", "nccl.core.interop.cupy"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "nccl", None)
    with pytest.raises(LabError):
        nccl.library()
    assert sys.modules["nccl.core.interop.torch"] is None and sys.modules["nccl.core.interop.cupy"] is None
