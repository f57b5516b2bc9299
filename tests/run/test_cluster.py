"""A cluster of warm ranks: it starts, answers, is used by %%px, breaks with a word, and leaves no process."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from labkit.errors import LabError
from labkit.run import cluster
from labkit.run.cluster import processes as cluster_processes
from labkit.run.cluster import profile_files as cluster_profiles
from labkit.run.cluster import record as cluster_record
from labkit.run.cluster.record import Engine, Record

TIMEOUT_S = 60


def works() -> str:
    """Why no cluster can be started here, or ''."""
    try:
        import ipyparallel  # noqa: F401

        from labkit.run.communicators.mpi import library
        from labkit.run.mpi.library import launcher

        launcher()
        library()
    except (ImportError, LabError) as error:
        return str(error)
    return ""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """IPython's folder of this test; whatever a test has started there is ended."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    yield cluster.folder()
    cluster.down()


@pytest.fixture
def started(here, require):
    """A cluster of two ranks."""
    reason = works()
    require(not reason, f"no cluster of MPI ranks here: {reason}")
    return cluster.up(2, timeout_s=TIMEOUT_S)


def processes_of(here) -> list[psutil.Process]:
    """Every process whose command names the folder of this test, and those of the record."""
    named = [p for p in psutil.process_iter(["cmdline"]) if any(str(here) in w for w in p.info["cmdline"] or [])]
    record = cluster_record.read(here)
    marks = [] if record is None else [(e.pid, e.born) for e in record.engines] + [record.controller, record.launcher]
    return named + cluster_processes.trees(marks)


