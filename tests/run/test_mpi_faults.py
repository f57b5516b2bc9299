"""Every way in which processes under a launcher can break: it is named, soon, and nothing is left."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mpi_watching import TIMEOUT_S, finish, programs  # noqa: F401 (a fixture)

from labkit.errors import LabError
from labkit.machine.processor import SHARED_MEMORY
from labkit.run.failure import RankError
from labkit.run.mpi import processes

BAD_STEP, BAD_RANK = 6, 1  # of `mpi_programs.ring`
pytestmark = pytest.mark.usefixtures("programs")


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
        finish(processes.start("mpi_programs:ring", {"fault": fault}, 3), stalled_s=1.0)
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
    with pytest.raises(LabError, match=r"rank 1 .* was killed by SIGKILL|Killed"):  # MPICH ends all without a name
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
from labkit.run.mpi import processes
from labkit.run.mpi.watch import Watch
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
