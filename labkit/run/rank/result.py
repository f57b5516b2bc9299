"""What one rank has to tell after a run, and how the ranks' parts become one `RunResult`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labkit.errors import LabError
from labkit.machine.origin import MEASURED_HERE, SLEPT
from labkit.machine.processor import usable_cores
from labkit.run.calibration.cpu_use import CpuUse, cpu_share, share_remark
from labkit.run.job import Job
from labkit.run.result import RankUse, RunResult, Stale
from labkit.schedule import Event, Schedule, Timeline
from labkit.schedule.traffic import Sent, gather


@dataclass(frozen=True, eq=False)
class RankResult:
    """Arrays and plain records only, so that it can cross any border between processes.

    losses: [steps], this rank's part of the mean loss of each global batch (they add up). first_step: number of the
    first of these steps. parameters: [parameters] as this rank holds them in the end. served: the pieces that this rank
    was the server of; in these ranges `parameters` are the server's. state: running statistics of BatchNorm. works:
    whether it was given samples. sent: the ledger. events: times in seconds of the machine's clock; () where nothing
    was recorded. began_s, ended_s: the rank's steps on that clock. compute_s, communicate_s, gpu, shares_gpu_with: see
    `RankUse`. cpu: of this process during the steps. remarks: of `RunResult`, the same on all ranks.
    """

    rank: int
    first_step: int
    losses: np.ndarray
    parameters: np.ndarray
    served: tuple[int, ...]
    state: np.ndarray
    works: bool
    stale: tuple[Stale, ...]
    sent: tuple[Sent, ...]
    events: tuple[Event, ...]
    began_s: float
    ended_s: float
    compute_s: float
    communicate_s: float
    memory_bytes: int | None
    communicator: str
    regime: str
    gpu: str | None = None
    shares_gpu_with: tuple[int, ...] = ()
    remarks: tuple[str, ...] = ()
    cpu: CpuUse | None = None


def merge(results: Sequence[RankResult], schedule: Schedule, job: Job) -> RunResult:
    """One result of those of all ranks, in any order. LabError if one is missing or comes twice."""
    results = sorted(results, key=lambda r: r.rank)
    if [r.rank for r in results] != list(range(schedule.size)):
        what = f"results of the ranks {[r.rank for r in results]} of {schedule.size}"
        raise LabError(what, "give one of each rank")
    zero = min(r.began_s for r in results)
    seconds = max(r.ended_s for r in results) - zero
    losses = np.sum([r.losses for r in results], axis=0)
    computed = job.compute is None
    share = cpu_share((r.cpu for r in results if r.cpu), usable_cores())
    return RunResult(
        scheme=schedule.scheme,
        network=schedule.network.name,
        ranks=schedule.size,
        batch=schedule.batch,
        steps=len(losses),
        seconds=seconds,
        losses=tuple(losses.tolist()) if computed else (),
        parameters=_parameters(results, schedule),
        state=_state(results),
        staleness=tuple(sorted(s for r in results for s in r.stale)),
        traffic=gather(row for r in results for row in r.sent),
        timeline=_timeline(results, job, zero),
        use=tuple(_use(r, seconds) for r in results),
        communicator=results[0].communicator,
        cpu_share=share,
        remarks=(*results[0].remarks, *_share_remarks(share, results, job)),
    )


def _share_remarks(share: float, results: list[RankResult], job: Job) -> list[str]:
    """On ranks that kept each other waiting for cores while the network alone should have."""
    shared = len(results) * job.threads > usable_cores() and results[0].regime != "real"
    return [share_remark(share)] if shared and share_remark(share) else []


def _parameters(results: list[RankResult], schedule: Schedule) -> np.ndarray:
    """Those of rank 0, and of the servers where there are any."""
    whole = results[0].parameters.copy()
    for result in results:
        for piece in result.served:
            part = slice(*schedule.pieces[piece])
            whole[part] = result.parameters[part]
    return whole


def _state(results: list[RankResult]) -> np.ndarray:
    """Running statistics averaged over the ranks that computed: each has seen its own samples only."""
    workers = [r.state for r in results if r.works] or [results[0].state]
    return np.mean(workers, axis=0)


def _timeline(results: list[RankResult], job: Job, zero: float) -> Timeline:
    events = sorted(
        (_shifted(event, zero) for r in results for event in r.events), key=lambda e: (e.start_s, e.rank, e.position)
    )
    link = job.link.name if job.link else "memory"
    kind = (results[0].regime, MEASURED_HERE) if job.compute is None else ("simulated", SLEPT)
    return Timeline(tuple(events), len(results), *kind, link, usable_cores())


def _shifted(e: Event, zero: float) -> Event:
    place = e.rank, e.step, e.position, e.lane, e.spelling, e.kind
    return Event(*place, e.start_s - zero, e.end_s - zero, e.bytes_sent, e.bytes_received, e.messages, e.peers)


def _use(r: RankResult, seconds: float) -> RankUse:
    sent = gather(r.sent)
    idle = max(0.0, seconds - r.compute_s - r.communicate_s)
    times = r.compute_s, r.communicate_s, idle
    return RankUse(r.rank, *times, sent.messages, sent.bytes, r.memory_bytes, r.gpu, r.shares_gpu_with)