def wait_until_gone(processes: list[psutil.Process], timeout_s: float = 15) -> None:
    _, left = psutil.wait_procs(processes, timeout=timeout_s)
    assert not [p for p in left if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_ranks_answer_and_leave_nothing(started, here):
    assert started.up and started.ranks == 2 and started.running == (True, True)
    assert [(e.id, e.rank, e.threads) for e in started.engines] == [(0, 0, 1), (1, 1, 1)]
    assert cluster.status() == started
    assert cluster.up(2, timeout_s=TIMEOUT_S) == started, "one that is there is used"
    with pytest.raises(LabError, match="a cluster of 2 ranks is up — type: labkit cluster down"):
        cluster.up(3)
    with cluster.client() as rc:
        assert rc.ids == [0, 1]
        view = rc[:]
        view.execute("from mpi4py import MPI; total = MPI.COMM_WORLD.allreduce(MPI.COMM_WORLD.rank + 1)", block=True)
        assert view["total"] == [3, 3]
    processes, scratch = processes_of(here), cluster_record.read(here).scratch
    assert len(processes) >= 5 and os.path.isdir(scratch)
    assert cluster.down() is True
    wait_until_gone(processes)
    assert not os.path.exists(scratch) and processes_of(here) == []
    assert cluster.status().what == "there is no cluster" and cluster.down() is False


def test_a_killed_rank_is_named_until_the_cluster_is_taken_down(started, here):
    processes = processes_of(here)
    os.kill(started.engines[1].pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while cluster.status().up and time.monotonic() < deadline:
        time.sleep(0.05)
    found = cluster.status()
    assert not found.up and "gone" in found.broken and found.advice == "type: labkit cluster down"
    for use in (cluster.client, lambda: cluster.up(2)):
        with pytest.raises(LabError, match=r"the cluster of 2 ranks is broken: rank .* gone — .*labkit cluster down"):
            use()
    cluster.down()
    wait_until_gone(processes)


def test_a_cluster_ends_with_the_process_that_owns_it(here, require):
    reason = works()
    require(not reason, f"no cluster of MPI ranks here: {reason}")
    code = "from labkit.run import cluster; cluster.up(1, timeout_s=60); print('up', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout.readline() == b"up\n"
        processes = processes_of(here)
        owner.kill()
    wait_until_gone(processes)
    assert cluster.status().what == "there is no cluster"


def test_a_launcher_that_fails_is_quoted(here, require, tmp_path, monkeypatch):
    reason = works()
    require(not reason and os.name != "nt", f"no cluster of MPI ranks here: {reason}")
    fake = tmp_path / "mpiexec"
    fake.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "mpirun (Open MPI) 5.0.11" && exit\necho no slots today; exit 3\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("LABKIT_MPIEXEC", str(fake))
    with pytest.raises(LabError, match="the MPI launcher has ended before ranks 0, 1 have answered: no slots today"):
        cluster.up(2, timeout_s=TIMEOUT_S)
    assert cluster.status().what == "there is no cluster" and processes_of(here) == []


@pytest.mark.parametrize("ranks", [0, 1000, True, "2"])
def test_numbers_of_ranks_that_cannot_be(here, ranks):
    with pytest.raises(LabError, match="give a whole number from 1 to 256"):
        cluster.up(ranks)


def test_without_a_cluster_it_is_said_what_to_type(here):
    with pytest.raises(LabError, match="there is no cluster — type: labkit cluster up --ranks 2"):
        cluster.client()


def test_a_record_comes_back_and_a_damaged_one_counts_as_none(tmp_path):
    record = Record(
        2, "slurm", "node", (5, 1.5), None, (7, 2.5), (8, 2.5), "scratch", (Engine(0, 0, 9, 3.5, "node", None),)
    )
    cluster_record.write(tmp_path, record)
    assert cluster_record.read(tmp_path) == record
    for text in ("", "[]", "{}", json.dumps({"ranks": 2})):
        (tmp_path / cluster_record.FILE).write_text(text)
        assert cluster_record.read(tmp_path) is None


def test_a_number_that_is_used_again_is_another_process():
    pid, born = cluster_processes.stamp(os.getpid())
    assert cluster_processes.alive((pid, born))
    assert not cluster_processes.alive((pid, born - 100)) and not cluster_processes.alive(None)


def test_the_profile_for_slurm(monkeypatch):
    monkeypatch.setenv("LABKIT_SLURM_PARTITION", "gpu")
    monkeypatch.setenv("LABKIT_SLURM_OPTIONS", "--gpus-per-task=1 --cpus-per-task=4")
    script = cluster_profiles.config("slurm").SlurmEngineSetLauncher.batch_template
    for line in ("#SBATCH --partition=gpu", "#SBATCH --gpus-per-task=1", "#SBATCH --ntasks={n}"):
        assert line in script.splitlines()
    assert script.splitlines()[-1] == "exec srun --mpi=pmix {program_and_args} --mpi"
    assert "account" not in script


SLURM = {  # what the three commands of Slurm do, as far as the profile uses them, on this machine alone
    "sbatch": """n=$(sed -n 's/^#SBATCH --ntasks=//p' "$1")
N=$n setsid sh "$1" > "$JOBS/out" 2>&1 < /dev/null &
echo "Submitted batch job $!" """,
    "srun": """shift; exec "$MPIEXEC" --allow-run-as-root --oversubscribe -n "$N" "$@" """,
    "scancel": """echo "$1" > "$JOBS/cancelled"; kill "$1" """,
}


@pytest.mark.skipif(sys.platform != "linux", reason="the stand-in for Slurm needs setsid")
def test_ranks_from_a_batch_system(here, require, tmp_path, monkeypatch):
    reason = works()
    require(not reason, f"no cluster of MPI ranks here: {reason}")
    from labkit.run.mpi.library import launcher

    for name, script in SLURM.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("JOBS", str(tmp_path))
    monkeypatch.setenv("MPIEXEC", str(launcher().path))
    monkeypatch.chdir(tmp_path)
    found = cluster.up(2, profile="slurm", timeout_s=TIMEOUT_S)
    assert found.up and [e.rank for e in found.engines] == [0, 1] and found.engines[0].threads == 1
    processes = processes_of(here)
    cluster.down()
    wait_until_gone(processes)
    assert (tmp_path / "cancelled").read_text().strip().isdigit()


def test_profiles_that_cannot_be_used(tmp_path):
    with pytest.raises(LabError, match="there is no profile 'slrum' — did you mean 'slurm'"):
        cluster_profiles.find("slrum")
    (tmp_path / "ipcluster_config.py").write_text("c = 1 / 0")
    with pytest.raises(LabError, match="ZeroDivisionError"):
        cluster_profiles.config(str(tmp_path))
