"""Processes of a cluster on this machine: recognised again by number and time of birth, and ended for certain.

Run as `python -m labkit.run.cluster.processes FOLDER PID BORN` it is the cluster's guard: it sleeps until the process
that owns the cluster (a notebook's kernel) is gone, however that came about, and then takes the cluster down.
"""

import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

Stamp = tuple[int, float]  # process id, and when it was born: numbers are used again
_SAME_BIRTH_S = 0.5
GUARD_EVERY_S = 0.5
KILLED_S = 5.0  # what is killed is gone by then, unless the system itself is stuck


def stamp(pid: int) -> Stamp:
    """The stamp of a process; born at 0 if there is none."""
    try:
        return pid, psutil.Process(pid).create_time()
    except psutil.Error:
        return pid, 0.0


def process(mark: Stamp | None) -> psutil.Process | None:
    """The process with this stamp, or None if it is gone (or only waits for its parent to take note of its end)."""
    if not mark:
        return None
    try:
        found = psutil.Process(mark[0])
        return found if abs(found.create_time() - mark[1]) < _SAME_BIRTH_S and _runs(found) else None
    except psutil.Error:
        return None


def alive(mark: Stamp | None) -> bool:
    """Whether the process with this stamp still runs."""
    return process(mark) is not None


def trees(marks: Iterable[Stamp | None]) -> list[psutil.Process]:
    """These processes, as far as they still run, and all below them."""
    found: dict[int, psutil.Process] = {}
    for top in filter(None, map(process, marks)):
        with suppress(psutil.Error):
            for one in (top, *top.children(recursive=True)):
                found[one.pid] = one
    return list(found.values())


def end(processes: Iterable[psutil.Process], grace_s: float = 1.0) -> None:
    """Ask the processes to end, wait up to `grace_s`, and kill those that have not."""
    processes = list(processes)
    for how, patience_s in (("terminate", grace_s), ("kill", KILLED_S)):
        for one in filter(_runs, processes):
            with suppress(psutil.Error):
                getattr(one, how)()
        deadline = time.monotonic() + patience_s
        while any(map(_runs, processes)) and time.monotonic() < deadline:
            time.sleep(0.02)


def _runs(one: psutil.Process) -> bool:
    """Not so of a process that only waits for its parent to take note of its end."""
    try:
        return one.is_running() and one.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def guard(folder: Path, owner: Stamp) -> None:
    """Return once the cluster in `folder` is down or somebody else's; take it down once its owner is gone."""
    from labkit.run.cluster import record as cluster_record

    while True:
        record = cluster_record.read(folder)
        if record is None or record.owner != owner:
            return
        if not alive(owner):
            from labkit.run import cluster

            cluster.down(folder)
            return
        time.sleep(GUARD_EVERY_S)


if __name__ == "__main__":
    guard(Path(sys.argv[1]), (int(sys.argv[2]), float(sys.argv[3])))
