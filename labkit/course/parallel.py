"""The ranks of a notebook: processes that start while the first lines are read, and stay for all its runs.

    ranks = start_ranks(2)                 # returns at once
    result = ranks.run(schedule, Job(steps=20))
    apart(result, one_process(schedule, Job(steps=20)))

The first run waits for them. Where no MPI library is to be had, ranks are threads of this process instead: the same
schedule, the same messages, the same counts, but slower, because Python's threads take turns. A run that fails leaves
ranks behind that nobody should use again, so the next run starts new ones.
"""

import threading
from contextlib import suppress
from dataclasses import replace
from time import perf_counter

import numpy as np

from labkit.engine import Model
from labkit.errors import LabError
from labkit.machine.links import Link
from labkit.network import Network, zoo
from labkit.run import cluster
from labkit.run.job import Job
from labkit.run.layer_times import compute_costs
from labkit.run.local_run import LocalRun
from labkit.run.mpi_run import MpiRun
from labkit.run.result import RunResult
from labkit.schedule import Schedule
from labkit.schedule.costs import Costs
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
        """Run `schedule` for `job.steps` steps. how: as for `run.mpi_run.run_on_mpi` (on_event, stop, ...).

        A schedule of more ranks than there are is run by threads of this process. Raises what the run raises.
        """
        self.wait()
        if schedule.size != self.count or self.where == THREADS:
            return on_threads(schedule, job, **how)
        if self.where == OWN:
            from labkit.run.mpi_run import run_on_mpi

            return run_on_mpi(schedule, job, **how)
        from labkit.run.cluster_run import run_on_cluster

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
        self.where, self.why = THREADS, ""
        try:
            found = cluster.status()
            if found.up and found.ranks != self.count:  # somebody's own: it is left alone
                self.where, self.why = OWN, f"{found.what}, which is left alone"
                return
            if found.broken:
                cluster.down()
            cluster.up(self.count, timeout_s=START_S)
            self.where = PROCESSES
            self._load()
        except LabError as error:
            self.why = str(error)

    def _load(self) -> None:
        """Have the ranks load what a first run would have to load."""
        from labkit.run.cluster_run import run_on_cluster

        with suppress(LabError):  # it will show in the first run that matters
            run_on_cluster(build("allreduce", zoo.get("lenet5"), self.count, 8 * self.count), Job(steps=1))


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
    settings = replace(job, link=None, checkpoint_folder=None, checkpoint_every=0, resume=False)
    return on_threads(replace(alone, shares=(shares,)), settings)


def apart(result: RunResult, other: RunResult) -> float:
    """How far two runs' weights are from each other: the L2 norm of the difference, as a part of the second one's."""
    distance = np.linalg.norm(result.parameters.astype(float) - other.parameters)
    return float(distance / np.linalg.norm(other.parameters.astype(float)))


def gradient_of(model: Model, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Gradient of the mean loss of these samples: all weights in one vector, a copy."""
    model.gradients_of(x, labels)
    return model.gradients.host().flat.copy()


def costs_here(network: Network, link: Link, batches: tuple[int, int]) -> Costs:
    """What a rank with one core of this machine needs, measured at two batch sizes, with `link` between ranks.

    A short form of `run.calibrate`: it takes the link as it is given, and measures no messages.
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
