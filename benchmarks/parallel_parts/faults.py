"""Runs with a rank killed at a random instruction: does each end cleanly and soon, and is nothing lost?

A row for every run: which rank was killed where, what the message named, seconds from the kill to the end, processes
and files left behind, and whether the run that goes on from the last checkpoint ends with the weights of one that was
never interrupted, bit for bit (all schemes here are synchronous).
"""

import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from labkit.engine.optimizers import get
from labkit.machine.processor import SHARED_MEMORY
from labkit.network import zoo
from labkit.run.checkpoint import files as checkpoints
from labkit.run.failure import RankError
from labkit.run.job import Job
from labkit.run.local import run_on_threads
from labkit.run.mpi import processes
from labkit.run.mpi.run import MpiRun, run_on_mpi
from labkit.schedule import Schedule
from labkit.schemes import registry

CASES = (
    ("allreduce", 2, {"bucket_bytes": 100_000}),
    ("allreduce", 3, {"algorithm": "halving"}),
    ("allreduce", 4, {"algorithm": "tree"}),
    ("master", 3, {}),
    ("chunked", 2, {"chunks": 4}),
    ("parameter-server", 3, {"mode": "sync"}),
    ("parameter-server", 2, {"mode": "sync", "servers": "sharded"}),
)
STEPS, EVERY, BATCH = 24, 4, 30
LIMIT_S = 120.0


def faults(runs: int = 200, seed: int = 0, resume: bool = True) -> Iterator[dict]:
    """One row per run. resume: go on from the last checkpoint of each, and compare."""
    for number in range(runs):
        chance = random.Random(f"{seed} {number}")
        name, ranks, options = CASES[number % len(CASES)]
        schedule = registry.build(name, zoo.get("lenet5"), ranks, BATCH, **options)
        rank = chance.randrange(ranks)
        place = chance.randrange(STEPS - 1), chance.randrange(len(schedule.ranks[rank]))
        with tempfile.TemporaryDirectory() as folder:
            row = killed(schedule, Path(folder), rank, place, chance.random() * 2e-3)
            if resume and row["killed"]:
                row |= resumed(number % len(CASES), schedule, Path(folder))
        yield {"run": number, "scheme": schedule.scheme, "ranks": ranks} | row


def killed(schedule: Schedule, folder: Path, rank: int, place: tuple[int, int], delay_s: float) -> dict:
    """Run `schedule`, and kill `rank` when it is at `place` = (step, position) or just past it, `delay_s` later."""
    run = MpiRun(schedule, settings(folder), live=False)
    pid, seen, mark = _strike(run, rank, place, delay_s)
    kept, struck = checkpoints.latest(folder), time.monotonic()
    run.wait(LIMIT_S)
    ended_s = time.monotonic() - struck
    failure = run.error.failure if isinstance(run.error, RankError) else None
    left = [path for place in (Path(tempfile.gettempdir()), SHARED_MEMORY) for path in place.glob(f"{mark}*")]
    return {
        "rank": rank,
        "aimed_at": place,
        "killed": pid is not None,
        "named": failure is not None and failure.rank == rank and "SIGKILL" in failure.happened,
        "named_place": failure is not None and (failure.step, failure.position) >= seen,
        "seconds_to_end": ended_s,
        "processes_left": len(processes.left_over(mark)),
        "files_left": len(left),
        "checkpoint_lost": (checkpoints.latest(folder) or 0) < (kept or 0),
        "message": str(run.error) if run.error else "",
    }


def resumed(case: int, schedule: Schedule, folder: Path) -> dict:
    """Go on from the last checkpoint (or begin again without one), and compare with a run that nobody killed."""
    step = checkpoints.latest(folder)
    result = run_on_mpi(schedule, settings(folder, resume=step is not None))
    return {"resumed_from": step or 0, "resume_exact": np.array_equal(result.parameters, undisturbed(case))}


@cache
def undisturbed(case: int) -> np.ndarray:
    """The weights after all steps without a fault."""
    name, ranks, options = CASES[case]
    return run_on_threads(registry.build(name, zoo.get("lenet5"), ranks, BATCH, **options), settings(None)).parameters


def settings(folder: Path | None, resume: bool = False) -> Job:
    """Of every run here."""
    kept = {"checkpoint_folder": folder, "checkpoint_every": EVERY, "resume": resume} if folder else {}
    optimizer = get("momentum", lr=0.01)
    return Job(data="synthetic", steps=STEPS, optimizer=optimizer, timeout_s=30.0, record=False, **kept)


def summary(rows: list[dict]) -> dict:
    """What the rows of `faults` amount to."""
    hit = [row for row in rows if row["killed"]]
    ends = sorted(row["seconds_to_end"] for row in hit)
    return {
        "runs": len(rows),
        "killed": len(hit),
        "named_rank": sum(row["named"] for row in hit),
        "named_place": sum(row["named_place"] for row in hit),
        "processes_left": sum(row["processes_left"] for row in hit),
        "files_left": sum(row["files_left"] for row in hit),
        "checkpoints_lost": sum(row["checkpoint_lost"] for row in hit),
        "resumed": sum("resume_exact" in row for row in hit),
        "resumed_exactly": sum(row.get("resume_exact", False) for row in hit),
        "median_seconds_to_end": ends[len(ends) // 2] if ends else None,
        "longest_seconds_to_end": ends[-1] if ends else None,
    }


def _strike(run: MpiRun, rank: int, place: tuple[int, int], delay_s: float) -> tuple[int | None, tuple[int, int], str]:
    """Kill the rank; (its process, where it was seen, name of the run's folder), or None if the run was over first."""
    mark, deadline = "", time.monotonic() + LIMIT_S
    while not run.over and time.monotonic() < deadline:
        going = run.processes
        if going is not None:
            mark = going.folder.name
            view = going.board.look(rank)
            seen = view.last.step, view.last.position
            if view.status is not None:
                break
            if seen >= place:
                time.sleep(delay_s)
                os.kill(view.pid, signal.SIGKILL)
                return view.pid, seen, mark
        time.sleep(2e-4)
    return None, place, mark
