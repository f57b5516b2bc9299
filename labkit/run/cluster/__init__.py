"""A cluster: ranks that stay warm, for runs that start at once and for `%%px` cells in a notebook.

    from labkit.run import cluster
    cluster.up(4)               # or in a shell: labkit cluster up --ranks 4
    rc = cluster.client()       # ipyparallel's client; `%%px` cells now run on all ranks
    cluster.down()

ipyparallel starts a controller and, through the MPI launcher, one engine for each rank, in which mpi4py finds the other
ranks. The id of an engine is its rank. A cluster that a notebook starts ends with the notebook's kernel; one that the
command line starts stays until `labkit cluster down`. Each user has at most one; its files lie in IPython's folder.
"""

import os
import shutil
import socket
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from labkit.errors import LabError
from labkit.run.cluster import record as cluster_record
from labkit.run.cluster.processes import alive, end, trees
from labkit.run.cluster.record import Engine, Record

ID = "labkit"  # ipyparallel's name of the cluster
DOWN = "type: labkit cluster down"
UP = "type: labkit cluster up --ranks 2"
MOST_RANKS = 256
ANSWER_S = 20.0


@dataclass(frozen=True)
class Status:
    """up: all ranks answer. ranks, profile, started, seconds_to_start, broken, engines: see `Record`. running: for each
    engine whether it is there. what: one sentence. folder: where the files and logs lie.
    """

    up: bool
    what: str
    ranks: int = 0
    profile: str = ""
    broken: str = ""
    started: float = 0.0
    seconds_to_start: float = 0.0
    engines: tuple[Engine, ...] = ()
    running: tuple[bool, ...] = ()
    folder: str = ""

    @property
    def advice(self) -> str:
        """What to type next."""
        if self.up:
            return "from labkit.run import cluster; rc = cluster.client()   # then %%px in a notebook"
        return DOWN if self.ranks else UP

    def document(self) -> dict:
        """As a JSON object, in which each engine says whether it runs."""
        engines = [asdict(e) | {"running": r} for e, r in zip(self.engines, self.running, strict=True)]
        plain = {name: value for name, value in asdict(self).items() if name not in ("engines", "running")}
        return plain | {"engines": engines}


def folder() -> Path:
    """Where the cluster's files lie: the profile `labkit` in IPython's folder ($IPYTHONDIR or ~/.ipython)."""
    return Path(os.environ.get("IPYTHONDIR") or Path.home() / ".ipython").expanduser() / "profile_labkit"


def up(ranks: int, profile: str = "", timeout_s: float = 60.0, keep: bool = False, threads: int = 1) -> Status:
    """Start `ranks` ranks and wait until all of them answer; returns how they stand.

    profile: '' for this machine; 'slurm' or another profile of settings, see `profile_files`. keep: let the cluster
    outlive this process. threads: of BLAS, for each rank. A sound cluster of as many ranks that is there already is
    used. Raises LabError where there is another one, and where a rank has not answered in time, which it names; nothing
    is left behind then.
    """
    from labkit.run.cluster import start as cluster_start

    if not isinstance(ranks, int) or isinstance(ranks, bool) or not 1 <= ranks <= MOST_RANKS:
        raise LabError(f"a cluster of {ranks!r} ranks", f"give a whole number from 1 to {MOST_RANKS}")
    here = folder()
    found = status()
    if found.up and (found.ranks, found.profile) == (ranks, profile):
        return found
    if found.up or found.broken:
        raise LabError(found.what, DOWN)
    down()  # what a crash may have left
    began = time.monotonic()
    try:
        record = cluster_start.start(here, ranks, profile, threads, keep)
        engines = cluster_start.await_ranks(here, record, began + timeout_s)
    except BaseException:  # also Ctrl-C and a kernel's interrupt
        down()
        raise
    seconds = time.monotonic() - began
    cluster_record.write(here, replace(record, engines=engines, seconds_to_start=round(seconds, 3)))
    return status()


