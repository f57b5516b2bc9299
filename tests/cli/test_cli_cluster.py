"""`labkit cluster`: what scripts rely on, and that a cluster outlives the command that started it."""

import json

import pytest

from labkit.errors import LabError
from labkit.run import cluster


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """IPython's folder of this test; whatever a test has started there is ended."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    yield cluster.folder()
    cluster.down()


def can_start() -> bool:
    try:
        import ipyparallel  # noqa: F401

        from labkit.run.mpi.library import launcher

        return launcher() is not None
    except (ImportError, LabError):
        return False


def test_up_status_down(program, labkit, require):
    require(can_start(), "no MPI launcher or no ipyparallel here")
    ran = program("cluster", "up", "--ranks", "1", "--json")
    assert ran.status == 0, ran.err
    found = json.loads(ran.out)
    assert found["up"] is True and found["ranks"] == 1 and found["seconds_to_start"] > 0
    assert [(e["id"], e["rank"], e["running"]) for e in found["engines"]] == [(0, 0, True)]
    ran = labkit("cluster", "status", "--json")
    assert ran.status == 0 and json.loads(ran.out) == found, "it stays when the command has ended"
    ran = labkit("cluster", "status")
    assert ran.status == 0 and "a cluster of 1 rank is up" in ran.out and "cluster.client()" in ran.out
    ran = labkit("cluster", "up", "--ranks", "2")
    assert ran.status == 2 and "labkit cluster down" in ran.err
    assert json.loads(labkit("cluster", "down", "--json").out) == {"ended": True}
    assert labkit("cluster", "down").out == "there was no cluster\n"


def test_no_cluster_is_status_1(labkit):
    ran = labkit("cluster", "status", "--json")
    found = json.loads(ran.out)
    assert ran.status == 1 and found["up"] is False and found["engines"] == []
    assert found["advice"] == "type: labkit cluster up --ranks 2"
    assert labkit("cluster", "status").out == "there is no cluster: type: labkit cluster up --ranks 2\n"


@pytest.mark.parametrize("words", [("--ranks", "0"), ("--ranks", "1000"), ("--profile", "slrum"), ("--timeout", "0")])
def test_what_cannot_be_ends_with_2(labkit, words):
    ran = labkit("cluster", "up", *words)
    assert (ran.status, ran.out) == (2, "")
    assert " — " in ran.err.splitlines()[-1]
