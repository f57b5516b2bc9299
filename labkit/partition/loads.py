"""How evenly a plan divides the work."""

from dataclasses import dataclass

import numpy as np

from labkit.partition.plan import NOBODY, Plan
from labkit.partition.weights import Weights, layer_work


@dataclass(frozen=True, eq=False)
class Loads:
    """Work of each part: float64 [parts], in the unit of `weights`."""

    work: np.ndarray
    weights: Weights

    @property
    def average(self) -> float:
        return float(self.work.mean())

    @property
    def max_over_avg(self) -> float:
        """1 is a perfect balance; a step takes this much longer than it would with one."""
        return float(self.work.max() / self.work.mean())


def loads(plan: Plan, weights: Weights) -> Loads:
    """Work of each part of a plan. Raises LabError if the weights are those of another network."""
    work = np.zeros(plan.parts)
    for counted, whole in zip(task_counts(plan), layer_work(plan.tasks, weights), strict=True):
        work += counted * (whole / counted.sum())
    return Loads(work, weights)


def task_counts(plan: Plan) -> np.ndarray:
    """Tasks of each layer in each part: int64 [layers, parts]; (filter, channel) pairs where filters are divided."""
    counts = np.zeros((len(plan.slices), plan.parts), np.int64)
    for number, piece in enumerate(plan.slices):
        owner = piece.owner if piece.channels is None else piece.channels[piece.channels != NOBODY]
        counts[number] = np.bincount(owner, minlength=plan.parts)
    return counts
