"""A run among ranks that somebody else has started: `mpiexec -n 4 labkit run ...`, `srun -n 64 labkit run ...`.

Every process takes part with its rank, and rank 0 tells the result. There is no board and no watch here: a process that
is killed is the launcher's affair (`mpiexec` ends the others). One that fails tells rank 0, which says so in one line
and ends them all; one that waits in vain fails after the job's timeout.
"""

import atexit
import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil

from labkit.errors import LabError
from labkit.machine.processor import control_groups, cores_allowed, usable_cores
from labkit.run.checkpoint.resume import warn, with_checkpoints
from labkit.run.communicators.emulated import Emulated
from labkit.run.communicators.mpi import MpiCommunicator
from labkit.run.failure import Failure, RankError
from labkit.run.job import Job
from labkit.run.local import refuse_hangs
from labkit.run.mpi.library import joined
from labkit.run.mpi.post import Post
from labkit.run.mpi.rank_files import pack, unpack
from labkit.run.rank.hooks import Hooks
from labkit.run.rank.interpreter import Interpreter
from labkit.run.rank.result import merge
from labkit.run.rank.state import RankState
from labkit.run.rank.waiting import LaneError
from labkit.run.rank.warm_up import warm_up
from labkit.run.result import RunResult
from labkit.schedule import Schedule

MEETING_S = 60.0  # for all ranks to be there and have read their options
LAST_WORD_S = 0.5  # for the launcher to print what a process has written before all end
GRACE_S = 3.0  # for rank 0 to say what happened to another rank, and end the run


@dataclass(frozen=True)
class Company:
    """The ranks, all met. cores: that they have together. hosts: machines that they are on."""

    communicator: MpiCommunicator
    post: Post
    cores: int
    hosts: int

    @property
    def rank(self) -> int:
        return self.communicator.rank


def started_by_launcher() -> tuple[int, int] | None:
    """(rank, ranks) if a launcher has started this process as one of several; a single one starts ranks itself."""
    place = joined()
    return place if place and place[1] > 1 else None


def meet(prepare: Callable[[], object]) -> tuple[Company, object]:
    """Call `prepare` on every rank, and meet. Returns what it gave, too.

    Where it raises on any of the ranks, all of them raise that LabError, or one that says what it was.
    """
    communicator = MpiCommunicator()
    _, ranks = joined()
    if communicator.size != ranks:
        what = f"{ranks} processes were started, but {communicator.name} sees {communicator.size} of them"
        raise LabError(what, "start them by the mpiexec beside this Python, or name the library in MPI4PY_LIBMPI")
    post, prepared, fault = Post(communicator, MEETING_S), None, None
    try:
        prepared = prepare()
    except LabError as error:
        fault = [error.what, error.instead, error.status]
    except Exception as error:
        fault = [f"rank {communicator.rank}: {type(error).__name__}: {error}", "a fault in labkit; report it", 1]
    post.send({"fault": fault, "host": socket.gethostname(), "cpus": _cpus(), "quota": _quota()})
    seen = [document for document, _ in post.all("the first word")] if communicator.rank == 0 else []
    found = post.tell(_summed_up(seen))
    if found["fault"]:
        raise LabError(*found["fault"])
    return Company(communicator, post, found["cores"], found["hosts"]), prepared


def run_among(company: Company, schedule: Schedule, job: Job, progress=None) -> RunResult | None:
    """Take part in a run; the result on rank 0, None on the others. progress(done_fraction, what): on rank 0.

    Raises LabError for a schedule that cannot run or is for another number of ranks, and RankError where a rank fails;
    the processes then all end when this one does.
    """
    refuse_hangs(schedule)
    if schedule.size != company.communicator.size:
        what = f"a schedule for {schedule.size} ranks, but {company.communicator.size} processes were started"
        raise LabError(what, "leave out --ranks, or start as many processes")
    try:
        return _run(company, schedule, job, progress)
    except BaseException as error:
        status = getattr(error, "status", 130 if isinstance(error, KeyboardInterrupt) else 1)
        atexit.register(_end_all, company, status)  # after what this process has to say
        raise


