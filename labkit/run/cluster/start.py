"""How a cluster is started: the controller, the launcher's command, and waiting for every rank."""

import json
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from labkit.errors import LabError
from labkit.run import cluster
from labkit.run.cluster import profile_files as cluster_profiles
from labkit.run.cluster import record as cluster_record
from labkit.run.cluster.processes import Stamp, alive, stamp
from labkit.run.cluster.record import Engine, Record
from labkit.run.mpi.library import launcher

LOOK_EVERY_S = 0.05
BEAT_MS = (
    250  # an engine counts as there after one beat of the controller's heart: ipyparallel's own 3 s are a long wait
)
BEATS_MISSED = 80  # compiled code that holds a lock of Python's must not count as dead
SENT_S = 5.0
_LAST_LINES = 5
LOG = "launcher.txt"
LOGS = "look at the logs in "


def start(here: Path, ranks: int, profile: str, threads: int, keep: bool) -> Record:
    """Start controller and engines; returns the record, which is written before anything else can fail."""
    scratch = cluster.new_scratch()
    config = cluster_profiles.config(profile) if profile else _local(ranks, threads, scratch)
    owner = None if keep else stamp(os.getpid())
    record = Record(ranks, profile, socket.gethostname(), owner=owner, scratch=scratch, started=time.time())
    cluster_record.write(here, record)
    made = _cluster(here, config)
    made.start_controller_sync()
    record = cluster_record.write(here, replace(record, controller=_stamp_of(made.controller)))
    if not keep:
        record = cluster_record.write(here, replace(record, guard=_start_guard(here, owner)))
    made.start_engines_sync(ranks)
    (launched,) = made.engines.values()
    _keep_log(here, launched)
    return cluster_record.write(here, replace(record, launcher=_stamp_of(launched)))


def await_ranks(here: Path, record: Record, deadline: float) -> tuple[Engine, ...]:
    """Wait until every rank has answered who it is; LabError that names those that have not by `deadline`."""
    connected = cluster.connect(here, max(1.0, deadline - time.monotonic()))
    try:
        while len(connected.ids) < record.ranks:
            _check(here, record, connected.ids, deadline)
            time.sleep(LOOK_EVERY_S)
        engines = _ask(connected, record, max(1.0, deadline - time.monotonic()))
        for answer in send(connected, "load").values():  # nobody waits for its end
            answer.wait_for_send(SENT_S)
        return engines
    finally:
        connected.close()


def call(name: str, *texts: str) -> str:
    """What runs in an engine: labkit.run.cluster.engine's function `name`. It is sent as it stands, by its code."""
    import importlib

    return getattr(importlib.import_module("labkit.run.cluster.engine"), name)(*texts)


def ask(connected, name: str, *texts: str, timeout_s: float) -> dict[int, str]:
    """Call a function of `engine` in every engine; the answers by engine id. LabError where one is missing."""
    return wait(send(connected, name, *texts), timeout_s)


def send(connected, name: str, *texts: str) -> dict[int, object]:
    """Start the same in every engine; ipyparallel's pending answers by engine id."""
    return {i: connected[i].apply_async(call, name, *texts) for i in connected.ids}


def wait(pending: dict[int, object], timeout_s: float, look: Callable[[], None] = lambda: None) -> dict[int, str]:
    """The answers of `send`. `look` is called again and again in between: an exception from it ends the wait."""
    deadline = time.monotonic() + timeout_s
    while silent := [i for i, answer in pending.items() if not answer.ready()]:
        look()
        if time.monotonic() > deadline:
            raise LabError(f"{_ranks(silent)} not answered within {timeout_s:.3g} s", cluster.DOWN)
        pending[silent[0]].wait(LOOK_EVERY_S)
    return {i: answer.get() for i, answer in pending.items()}


