"""Many runs by the same ranks under MPI, one after the other: starting processes takes longer than most of them.

    run_cases(ranks, cases) -> for each case, what its runs gave

A case is JSON: {"scheme", "network", "batch", "options", "job": settings of a `Job`, "link", "compute": a document of
costs or None, "again": how often}. All cases of one call have the same ranks and the same link.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from labkit.machine.links import parse_link
from labkit.network import Network, zoo
from labkit.network import from_document as network_from
from labkit.run.calibration.cpu_use import Meter
from labkit.run.communicators.emulated import Emulated
from labkit.run.communicators.protocol import Communicator
from labkit.run.job import Job
from labkit.run.mpi.launch import call_on_ranks
from labkit.run.rank.hooks import Hooks
from labkit.run.rank.interpreter import Interpreter
from labkit.run.rank.result import RankResult
from labkit.run.rank.state import RankState
from labkit.run.rank.warm_up import warm_up
from labkit.schedule import Schedule
from labkit.schedule.costs import costs_from
from labkit.schemes import registry

HERE = Path(__file__).resolve().parent
FUNCTION = "parallel_parts.ranks:on_rank"
TIMEOUT_S = 1800.0


def run_cases(ranks: int, cases: Sequence[dict], threads: int = 1, timeout_s: float = TIMEOUT_S) -> list[list[dict]]:
    """[cases][runs] of {'seconds': of all steps, 'step_ends_s': [steps], 'sent': [[rank, messages, bytes], ...],
    'cpu_s': of all ranks}. Raises what `call_on_ranks` raises.
    """
    with_path()
    told = call_on_ranks(FUNCTION, {"cases": list(cases)}, ranks, threads, timeout_s)
    rows = [[payload for kind, payload in lines if kind == "run"] for lines in told]
    merged = [_together(parts) for parts in zip(*rows, strict=True)]
    found, start = [], 0
    for case in cases:
        found.append(merged[start : start + case.get("again", 1)])
        start += case.get("again", 1)
    return found


def with_path() -> None:
    """Have the processes that are started from here find this package."""
    words = [str(HERE.parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(word for word in words if word))


def on_rank(seat) -> None:
    """What a rank does; it tells every run."""
    cases = seat.arguments["cases"]
    link = cases[0].get("link")
    communicator = Emulated(seat.communicator, parse_link(link)) if link else seat.communicator
    for case in cases:
        schedule, job = made(case, seat.ranks)
        for _ in range(case.get("again", 1)):
            seat.stream.tell("run", _one(schedule, job, communicator))
    communicator.close()


def made(case: dict, ranks: int) -> tuple[Schedule, Job]:
    """Schedule and job of a case."""
    network: Network = zoo.get(case["network"]) if isinstance(case["network"], str) else network_from(case["network"])
    schedule = registry.build(case["scheme"], network, ranks, case["batch"], **case.get("options", {}))
    compute = costs_from(case["compute"]).compute if case.get("compute") else None
    link = parse_link(case["link"]) if case.get("link") else None
    return schedule, Job(**{"data": "synthetic", "link": link, "compute": compute, "timeout_s": 120.0, **case["job"]})


def _one(schedule: Schedule, job: Job, communicator: Communicator) -> dict:
    """One run, as this rank saw it; times on the clock of all ranks."""

    meters = []

    def prepare(state: RankState) -> int:
        warm_up(state)
        meters.append(Meter())
        return 0

    ranked = Interpreter(schedule, job, communicator.rank, communicator, hooks=Hooks(prepare=prepare))
    result = ranked.run()
    return {
        "rank": result.rank,
        "began_s": result.began_s,
        "ended_s": result.ended_s,
        "step_ends_s": _ends(result, job.steps),
        "messages": sum(row.messages for row in result.sent),
        "bytes": sum(row.bytes for row in result.sent),
        "cpu_s": meters[0].read().cpu_s,
        "compute_s": result.compute_s,
    }


def _ends(result: RankResult, steps: int) -> list[float]:
    """When the last event of each step was over; of a rank without events, its beginning."""
    ends = [result.began_s] * steps
    for event in result.events:
        ends[event.step] = max(ends[event.step], event.end_s)
    return ends


def _together(parts: Sequence[dict]) -> dict:
    """What all ranks saw of one run."""
    zero = min(part["began_s"] for part in parts)
    ends = zip(*(part["step_ends_s"] for part in parts), strict=True)
    return {
        "seconds": max(part["ended_s"] for part in parts) - zero,
        "step_ends_s": [max(step) - zero for step in ends],
        "sent": [[part["rank"], part["messages"], part["bytes"]] for part in parts],
        "cpu_s": sum(part["cpu_s"] for part in parts),
        "compute_s": [part["compute_s"] for part in parts],
    }