def _end_all(company: Company, status: int) -> None:
    """End the processes of all ranks. Launchers pass lines on while they run: the last one needs a moment to arrive."""
    sys.stdout.flush()
    sys.stderr.flush()
    time.sleep(LAST_WORD_S)
    company.communicator.abort(status)


def _run(company: Company, schedule: Schedule, job: Job, progress) -> RunResult | None:
    results = {}

    def look() -> None:
        """On rank 0: results of ranks that have ended, and failures, which end the run."""
        while parcel := company.post.new():
            _, document, content = parcel
            if "failed" in document:
                raise _error_from(document["failed"])
            results[parcel[0]] = unpack(content, schedule)

    try:
        own = _interpreter(company, schedule, job, progress, look if company.rank == 0 else None).run()
    except LaneError as error:
        raise _told(company, error) from error
    company.post.send({}, pack(own))
    if company.rank:
        company.communicator.close()
        return None
    deadline = time.monotonic() + job.timeout_s
    while len(results) < schedule.size:
        look()
        time.sleep(1e-3)
        if time.monotonic() > deadline:
            raise LabError(f"only {len(results)} of {schedule.size} ranks have ended", "give a longer --timeout", 1)
    company.communicator.close()
    result = merge(list(results.values()), schedule, job)
    return replace(result, timeline=replace(result.timeline, cores=company.cores))


def _interpreter(company: Company, schedule: Schedule, job: Job, progress, look) -> Interpreter:
    rank, communicator = company.rank, company.communicator

    def prepare(state: RankState) -> int:
        warm_up(state)
        return given.prepare(state) if given.prepare else 0

    def at_step_end(step: int, state: RankState) -> None:
        if progress:
            progress((step + 1) / job.steps, f"step {step + 1} of {job.steps}")

    given = with_checkpoints(schedule, job, rank, Hooks(stop=look, at_step_end=at_step_end), warn)
    zero_s = 0.0 if company.hosts == 1 else time.perf_counter()  # other machines count from another moment
    return Interpreter(
        schedule,
        job,
        rank,
        Emulated(communicator, job.link) if job.link else communicator,
        hooks=replace(given, prepare=prepare),
        cores=company.cores,
        clock=lambda: time.perf_counter() - zero_s,
    )


def _told(company: Company, error: LaneError) -> RankError:
    """The error for people. A rank other than 0 first leaves it to rank 0 to tell, and to end the run."""
    happened = f"failed: {error.what}"
    failed = [company.rank, error.step, error.position, error.spelling, happened, error.instead, error.status]
    if company.rank:
        try:
            company.post.send({"failed": failed})
            time.sleep(GRACE_S)
        except LabError:
            pass  # rank 0 does not listen any more
        print(f"labkit: {_error_from(failed)}", file=sys.stderr, flush=True)
    return _error_from(failed)


def _error_from(failed: list) -> RankError:
    *where, instead, status = failed
    return RankError(Failure(*where, others=()), instead, status)


def _summed_up(seen: list[dict]) -> dict:
    """What rank 0 tells all, from what each has told it: the first fault, if any; cores and machines."""
    faults = [one["fault"] for one in seen if one["fault"]]
    hosts: dict[str, list[dict]] = {}
    for one in seen:
        hosts.setdefault(one["host"], []).append(one)
    cores = sum(
        min(len(set().union(*(one["cpus"] for one in ranks))), *(one["quota"] for one in ranks))
        for ranks in hosts.values()
    )
    return {"fault": faults[0] if faults else None, "cores": cores, "hosts": len(hosts)}


def _cpus() -> list[int]:
    """Hardware threads that this process may run on: a launcher often ties each rank to some of its own."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(usable_cores()))


def _quota() -> float:
    """Cores' worth of time that this process's control groups grant; no limit is a large number."""
    allowed = [ceil(cores) for cores in map(cores_allowed, control_groups()) if cores is not None]
    return min(allowed, default=2**20)
