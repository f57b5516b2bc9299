"""Where the time of every rank goes while a run goes on, from the events of its lanes and from its losses.

Computing, communicating and idle are those of a rank's main lane (of a rank that only serves: of its server lane); what
is neither of the two is idle. Events may come in any order of ranks; those of a lane come by their ends.
"""

from collections.abc import Iterable

import numpy as np

from labkit.widgets._ages import flat, is_event
from labkit.widgets._series import keep

MOMENTS = 600  # samples of a run that a replay goes by
POINTS = 2000  # of the losses
PER_RANK = 3  # computing and communicating in seconds, and the number of steps begun


class Progress:
    """What events and losses have said so far; takes in each at a cost that does not grow with their number."""

    def __init__(self, ranks: int = 0) -> None:
        self.ranks, self.events, self.news = ranks, 0, 0
        self._sums: dict[tuple[int, str, str], float] = {}
        self._steps: dict[int, int] = {}
        self._losses: dict[int, float] = {}
        self._moments: list[list[float]] = []
        self._stride, self._first, self._last = 1, float("inf"), 0.0

    def add(self, items: Iterable) -> None:
        """Take in what is an event, or has a step and a loss; everything else is for others."""
        for item in flat(items):
            if is_event(item):
                self._event(item)
            elif hasattr(item, "loss") and hasattr(item, "step"):
                self._losses[int(item.step)] = float(item.loss)
            self.news += 1

    def add_losses(self, losses: Iterable[float]) -> None:
        """Losses of steps 0, 1, ..."""
        self._losses |= {step: float(loss) for step, loss in enumerate(losses)}

    def _event(self, event) -> None:
        self._first, self._last = min(self._first, event.start_s), max(self._last, event.end_s)
        self.ranks = max(self.ranks, event.rank + 1)
        key = (event.rank, event.lane, event.kind)
        self._sums[key] = self._sums.get(key, 0.0) + event.end_s - event.start_s
        if event.lane != "network":
            self._steps[event.rank] = max(self._steps.get(event.rank, 0), event.step + 1)
        if self.events % self._stride == 0:
            self._moments.append(self._now())
        self.events += 1
        if len(self._moments) > MOMENTS:
            self._moments, self._stride = self._moments[::2], 2 * self._stride

    def _now(self) -> list[float]:
        row = [self._last - self._first]
        for rank in range(self.ranks):
            main = any((rank, "main", kind) in self._sums for kind in ("compute", "communicate", "wait"))
            lane = "main" if main else "server"
            row += [self._sums.get((rank, lane, kind), 0.0) for kind in ("compute", "communicate")]
            row.append(float(self._steps.get(rank, 0)))
        return row

    @property
    def steps(self) -> int:
        """Steps that some rank has begun, or that have a loss."""
        return max([*self._steps.values(), *(step + 1 for step in self._losses)], default=0)

    def moments(self) -> bytes:
        """float64 [moments, 1 + PER_RANK * ranks]: the time in seconds since the first event, then for each rank its
        numbers at that time. The last one is now.
        """
        width = 1 + PER_RANK * self.ranks
        rows = [row + [0.0] * (width - len(row)) for row in ([*self._moments, self._now()] if self.events else [])]
        return np.array(rows, "<f8").tobytes()

    def losses(self) -> bytes:
        """float32 [points, 2]: number of the step (from 1) and loss, at most POINTS of them."""
        table = np.array(sorted(self._losses.items()), np.float64).reshape(-1, 2)
        rows = table[keep(table[:, 1], POINTS)] if len(table) else table
        return (rows + np.array([1, 0])).astype("<f4").tobytes()