def _local(ranks: int, threads: int, scratch: str):
    """Settings for ranks on this machine, through the MPI launcher that runs use too."""
    from traitlets.config import Config

    mpi = launcher()
    config = Config()
    config.Cluster.engine_launcher_class = "mpi"
    config.MPIEngineSetLauncher.mpi_cmd = [str(mpi.path)]
    config.MPIEngineSetLauncher.mpi_args = mpi.command(ranks, [])[3:]
    config.MPIEngineSetLauncher.environment = mpi.environment(ranks, threads, Path(scratch), None)
    return config


def _cluster(here: Path, config):
    import ipyparallel

    here.mkdir(parents=True, exist_ok=True)
    if "batch_file_name" not in config.BatchEngineSetLauncher:
        config.BatchEngineSetLauncher.batch_file_name = str(here / "engines.batch")  # not in the user's folder
    made = ipyparallel.Cluster(
        config=config, profile_dir=str(here), cluster_id=cluster.ID, load_profile=False, log_level=logging.ERROR
    )
    made.shutdown_atexit = False  # `down` and the guard do that
    beat = f"--HeartMonitor.period={BEAT_MS}", f"--HeartMonitor.max_heartmonitor_misses={BEATS_MISSED}"
    made.controller_args = [*made.controller_args, *beat]
    return made


def _start_guard(here: Path, owner: Stamp) -> Stamp:
    """Start the process that takes the cluster down when its owner is gone."""
    words = [sys.executable, "-m", "labkit.run.cluster.processes", str(here), *map(str, owner)]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return stamp(subprocess.Popen(words, start_new_session=True, **quiet).pid)


def _check(here: Path, record: Record, present: list[int], deadline: float) -> None:
    """LabError where the wait for the engines is in vain or too long."""
    missing = [rank for rank in range(record.ranks) if rank not in present]
    for what, mark in (("the controller", record.controller), ("the MPI launcher", record.launcher)):
        if mark and not alive(mark):
            raise LabError(f"{what} has ended before {_ranks(missing)} answered: {_last_lines(here)}", LOGS + str(here))
    if time.monotonic() > deadline:
        raise LabError(f"{_ranks(missing)} not answered in time: {_last_lines(here)}", LOGS + str(here))


def _ranks(numbers: list[int]) -> str:
    some = ", ".join(map(str, numbers[:8])) + (", ..." if len(numbers) > 8 else "")
    return f"rank {some} has" if len(numbers) == 1 else f"ranks {some} have"


def _ask(connected, record: Record, timeout_s: float) -> tuple[Engine, ...]:
    """Who each engine is; LabError where they are not the ranks of one MPI job."""
    answers = {i: json.loads(text) for i, text in ask(connected, "who", timeout_s=timeout_s).items()}
    if sorted((a["rank"], a["size"]) for a in answers.values()) != [(r, record.ranks) for r in range(record.ranks)]:
        found = ", ".join(f"rank {a['rank']} of {a['size']}" for a in answers.values())
        what = f"the engines are not {record.ranks} ranks of one MPI job but {found}"
        raise LabError(what, "choose the MPI that mpi4py uses; `labkit doctor` names it")
    fields = ("rank", "pid", "born", "host", "threads")
    return tuple(Engine(i, *(a[name] for name in fields)) for i, a in sorted(answers.items()))


def said(here: Path) -> str:
    """What the MPI launcher of this machine and the engines have printed."""
    path = here / "log" / LOG
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _keep_log(here: Path, launched) -> None:
    """Give the launcher's log a name of ours: ipyparallel removes its own when the launcher ends."""
    ours = here / "log" / LOG
    ours.unlink(missing_ok=True)
    try:
        os.link(launched.output_file, ours)
    except OSError:  # it has ended already, or a batch system will write it
        ours.write_text(launched.get_output(), encoding="utf-8")


def _last_lines(here: Path) -> str:
    lines = [line.strip() for line in said(here).splitlines() if line.strip()]
    return " / ".join(lines[-_LAST_LINES:]) or "it says nothing"


def _stamp_of(launched) -> Stamp | None:
    """Of what ipyparallel has launched; None where it runs elsewhere, under a batch system."""
    pid = getattr(launched, "pid", -1)
    return stamp(pid) if pid > 0 else None
