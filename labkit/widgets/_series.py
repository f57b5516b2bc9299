"""Training events as the few numbers a picture needs: at most 2,000 points, as float32 bytes.

A run of a hundred thousand steps is drawn on a strip some hundred pixels wide. Of every bucket of neighbouring steps
the ones with the least and the greatest loss are kept, so that a spike (the first sign of a divergence) stays visible.
"""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

COLUMNS = ("step", "loss", "accuracy", "fp", "bp", "ku", "test_accuracy", "epoch")
LARGEST_POINTS = 2000
NORM_COLUMNS = 200  # gradient norms are one value per layer: fewer moments of them, so that a frame stays small


class Series:
    """What events have said so far; grows in place, so that adding one costs the same however many came before."""

    def __init__(self) -> None:
        self.count = 0
        self.layers: list[str] = []
        self.bytes_held: dict[str, int] = {}
        self.steps = 0
        self.stopped: str | None = None
        self._table = np.empty((256, len(COLUMNS)), dtype=np.float64)
        self._norms: list[tuple[float, dict[str, float]]] = []
        self._norm_stride = 1
        self._norms_seen = 0

    def add(self, events: Iterable) -> None:
        """Take these TrainEvents in, in the order of their steps."""
        for event in events:
            self._row(event)
            norms = event.gradient_norms or {}
            if norms:
                self._keep_norms(float(event.step + 1), norms)
            held = event.bytes_held
            self.bytes_held = dict(held) if isinstance(held, dict) else {"held": int(held)}
            self.steps = max(self.steps, getattr(event, "steps", 0))
            self.stopped = getattr(event, "stopped", None) or self.stopped

    def _row(self, event) -> None:
        if self.count == len(self._table):
            self._table = np.concatenate([self._table, np.empty_like(self._table)])
        seconds = event.seconds
        test = getattr(event, "test_accuracy", None)
        self._table[self.count] = (
            event.step + 1,
            event.loss,
            event.accuracy,
            seconds.get("fp", np.nan),
            seconds.get("bp", np.nan),
            seconds.get("ku", np.nan),
            np.nan if test is None else test,
            event.epoch + 1,
        )
        self.count += 1

    def _keep_norms(self, step: float, norms: dict[str, float]) -> None:
        self.layers += [name for name in norms if name not in self.layers]
        if self._norms_seen % self._norm_stride == 0:
            self._norms.append((step, norms))
        else:
            self._norms[-1] = (step, norms)  # the newest is always there
        self._norms_seen += 1
        if len(self._norms) > NORM_COLUMNS:
            self._norms = self._norms[::2]
            self._norm_stride *= 2

    def points(self) -> bytes:
        """float32 [points, 8] in the order of COLUMNS, at most LARGEST_POINTS of them.

        Steps and epochs are counted from 1 here, as the page shows them.
        """
        table = self._table[: self.count]
        rows = keep(table[:, 1], LARGEST_POINTS)
        tested = np.flatnonzero(~np.isnan(table[:, 6]))[-100:]  # one per epoch: never thinned out while there are few
        if len(rows) < self.count:
            rows = np.union1d(rows, tested)
        return table[rows].astype(np.float32).tobytes()

    def norms(self) -> bytes:
        """float32 [moments, 1 + layers]: the step, then the gradient norm of each of `layers` (NaN: not given)."""
        rows = [[step, *(norms.get(name, np.nan) for name in self.layers)] for step, norms in self._norms]
        return np.array(rows, dtype=np.float32).tobytes()


def keep(values: np.ndarray, most: int) -> np.ndarray:
    """Sorted indices of at most `most` - 100 of `values` [n]: first, last, and the extremes of each bucket."""
    count, room = len(values), most - 100
    if count <= room:
        return np.arange(count)
    buckets = (room - 2) // 2
    edges = np.linspace(0, count, buckets + 1).astype(np.int64)
    filled = np.where(np.isfinite(values), values, np.inf)  # a NaN counts as the greatest: it must be seen
    lowest = [low + int(np.argmin(filled[low:high])) for low, high in pairwise(edges)]
    highest = [low + int(np.argmax(filled[low:high])) for low, high in pairwise(edges)]
    return np.unique([0, count - 1, *lowest, *highest])
