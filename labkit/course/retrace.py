"""What parameter servers have learned, worked out again by one process from the records of staleness.

    seen = retrace(schedule, job, result.staleness, result.timeline)     # of a run
    seen = foreseen(schedule, job, costs)                                # of a simulation: real arithmetic, its times
    seen.reaches(0.95)

A record says with which version of a piece a gradient was computed and to which one it was applied. So the records of a
run say everything: each gradient is computed again with the weights of those versions, and the updates are made in the
same order. What comes out are the run's own weights, and on the way the accuracy at every step of every worker.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from labkit.data import load
from labkit.engine import Model
from labkit.engine.passes import Pass
from labkit.errors import LabError
from labkit.run.job import Job
from labkit.run.rank.feed import Feed, training_samples
from labkit.schedule import Schedule, Timeline
from labkit.schedule.costs import Costs
from labkit.schedule.simulate import simulate, simulated_staleness
from labkit.schedule.staleness import Stale

ADVICE = "give the records and the timeline of one run of this schedule, from its first step"


@dataclass(frozen=True, eq=False)
class Learned:
    """What each step of each worker began with, in the order of time.

    seconds: since the start of the run; updates: that the weights had seen; accuracy: of these weights on the test
    samples, in [0, 1]. All are [points]. parameters: in the end, [values]; staleness: of all updates, [updates].
    regime, origin, link: of the times.
    """

    seconds: np.ndarray
    updates: np.ndarray
    accuracy: np.ndarray
    parameters: np.ndarray
    staleness: np.ndarray
    regime: str
    origin: str
    link: str

    def reaches(self, accuracy: float) -> float | None:
        """Seconds until a worker first begins with weights that are as accurate as this; None if that never happens."""
        return self._first(accuracy, self.seconds)

    def updates_to(self, accuracy: float) -> int | None:
        """The same in updates."""
        found = self._first(accuracy, self.updates)
        return None if found is None else int(found)

    def _first(self, accuracy: float, of: np.ndarray) -> float | None:
        there = np.flatnonzero(self.accuracy >= accuracy)
        return float(of[there[0]]) if len(there) else None


def foreseen(schedule: Schedule, job: Job, costs: Costs) -> Learned:
    """What a run would learn if it took the times of the simulation. Raises LabError as `retrace` and `simulate`."""
    timeline = simulate(schedule, costs, job.steps)
    return retrace(schedule, job, simulated_staleness(schedule, costs, job.steps), timeline)


def retrace(schedule: Schedule, job: Job, staleness: Iterable[Stale], timeline: Timeline) -> Learned:
    """Repeat the arithmetic of a run with parameter servers, in one process.

    staleness: all its records, in any order. timeline: of the same run. The weights are the run's to the last bit on
    the same backend and number of threads. Raises LabError where records are missing or contradict each other.
    """
    records = tuple(staleness)
    if not records:
        raise LabError("a run without records of staleness", "give one with parameter servers")
    again = _Again(schedule, job, records)
    again.run()
    began = _begins(timeline)
    points = sorted((began[key], *found) for key, found in again.found.items() if key in began)
    if len(points) < len(again.found):
        raise LabError("steps of the records that are not in the timeline", ADVICE)
    columns = np.array(points).T
    about = timeline.regime, timeline.origin, timeline.link
    return Learned(*columns, again.weights(), np.array([record.staleness for record in records]), *about)


def accuracy_of(schedule: Schedule, job: Job, parameters: np.ndarray) -> float:
    """Share of the test samples that weights `parameters` [values] get right, in [0, 1]."""
    examined = _Exam(Model(schedule.network, job.backend, 1, job.seed, job.dtype, job.threads), job)
    return examined.mark(parameters)


def _begins(timeline: Timeline) -> dict[tuple[int, int], float]:
    """(rank, step) -> seconds at which its forward pass began, since the first event of all."""
    zero, found = min(event.start_s for event in timeline.events), {}
    for event in timeline.events:
        if event.spelling.startswith("F"):
            key, seconds = (event.rank, event.step), event.start_s - zero
            found[key] = min(seconds, found.get(key, seconds))
    return found


class _Exam:
    """The test samples, and a model to try weights on them."""

    def __init__(self, model: Model, job: Job):
        test = load(job.data, shape=model.network.input_shape, root=job.data_root, seed=job.seed).test
        self._x, self._labels = test.take(slice(0, len(test)))
        self._model = Model(model.network, job.backend, len(test), job.seed, job.dtype, job.threads)

    def mark(self, weights: np.ndarray) -> float:
        self._model.parameters.flat[:] = weights
        return float(np.mean(self._model.forward(self._x).argmax(axis=1) == self._labels))


class _Again:
    """The same updates once more. found: (rank, step) -> (updates that its weights had seen, their accuracy)."""

    def __init__(self, schedule: Schedule, job: Job, records: tuple[Stale, ...]):
        self._schedule, self._job = schedule, job
        largest = max(max(share) for share in schedule.shares if share)
        self._model = Model(schedule.network, job.backend, largest, job.seed, job.dtype, job.threads)
        self._exam, self._pass = _Exam(self._model, job), Pass(self._model)
        samples = training_samples(schedule.network, job)
        self._feeds = {r: Feed(schedule, r, samples, job.seed).steps() for r in schedule.workers}
        self._taken = dict.fromkeys(schedule.workers, 0)
        flat = self._model.parameters.flat
        self._pieces = [slice(*piece) for piece in schedule.pieces]
        self._versions = [[flat[part].copy()] for part in self._pieces]  # of each piece, the oldest first
        self._slots = [job.optimizer.start(flat[part].copy()) for part in self._pieces]
        self._queues = [self._queue(piece, records) for piece in range(len(self._pieces))]
        self._reads: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)
        for record in records:
            self._reads[record.rank, record.step][record.piece] = record.version
        self._gradients: dict[tuple[int, int], np.ndarray] = {}
        self.found: dict[tuple[int, int], tuple[int, float]] = {}

    @staticmethod
    def _queue(piece: int, records: tuple[Stale, ...]) -> list[list[Stale]]:
        """Updates of a piece in order, each with its gradients in the order of their ranks."""
        own = sorted((r.version + r.staleness, r.rank, r) for r in records if r.piece == piece)
        return [[r for _, _, r in group] for _, group in groupby(own, key=lambda entry: entry[0])]

    def run(self) -> None:
        """All updates, of whichever piece is ready for its next one."""
        left = sum(map(len, self._queues))
        while left:
            before = left
            for piece, queue in enumerate(self._queues):
                while (at := len(self._versions[piece]) - 1) < len(queue) and self._ready(queue[at], at):
                    self._update(piece, queue[at])
                    left -= 1
            if left == before:
                raise LabError("records of staleness that contradict each other, or are not complete", ADVICE)

    def weights(self) -> np.ndarray:
        """The newest of all pieces."""
        return np.concatenate([versions[-1] for versions in self._versions])

    def _ready(self, group: list[Stale], at: int) -> bool:
        """Whether a group makes update number `at`, and the weights of its gradients have all been made."""
        own = all(record.version + record.staleness == at for record in group)
        return own and all(
            version < len(self._versions[piece])
            for record in group
            for piece, version in self._reads[record.rank, record.step].items()
        )

    def _update(self, piece: int, group: list[Stale]) -> None:
        part, versions = self._pieces[piece], self._versions[piece]
        total = None
        for record in group:
            gradient = self._gradient(record.rank, record.step)[part]
            total = gradient.copy() if total is None else total + gradient
        weights = versions[-1].copy()
        self._job.optimizer.update(weights, total, self._slots[piece], len(versions) - 1)
        versions.append(weights)

    def _gradient(self, rank: int, step: int) -> np.ndarray:
        """Gradients of a worker's step, with the weights that it had read."""
        if (rank, step) not in self._gradients:
            flat, reads = self._model.parameters.flat, self._reads[rank, step]
            for piece, version in reads.items():
                flat[self._pieces[piece]] = self._versions[piece][version]
            self.found[rank, step] = max(reads.values()), self._exam.mark(flat)
            self._gradients[rank, step] = self._computed(rank, step)
        return self._gradients[rank, step]

    def _computed(self, rank: int, step: int) -> np.ndarray:
        if step != self._taken[rank]:
            raise LabError(f"no records of step {self._taken[rank]} of rank {rank}", ADVICE)
        self._taken[rank] += 1
        (micro,), walk, layers = next(self._feeds[rank]), self._pass, len(self._schedule.network)
        walk.begin(micro.x, micro.labels, self._job.loss, step, micro.first, micro.weight)
        walk.forward(0, layers)
        walk.backward(0, layers)
        return self._model.gradients.flat.copy()
