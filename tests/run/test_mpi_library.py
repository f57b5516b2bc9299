"""How launchers are called: flags and variables for each library, and being inside of one already."""

import dataclasses
import sys
from pathlib import Path

import pytest

from labkit.errors import LabError
from labkit.machine import mpi
from labkit.run.mpi import library as mpi_library
from labkit.run.mpi.library import Launcher, joined, launcher

OPEN = Launcher(Path("/opt/bin/mpiexec"), "Open MPI", "5.0.11", ours=True)
MPICH = Launcher(Path("/opt/bin/mpiexec"), "MPICH", "4.2.1", ours=False)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(mpi_library, "physical_cores", lambda: 2)
    monkeypatch.setattr(mpi_library, "running_as_root", lambda: False)
    for name in (*mpi_library._RANK, *mpi_library._SIZE):
        monkeypatch.delenv(name, raising=False)


def test_as_many_ranks_as_cores():
    assert OPEN.command(2, ["python", "x.py"]) == ["/opt/bin/mpiexec", "-n", "2", "--bind-to", "none", "python", "x.py"]
    assert MPICH.command(2, ["python"]) == ["/opt/bin/mpiexec", "-n", "2", "python"]


def test_more_ranks_than_cores_are_allowed_and_yield(tmp_path):
    assert "--oversubscribe" in OPEN.command(3, []) and "--oversubscribe" not in MPICH.command(3, [])
    yields = [OPEN.environment(ranks, 1, tmp_path, None)["OMPI_MCA_mpi_yield_when_idle"] for ranks in (2, 3)]
    assert yields == ["0", "1"]


def test_root_is_allowed_only_as_root(monkeypatch):
    assert "--allow-run-as-root" not in OPEN.command(2, [])
    monkeypatch.setattr(mpi_library, "running_as_root", lambda: True)
    assert "--allow-run-as-root" in OPEN.command(2, []) and "--allow-run-as-root" not in MPICH.command(2, [])


def test_threads_and_folders(tmp_path):
    found = OPEN.environment(2, 3, tmp_path / "a", tmp_path / "b")
    assert {found[f"{pool}_NUM_THREADS"] for pool in mpi_library._POOLS} == {"3"}
    assert (found["TMPDIR"], found["OMPI_MCA_btl_sm_backing_directory"]) == (str(tmp_path / "a"), str(tmp_path / "b"))
    assert found["OMPI_MCA_btl"] == "self,sm"
    old = dataclasses.replace(OPEN, version="4.1.6").environment(2, 1, tmp_path, tmp_path)
    assert old["OMPI_MCA_btl"] == "self,vader" and "OMPI_MCA_btl_vader_backing_directory" in old
    assert not any(name.startswith("OMPI_MCA") for name in MPICH.environment(2, 1, tmp_path, tmp_path))


def test_what_the_user_has_set_stays(monkeypatch, tmp_path):
    monkeypatch.setenv("OMPI_MCA_pml", "ucx")
    assert OPEN.environment(2, 1, tmp_path, None)["OMPI_MCA_pml"] == "ucx"


def test_inside_a_rank_the_variables_of_the_launcher_above_are_dropped(monkeypatch, tmp_path):
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "1")
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    monkeypatch.setenv("PMIX_NAMESPACE", "outer")
    assert joined() == (1, 4)
    found = OPEN.environment(2, 1, tmp_path, None)
    assert "PMIX_NAMESPACE" not in found and "OMPI_COMM_WORLD_RANK" not in found


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({}, None),
        ({"PMI_RANK": "0", "PMI_SIZE": "3"}, (0, 3)),
        ({"PMIX_RANK": "2", "SLURM_NTASKS": "8"}, (2, 8)),
        ({"SLURM_NTASKS": "8"}, None),  # within a batch script, but started by no launcher
    ],
)
def test_joining(monkeypatch, variables, place):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert joined() == place


def test_another_launcher_brings_its_library(tmp_path):
    library = tmp_path / "lib" / "libmpi.so"
    library.parent.mkdir()
    library.touch()
    theirs = dataclasses.replace(MPICH, path=tmp_path / "bin" / "mpiexec")
    assert theirs.environment(2, 1, tmp_path, None)["MPI4PY_LIBMPI"] == str(library)
    ours = dataclasses.replace(theirs, ours=True)
    assert "MPI4PY_LIBMPI" not in ours.environment(2, 1, tmp_path, None)


def test_the_named_launcher_is_the_only_one(monkeypatch):
    monkeypatch.setenv(mpi.NAMED, "no/such/file")
    with pytest.raises(LabError, match="no/such/file"):
        launcher()
    monkeypatch.setenv(mpi.NAMED, sys.executable)
    with pytest.raises(LabError, match="neither Open MPI nor MPICH"):
        launcher()


def test_the_one_beside_this_python_comes_first(monkeypatch, tmp_path):
    monkeypatch.delenv(mpi.NAMED, raising=False)
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        program = tmp_path / folder / "mpiexec"
        program.write_text("#!/bin/sh\necho 'mpiexec (Open MPI) 5.0.1'\n", encoding="utf-8")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "there"))
    monkeypatch.setattr(mpi.sys, "executable", str(tmp_path / "here" / "python"))
    assert (launcher().path, launcher().name, launcher().ours) == (tmp_path / "here/mpiexec", "Open MPI 5.0.1", True)
    monkeypatch.setattr(mpi.sys, "executable", str(tmp_path / "nowhere" / "python"))
    assert (launcher().path, launcher().ours) == (tmp_path / "there/mpiexec", False)
