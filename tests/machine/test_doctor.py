"""The doctor: every check's good and bad findings, and what stops the lab and what does not."""

import dataclasses
import json
import re
import sys

import pytest

from labkit.machine import checks, mpi
from labkit.machine.checks import ITEMS, Item
from labkit.machine.doctor import Check, can_run, check, examine, report
from labkit.machine.gpu import Gpu

H200 = Gpu("NVIDIA H200", (9, 0), 150_000_000_000, "580.95.05", (13, 0), 132)
MPI = {"library": "Open MPI", "version": "5.0.11", "launcher": "mpiexec", "thread_level": "serialized"}
MPI |= {"ranks_started": 2, "seconds": 0.6, "root": True, "cores": 2}
OLD = dataclasses.replace(H200, driver="550.54.15", cuda=(12, 4))
BY_NAME = {item.name: item for item in ITEMS}

# Item, a finding that is wrong, a word of what is shown, a word of the advice.
WRONG = [
    ("python", (3, 10, 12), "3.10.12", "3.11"),
    ("packages", {"numpy": (">=2.0,<2.5", "1.26.4")}, "numpy 1.26.4", "make setup"),
    ("packages", {"numba": (">=0.61", None)}, "numba missing", "make setup"),
    ("widgets", {"jupyterlab_widgets": True, "anywidget": False}, "missing: anywidget", "jupyterlab_widgets"),
    ("memory", 1_000_000_000, "1.0 GB", "close other programs"),
    ("load", (3.5, 2), "3.5 processes on 2 threads", "top"),
    ("blas", ("unknown", 1), "unknown", "numpy"),
    ("simulator", "no answer within 60 s", "no answer", "make setup"),
    ("gpu", (H200, (13, 4), "PTX version"), "newer than the driver", '"dev gpu"'),
    ("gpu", (OLD, (13, 0), "PTX version"), "newer than the driver", '"dev gpu12"'),
    ("gpu", (H200, None, "libNVVM cannot be found"), "does not run: libNVVM", '"dev gpu"'),
    ("mpi", {"fault": "there is no MPI launcher", "advice": mpi.INSTALL}, "no MPI launcher", "pip install mpi4py"),
    ("shared memory", 64 * 2**20, "64 MiB", "--shm-size"),
    ("browser", None, "none", "apt-get install chromium"),
]
RIGHT = [
    ("python", (3, 13, 1)),
    ("packages", {"numpy": (">=2.0,<2.5", "2.4.6"), "typer": ("", "0.29")}),
    ("widgets", {"jupyterlab_widgets": True, "anywidget": True}),
    ("port", 8888),
    ("cores", (2, 4)),
    ("memory", 8_000_000_000),
    ("load", (0.3, 2)),
    ("blas", ("OpenBLAS 0.3.31", 2)),
    ("numba", ("workqueue", 2)),
    ("simulator", ""),
    ("gpu", (None, None, "")),
    ("gpu", (H200, (13, 4), "")),  # newer than the driver, and yet its kernel ran
    ("gpu", (H200, (13, 0), "")),
    ("gpu", (H200, None, "")),
    ("gpu ranks", (0, None)),
    ("gpu ranks", (1, "0.6.0")),
    ("gpu ranks", (4, None)),
    ("gpu ranks", (4, "0.6.0")),
    ("mpi", {"missing": "no ranks under MPI on this system"}),
    ("mpi", MPI),
    ("shared memory", None),
    ("shared memory", 2**30),
    ("browser", "chromium"),
]


def found(name: str, finding: object) -> Check:
    return check(dataclasses.replace(BY_NAME[name], probe=lambda: finding))


@pytest.mark.parametrize(("name", "finding", "shown", "advice"), WRONG)
def test_what_is_wrong_is_shown_with_what_to_type(name, finding, shown, advice):
    result = found(name, finding)
    assert not result.ok
    assert shown in result.found and advice in result.advice


