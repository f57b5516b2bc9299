"""`labkit run` that is stopped, or loses a rank: exit status, one line, nothing left."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from labkit.errors import LabError
from labkit.run.checkpoint import files as checkpoints
from labkit.run.mpi import library as mpi_library

WORDS = ("allreduce", "--network", "lenet5", "--ranks", "2", "--batch", "8", "--steps", "1000000", "--no-predict")
PATIENCE_S = 60


class Going:
    """A run as a program of its own, which has written a checkpoint already."""

    def __init__(self, folder, *words: str):
        self.folder = folder
        words = (*WORDS, "--checkpoint", str(folder), "--checkpoint-every", "20", *words)
        command = [sys.executable, "-m", "labkit.cli", "run", *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + PATIENCE_S
        while checkpoints.latest(folder) is None:
            assert self.process.poll() is None and time.monotonic() < deadline, "no checkpoint was written"
            time.sleep(0.05)

    def started(self) -> list:
        """All processes that it has started."""
        import psutil

        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self) -> tuple[int, str, list[str]]:
        """Its exit status, stdout, and the lines on stderr."""
        out, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out, said.splitlines()


@pytest.fixture
def going(require, tmp_path):
    """`going(*words)` starts a run; whatever is left of it is killed."""
    require(os.name != "nt", "Windows has neither these signals nor ranks under MPI")
    try:
        mpi_library.launcher()
    except LabError as error:
        require(False, str(error))
    runs = []

    def start(*words: str) -> Going:
        runs.append(Going(tmp_path / "kept", *words))
        return runs[-1]

    yield start
    for run in runs:
        run.process.kill()


def gone(processes) -> bool:
    """Whether all of them end within seconds."""
    import psutil

    return not psutil.wait_procs(processes, timeout=20)[1]


@pytest.mark.parametrize("words", [(), ("--on", "threads")], ids=["processes", "threads"])
def test_ctrl_c_ends_with_130_and_says_what_is_kept(going, words):
    run = going(*words)
    others = run.started()
    run.process.send_signal(signal.SIGINT)
    status, out, said = run.end()
    assert (status, out) == (130, "")
    step = checkpoints.latest(run.folder)
    assert said == [
        f"labkit: stopped by Ctrl-C; the checkpoint of step {step} is in {run.folder} — go on with the same command "
        "and --resume"
    ]
    assert gone(others)


def test_a_rank_that_dies_ends_the_run_with_1_and_one_line(going):
    run = going()
    others = run.started()
    ranks = [p for p in others if any("rank_main" in word for word in p.cmdline()) and not p.children()]
    assert len(ranks) == 2
    ranks[1].kill()
    status, out, said = run.end()
    assert (status, out, len(said)) == (1, "", 1)
    assert re.fullmatch(r"labkit: rank [01] in step \d+, .* was killed by SIGKILL; .* — .*--resume.*", said[0])
    assert gone(others)
