"""Processes under a real launcher: messages, and every way in which a run can break."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labkit.errors import LabError
from labkit.machine.processor import SHARED_MEMORY
from labkit.run import mpi_library, processes
from labkit.run.failure import RankError
from labkit.run.rank_main import stream_file
from labkit.run.stream import Tail
from labkit.run.watch import Watch

TIMEOUT_S = 40
STEPS, BAD_STEP, BAD_RANK = 40, 6, 1  # of `mpi_programs.ring`


@pytest.fixture(autouse=True)
def programs(monkeypatch, require):
    """Ranks find the programs of the tests; without a launcher there is nothing to test."""
    try:
        mpi_library.launcher()
    except LabError as error:
        require(False, str(error))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)


def names(rank, position):
    return ["F0:3", "recv g0<0"][position]


def finish(run):
    """Watch a run to its end; what its ranks told."""
    watch, deadline = Watch(run, names), time.monotonic() + TIMEOUT_S
    tails = [Tail(run.folder / stream_file(rank)) for rank in range(run.ranks)]
    try:
        while not watch.over():
            assert time.monotonic() < deadline, run.said
            time.sleep(0.01)
        return [line for tail in tails for line in tail.new()]
    finally:
        folders = run.folders
        processes.end(run)
        assert not processes.left_over(run.folder.name)
        assert not any(folder.exists() for folder in folders)


@pytest.mark.parametrize("ranks", [2, 3])
def test_messages(ranks):
    assert finish(processes.start("mpi_programs:messages", {}, ranks)) == []


def test_one_rank_and_what_it_tells():
    told = finish(processes.start("mpi_programs:ring", {}, 1))
    assert told == [("step", [0, step]) for step in range(STEPS)]


@pytest.mark.parametrize(
    ("fault", "happened"),
    [
        ("kill", "was killed by SIGKILL"),
        ("raise", "failed: IndexError: list index out of range"),
        ("stop", "is stopped (SIGSTOP)"),
        ("stall", "has stalled"),
        ("exit", "ended with status 7"),
    ],
)
def test_a_fault_is_named_and_leaves_nothing(fault, happened):
    with pytest.raises(RankError) as caught:
        finish(processes.start("mpi_programs:ring", {"fault": fault}, 3))
    failure = caught.value.failure
    assert (failure.rank, failure.step, failure.position, failure.spelling) == (BAD_RANK, BAD_STEP, 0, "F0:3")
    assert failure.happened.startswith(happened)
    assert caught.value.status == 1
    assert {(w.rank, w.peer) for w in failure.waiting} == {(2, 1), (0, 2)}
    assert str(failure).startswith(f"rank 1 in step 6, instruction 0 (F0:3) {failure.happened}; rank 2 was waiting")


def test_a_labs_error_keeps_its_advice():
    with pytest.raises(RankError) as caught:
        finish(processes.start("mpi_programs:ring", {"fault": "refuse"}, 2))
    assert caught.value.failure.happened == "failed: the loss is nan"
    assert (caught.value.instead, caught.value.status) == ("type a smaller learning rate", 1)
    assert "refuse" in caught.value.traceback


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_killed_keeper_takes_its_rank_along():
    with pytest.raises(RankError, match=r"rank 1 in step 6, .* was killed by SIGKILL"):
        finish(processes.start("mpi_programs:ring", {"fault": "keeper"}, 3))


def test_ranks_that_the_launcher_drops_are_ended():
    run = processes.start("mpi_programs:ring", {"fault": "stop"}, 2)
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while run.board.look(BAD_RANK).last.step < BAD_STEP:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        run.process.kill()
        with pytest.raises(LabError, match="was killed by SIGKILL"):
            finish(run)
    finally:
        assert run.process.poll() is not None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_the_process_that_started_it(number):
    code = """
import time
from labkit.run import processes
from labkit.run.watch import Watch
run = processes.start("mpi_programs:ring", {"fault": "stall"}, 2)
try:
    watch = Watch(run, lambda rank, position: "")
    print(run.folder, flush=True)
    while not watch.over():
        time.sleep(0.01)
finally:
    processes.end(run)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as starter:
        folder = Path(starter.stdout.readline().strip())
        deadline = time.monotonic() + TIMEOUT_S
        while len(processes.left_over(folder.name)) < 5:  # the launcher, two keepers, two ranks
            assert time.monotonic() < deadline
            time.sleep(0.02)
        starter.send_signal(number)
        starter.wait(TIMEOUT_S)
        while processes.left_over(folder.name) or folder.exists() or (SHARED_MEMORY / folder.name).exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_function_that_is_not_there():
    with pytest.raises(LabError, match="failed: AttributeError"):
        finish(processes.start("mpi_programs:nothing", {}, 2))


def test_folders_of_the_dead_are_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(processes.tempfile, "gettempdir", lambda: str(tmp_path))
    born = processes.keeper.birth(os.getpid()) or 0
    mine, others = tmp_path / f"labkit-run-{os.getpid()}-{born}-a", tmp_path / "labkit-run-999999999-1-b"
    mine.mkdir()
    others.mkdir()
    processes.sweep()
    assert mine.exists() and not others.exists()


def test_ranks_have_their_threads_pinned_a_mark_and_a_place_for_shared_memory():
    run = processes.start("mpi_programs:environment", {"shared_memory": str(SHARED_MEMORY)}, 2, threads=3)
    mark, has_shared = run.folder.name, len(run.folders) > 1
    told = finish(run)
    assert len(told) == 2
    for _, (variables, files) in told:
        pools = ("OMP", "OPENBLAS", "MKL", "NUMBA")
        assert [variables[f"{pool}_NUM_THREADS"] for pool in pools] == ["3"] * 4
        assert variables[processes.MARK] == mark
        assert bool(files) == has_shared or run.launcher.library != "Open MPI"