@pytest.mark.parametrize(("name", "finding"), RIGHT)
def test_what_is_right_needs_no_advice(name, finding):
    result = found(name, finding)
    assert result.ok and result.found and result.advice == ""


def test_a_folder_that_is_not_there_cannot_be_written_to(tmp_path):
    assert found("datasets", tmp_path).ok
    result = found("datasets", tmp_path / "none")
    assert not result.ok and f"mkdir -p {tmp_path / 'none'}" in result.advice


def test_a_probe_that_raises_is_a_finding():
    def probe():
        raise ImportError("numba needs\nNumPy 2.4 or less")

    result = check(Item("numba", probe, checks.judge_numba))
    assert not result.ok and "make setup" in result.advice
    assert result.found == "ImportError: numba needs NumPy 2.4 or less"


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_only_what_is_needed_stops_the_lab(item):
    failed = Check(item.name, False, "x", "y", item.needed)
    assert can_run([failed]) is (not item.needed)


def test_the_optional_ones_are_the_ones_the_lab_can_do_without():
    optional = {item.name for item in ITEMS if not item.needed}
    without = {"memory", "load", "blas", "gpu", "gpu ranks", "mpi", "shared memory", "datasets", "browser"}
    assert optional == without


@pytest.mark.parametrize(
    ("gpus", "nccl", "says"),
    [(0, None, "no GPU"), (1, None, "ranks share it"), (4, None, "4 GPUs.*through the host"), (4, "0.6", "by NCCL")],
)
def test_it_says_how_ranks_will_use_gpus(gpus, nccl, says):
    assert re.search(says, found("gpu ranks", (gpus, nccl)).found)


def test_here_every_item_is_probed_and_the_lab_can_run():
    results = examine()
    assert [c.name for c in results] == [item.name for item in ITEMS]
    assert can_run(results), [c for c in results if not c.ok]
    for result in results:
        assert result.found and bool(result.advice) is not result.ok


def test_report_has_the_keys_of_the_contract():
    document = json.loads(json.dumps(report([Check("port", False, "x", "y", True)])))
    assert document["ok"] is False and document.keys() == {"ok", "checks", "gpu", "mpi"}
    assert document["checks"] == [{"name": "port", "ok": False, "found": "x", "advice": "y", "needed": True}]


def test_report_names_the_gpu(monkeypatch):
    monkeypatch.setattr("labkit.machine.gpu.first_gpu", lambda: H200)
    card = report([])["gpu"]
    assert card.keys() >= {"name", "compute_capability", "memory_bytes", "driver", "multiprocessors"}
    assert (card["name"], card["multiprocessors"]) == ("NVIDIA H200", 132)


@pytest.mark.parametrize(
    ("said", "library"),
    [
        ("mpirun (Open MPI) 4.1.6\n\nReport bugs to", {"library": "Open MPI", "version": "4.1.6"}),
        ("HYDRA build details:\n    Version:       4.2.1\n", {"library": "MPICH", "version": "4.2.1"}),
        ("something else", None),
    ],
)
def test_mpi_is_recognised(said, library):
    assert mpi.parse(said) == library


def test_what_is_found_of_mpi_is_shown():
    assert found("mpi", MPI).found == (
        "Open MPI 5.0.11 (mpiexec), threads serialized; 2 ranks started in 0.6 s as root; more than 2 share cores"
    )


def test_without_a_launcher_there_is_no_mpi(monkeypatch):
    monkeypatch.setenv(mpi.NAMED, "no/such/mpiexec")
    assert mpi.first_library() is None
    assert "no/such/mpiexec" in mpi.try_ranks()["fault"]


def test_a_launcher_that_says_nothing_is_no_launcher(monkeypatch):
    monkeypatch.setenv(mpi.NAMED, sys.executable)
    assert mpi.first_library() is None
    assert "neither Open MPI nor MPICH" in mpi.try_ranks()["fault"]


def test_a_check_that_takes_too_long_is_a_finding():
    assert "within 0.01 s" in mpi.try_ranks(timeout_s=0.01)["fault"]
