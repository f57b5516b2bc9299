"""Processes under a real launcher: their messages, what they tell and what they are given."""

import os

import pytest
from mpi_watching import finish, programs  # noqa: F401 (a fixture)

from labkit.errors import LabError
from labkit.machine.processor import SHARED_MEMORY
from labkit.run.mpi import processes

pytestmark = pytest.mark.usefixtures("programs")


@pytest.mark.parametrize("ranks", [2, 3])
def test_messages(ranks):
    assert finish(processes.start("mpi_programs:messages", {}, ranks)) == []


def test_one_rank_and_what_it_tells():
    told = finish(processes.start("mpi_programs:ring", {}, 1))
    assert told == [("step", [0, step]) for step in range(40)]


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
