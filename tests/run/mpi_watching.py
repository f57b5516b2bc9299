"""What the tests of processes share: a launcher or a skip, the way to the programs, and watching a run to its end."""

import os
import time
from pathlib import Path

import pytest

from labkit.errors import LabError
from labkit.run.mpi import library as mpi_library
from labkit.run.mpi import processes
from labkit.run.mpi.rank_main import stream_file
from labkit.run.mpi.stream import Tail
from labkit.run.mpi.watch import STALLED_S, Watch

TIMEOUT_S = 40


@pytest.fixture
def programs(monkeypatch, require):
    """Ranks find the programs of the tests; without a launcher there is nothing to test."""
    try:
        mpi_library.launcher()
    except LabError as error:
        require(False, str(error))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)


def names(rank, position):
    return ["F0:3", "recv g0<0"][position]


def finish(run, stalled_s=STALLED_S):
    """Watch a run to its end; what its ranks told."""
    watch, deadline = Watch(run, names, stalled_s=stalled_s), time.monotonic() + TIMEOUT_S
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
