"""`mpiexec -n 2 labkit run ...`: every process is a rank, and rank 0 alone speaks."""

import json
import subprocess
import sys

import pytest

from labkit.errors import LabError
from labkit.run.mpi import library as mpi_library

WORDS = ("--network", "lenet5", "--batch", "7", "--steps", "3", "--timeout", "20", "--no-predict")


@pytest.fixture
def mpiexec(require, tmp_path):
    """Runs `labkit` as so many processes: (status, stdout, lines of labkit's own on stderr)."""
    try:
        launcher = mpi_library.launcher()
    except LabError as error:
        require(False, str(error))

    def call(processes: int, *words: str):
        command = launcher.command(processes, [sys.executable, "-m", "labkit.cli", *words])
        environment = launcher.environment(processes, 1, tmp_path, None)
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90)
        return ran.returncode, ran.stdout, [line for line in ran.stderr.splitlines() if line.startswith("labkit:")]

    return call


def test_processes_that_a_launcher_has_started_are_the_ranks(mpiexec, labkit):
    """Their number is that of the ranks; weights and losses are those of threads, bit by bit."""
    status, out, said = mpiexec(2, "run", "allreduce", *WORDS, "--json")
    assert (status, said) == (0, [])
    apart = json.loads(out)
    together = json.loads(labkit("run", "allreduce", *WORDS, "--ranks", "2", "--on", "threads", "--json").out)
    assert apart["ranks"] == 2 and "MPI" in apart["communicator"]
    assert (apart["parameters_l2"], apart["loss"]) == (together["parameters_l2"], together["loss"])
    sent = [(row["messages_sent"], row["bytes_sent"]) for row in apart["per_rank"]]
    assert sent == [(row["messages_sent"], row["bytes_sent"]) for row in together["per_rank"]]


def test_a_rank_that_fails_is_told_in_one_line_and_ends_all(mpiexec):
    status, out, said = mpiexec(2, "run", "allreduce", *WORDS, "--lr", "1e38")
    assert (status, out) == (1, "")
    assert len(said) == 1 and "diverged" in said[0] and "instruction" in said[0]


@pytest.mark.parametrize("words", [("--ranks", "3"), ("--on", "threads")])
def test_what_does_not_fit_is_refused_in_one_line(mpiexec, words):
    status, out, said = mpiexec(2, "run", "allreduce", *WORDS, *words)
    assert (status, out) == (2, "")
    assert len(said) == 1 and "2 processes" in said[0]
