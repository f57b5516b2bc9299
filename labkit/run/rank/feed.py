"""Which samples a rank works on in each step: its part of every global batch, cut into micro-batches."""

from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np

from labkit.data import Split, batches, load
from labkit.errors import LabError
from labkit.network import Network
from labkit.run.job import Job
from labkit.schedule import Schedule


class Micro(NamedTuple):
    """One micro-batch. x: [n, *input_shape], labels: [n]; n may be 0. first: index of its first sample in the global
    batch. weight: n / (samples of the global batch).
    """

    x: np.ndarray
    labels: np.ndarray
    first: int
    weight: float


class Feed:
    """The micro-batches of `rank`, step by step, from any step on.

    The order of the samples is that of one process with the same seed (`data.batches`). At the end of an epoch the
    global batch is smaller; the ranks' parts of it are then as large as theirs of a whole batch, in proportion.
    """

    def __init__(self, schedule: Schedule, rank: int, samples: Split, seed: int):
        self._samples, self._batch, self._seed = samples, schedule.batch, seed
        self._steps_per_epoch = -(-len(samples) // schedule.batch)
        before = sum(map(sum, schedule.shares[:rank]))
        self._cuts = tuple(accumulate(schedule.shares[rank], initial=before))

    def cuts(self, n: int) -> list[int]:
        """Where the rank's micro-batches begin in a global batch of n samples, and where the last one ends."""
        return [cut * n // self._batch for cut in self._cuts]

    def samples_of(self, step: int) -> int:
        """Size of the global batch of a step."""
        return min(self._batch, len(self._samples) - step % self._steps_per_epoch * self._batch)

    def steps(self, start: int = 0) -> Iterator[tuple[Micro, ...]]:
        """The micro-batches of step `start`, of the next one, and so on without end."""
        step = start
        while True:
            epoch, skip = divmod(step, self._steps_per_epoch)
            order = {"seed": self._seed, "epoch": epoch, "skip": skip, "part": self._part}
            for x, labels in batches(self._samples, self._batch, **order):
                yield self._micros(x, labels, self.samples_of(step))
                step += 1

    def _part(self, n: int) -> slice:
        cuts = self.cuts(n)
        return slice(cuts[0], cuts[-1])

    def _micros(self, x: np.ndarray, labels: np.ndarray, n: int) -> tuple[Micro, ...]:
        cuts = self.cuts(n)
        inner = [slice(a - cuts[0], b - cuts[0]) for a, b in pairwise(cuts)]
        return tuple(
            Micro(x[part], labels[part], first, (part.stop - part.start) / n)
            for part, first in zip(inner, cuts, strict=False)
        )


def training_samples(network: Network, job: Job) -> Split:
    """The samples that `job` trains `network` on.

    Raises LabError for data that cannot be had, and where its classes are not the network's outputs.
    """
    made = {"classes": network.output_shape[0]} if job.data == "synthetic" else {}
    dataset = load(job.data, shape=network.input_shape, root=job.data_root, seed=job.seed, **made)
    if network.output_shape != (len(dataset.classes),):
        what = f"{dataset.name!r} has {len(dataset.classes)} classes, network {network.name!r} {network.output_shape}"
        raise LabError(what, f"build the network with classes={len(dataset.classes)}")
    return dataset.train