def status() -> Status:
    """How the cluster stands, from its record and this machine's processes. Never waits."""
    here = folder()
    record = cluster_record.read(here)
    if record is None:
        return Status(False, "there is no cluster", folder=str(here))
    # A process on another machine is known by its launcher's or by its messages only.
    local = record.host == socket.gethostname()
    running = tuple(alive((e.pid, e.born)) if e.host == socket.gethostname() else True for e in record.engines)
    broken = record.broken or _broken(record, running, local)
    shared = (record.ranks, record.profile, broken, record.started, record.seconds_to_start)
    if broken:
        what = f"the cluster of {_count(record.ranks)} is broken: {broken}"
    elif not record.engines:
        what = f"a cluster of {_count(record.ranks)} is starting"
    else:
        what = f"a cluster of {_count(record.ranks)} is up"
    return Status(bool(record.engines) and not broken, what, *shared, record.engines, running, str(here))


def client(timeout_s: float = ANSWER_S):
    """ipyparallel's client of the cluster that is up. In a notebook `%px` and `%%px` then mean all its ranks.

    Close it when it is no longer needed. Raises LabError where no sound cluster is up or it does not answer.
    """
    found = status()
    if not found.up:
        raise LabError(found.what, DOWN if found.broken else UP)
    connected = connect(folder(), timeout_s)
    ipython = sys.modules.get("IPython")
    if ipython is not None and ipython.get_ipython() is not None:
        view = connected[:]
        view.block = True
        view.activate()
    return connected


def connect(here: Path, timeout_s: float = ANSWER_S):
    """ipyparallel's client of the controller whose files lie in `here`; LabError where it does not answer."""
    import ipyparallel

    try:
        file = here / "security" / f"ipcontroller-{ID}-client.json"
        return ipyparallel.Client(str(file), timeout=timeout_s, profile_dir=str(here), cluster_id=ID)
    except (OSError, TimeoutError, ipyparallel.error.TimeoutError) as error:
        raise LabError(f"the cluster's controller does not answer: {error}", DOWN) from None


def mark_broken(reason: str) -> None:
    """Note that the cluster can no longer be used; `up` and `client` then say so."""
    record = cluster_record.read(folder())
    if record is not None and not record.broken:
        cluster_record.write(folder(), replace(record, broken=reason))


def down(here: Path | None = None) -> bool:
    """End all processes of the cluster, whatever state it is in; whether there was one. Takes a few seconds at most.

    here: its folder, where that is not the one of this process's surroundings.
    """
    here = here or folder()
    record = cluster_record.read(here)
    if record is None:
        return False
    processes = []
    if record.host == socket.gethostname():
        engines = [(e.pid, e.born) for e in record.engines if e.host == record.host]
        processes = trees([record.controller, record.launcher, record.guard, *engines])
    if record.profile:
        _cancel(here)
    end(one for one in processes if one.pid != os.getpid())  # the guard calls this too
    cluster_record.remove(here)
    for file in (here / "security").glob(f"*{ID}*.json"):
        with suppress(OSError):
            file.unlink()
    if record.scratch:
        shutil.rmtree(record.scratch, ignore_errors=True)
    return True


def new_scratch() -> str:
    """A folder for files of the launcher, with a short name: sockets in it have room for about a hundred letters."""
    return tempfile.mkdtemp(prefix="labkit-")


def _count(ranks: int) -> str:
    return "1 rank" if ranks == 1 else f"{ranks} ranks"


def _broken(record: Record, running: tuple[bool, ...], local: bool) -> str:
    gone = [str(e.rank) for e, runs in zip(record.engines, running, strict=True) if not runs]
    if gone:
        return f"rank {', '.join(gone)} is gone"
    if local and not alive(record.controller):
        return "its controller is gone"
    return ""


def _cancel(here: Path) -> None:
    """Have the batch system of the profile end its jobs, as ipyparallel noted them."""
    import ipyparallel

    with suppress(Exception):  # whatever is wrong with it, what runs on this machine is ended all the same
        ipyparallel.Cluster.from_file(profile_dir=str(here), cluster_id=ID).stop_cluster_sync()
