"""The ranks of a notebook: processes that start while the first lines are read, and stay for all its runs.

    ranks = start_ranks(2)                 # returns at once
    result = ranks.run(schedule, Job(steps=20))
    apart(result, one_process(schedule, Job(steps=20)))

The first run waits for them. Where no MPI library is to be had, ranks are threads of this process instead: the same
schedule, the same messages, the same counts, but slower, because Python's threads take turns. A run that fails leaves
ranks behind that nobody should use again, so the next run starts new ones.
"""

import os
import threading
from contextlib import suppress
from dataclasses import replace
from textwrap import fill
from time import perf_counter

import numpy as np

from labkit.engine import Model
from labkit.errors import LabError
from labkit.machine.links import Link
from labkit.network import Network, zoo
from labkit.run import cluster
from labkit.run.calibration.layer_times import compute_costs
from labkit.run.cluster import record as cluster_record
from labkit.run.cluster.processes import alive
from labkit.run.job import Job
from labkit.run.local_run import LocalRun
from labkit.run.mpi.run import MpiRun
from labkit.run.result import RunResult
from labkit.schedule import Schedule
from labkit.schedule.costs import Costs
from labkit.schedule.grid import grid
from labkit.schedule.simulate import simulate
from labkit.schedule.validate import validate
from labkit.schemes import build

START_S = 60.0
ADDED_VALUES, ADDITIONS = 2**16, 9
MESSAGE_S = 30e-6  # what Python needs for one instruction or message
PROCESSES, OWN, THREADS = "a cluster of MPI ranks", "MPI ranks started for each run", "threads of this process"


class Ranks:
    """`count` ranks; make them with `start_ranks`. `where` says what they are, once they are there."""

    def __init__(self, count: int):
        self.count, self.where, self.why = count, "", ""
        self._starting = threading.Thread(target=self._start, name="start of the ranks", daemon=True)
        self._starting.start()

    def __repr__(self) -> str:
        if self._starting.is_alive():
            return f"{self.count} ranks are starting; the first run waits for them"
        return f"{self.count} ranks: {self.where}" + (f" ({self.why})" if self.why else "")

    def wait(self) -> "Ranks":
        """Return when the ranks are there, whatever they are."""
        self._starting.join()
        return self

    def run(self, schedule: Schedule, job: Job, **how) -> RunResult:
        """Run `schedule` for `job.steps` steps. how: as for `run.mpi.run.run_on_mpi` (on_event, stop, ...).

        A schedule of more ranks than there are is run by threads of this process. Raises what the run raises.
        """
        self.wait()
        if schedule.size != self.count or self.where == THREADS:
            return on_threads(schedule, job, **how)
        if self.where == OWN:
            from labkit.run.mpi.run import run_on_mpi

            return run_on_mpi(schedule, job, **how)
        from labkit.run.cluster.run import run_on_cluster

        if not cluster.status().up:
            self._start()
            return self.run(schedule, job, **how)
        return run_on_cluster(schedule, job, **how)

    def begin(self, schedule: Schedule, job: Job) -> MpiRun | LocalRun:
        """Run `schedule` in the background, with news of every event and update, and return at once."""
        self.wait()
        if schedule.size != self.count or self.where == THREADS:
            return LocalRun(schedule, job)
        if self.where == PROCESSES and not cluster.status().up:
            self._start()
            return self.begin(schedule, job)
        return MpiRun(schedule, job, warm=self.where == PROCESSES)

    def _start(self) -> None:
        """Find out what there is: a cluster, or MPI but no cluster, or neither."""
        with _one_at_a_time:
            self.where, self.why = THREADS, ""
            try:
                taken = _somebody_s(self.count)
                if taken:
                    self.where, self.why = OWN, taken
                    return
                cluster.up(self.count, timeout_s=START_S)
                self.where = PROCESSES
                self._load()
            except LabError as error:
                self.why = str(error)

    def _load(self) -> None:
        """Have the ranks load what a first run would have to load."""
        from labkit.run.cluster.run import run_on_cluster

        with suppress(LabError):  # it will show in the first run that matters
            run_on_cluster(build("allreduce", zoo.get("lenet5"), self.count, 8 * self.count), Job(steps=1))


_one_at_a_time = threading.Lock()


def _somebody_s(count: int) -> str:
    """Why the cluster that is there is to be left alone, or ''; one that is of no use to anybody is taken down.

    It may be another notebook's: two that run at the same time would wait for each other's messages. The cluster of a
    kernel that was restarted is about to go.
    """
    record = cluster_record.read(cluster.folder())
    if record is None:
        return ""
    if record.owner and record.owner[0] != os.getpid() and alive(record.owner):
        return f"another notebook has a cluster of {record.ranks}"
    found = cluster.status()
    if found.up and record.owner is None and found.ranks != count:
        return f"{found.what}, which is left alone"
    if not found.up or found.ranks != count or (record.owner and not alive(record.owner)):
        cluster.down()
    return ""


def start_ranks(count: int = 2) -> Ranks:
    """Begin to start `count` ranks, and return at once."""
    return Ranks(count)


def on_threads(schedule: Schedule, job: Job, **how) -> RunResult:
    """The same run by threads of this process: for more ranks than there are processes, over an emulated network."""
    from labkit.run.local import run_on_threads

    return run_on_threads(schedule, job, **{name: how[name] for name in ("on_event", "stop", "samples") if name in how})


def one_process(schedule: Schedule, job: Job) -> RunResult:
    """One process that trains the same network on the same global batches, without any network between ranks.

    Layers that look at the other samples of a batch (BatchNorm) see each rank's share by itself, so the shares are
    computed one after the other and their gradients added up.
    """
    shares = tuple(samples for share in schedule.shares for samples in share)
    alone = build("single", schedule.network, 1, schedule.batch, micro_batches=len(shares))
    settings = replace(job, link=None, slowed_s=(), checkpoint_folder=None, checkpoint_every=0, resume=False)
    return on_threads(replace(alone, shares=(shares,)), settings)


def apart(result: RunResult, other: RunResult) -> float:
    """How far two runs' weights are from each other, as `off_by` says."""
    return off_by(result.parameters, other.parameters)


def off_by(values: np.ndarray, right: np.ndarray) -> float:
    """Length (L2 norm) of the difference of two vectors, as a part of the second one's length."""
    return float(np.linalg.norm(values.astype(float) - right) / np.linalg.norm(right.astype(float)))


def drawn_fault(schedule: Schedule, width: int = 92) -> str:
    """The first fault of a schedule in words, and the grid that marks it; 'no fault' where there is none."""
    faults = validate(schedule)
    if not faults:
        return "no fault"
    return f"{fill(str(faults[0]), width)}\n\n{grid(schedule, faults[0], width)}"


def step_ms(schedule: Schedule, costs: Costs, steps: int = 10) -> float:
    """Milliseconds of a step in the mean over `steps` steps, simulated."""
    return 1e3 * simulate(schedule, costs, steps, events=False).seconds / steps


def gradient_of(model: Model, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Gradient of the mean loss of these samples: all weights in one vector, a copy."""
    model.gradients_of(x, labels)
    return model.gradients.host().flat.copy()


def costs_here(network: Network, link: Link, batches: tuple[int, int]) -> Costs:
    """What a rank with one core of this machine needs, measured at two batch sizes, with `link` between ranks.

    A short form of `run.calibration.measure`: it takes the link as it is given, and measures no messages.
    """
    compute, _ = compute_costs(Model(network, batch=batches[1], threads=1), batches)
    return Costs(compute, link, _additions_per_s(), MESSAGE_S)


def _additions_per_s() -> float:
    """Bytes per second of adding one vector to another."""
    there, came, best = np.zeros(ADDED_VALUES, np.float32), np.zeros(ADDED_VALUES, np.float32), float("inf")
    for _ in range(ADDITIONS):
        start = perf_counter()
        there += came
        best = min(best, perf_counter() - start)
    return there.nbytes / best
