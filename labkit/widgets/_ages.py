"""Records of staleness as the few numbers a picture needs: counts for the histogram, and the newest ones for lanes."""

from collections import Counter, deque
from collections.abc import Iterable

import numpy as np

LANES = 2000  # records in the lanes, the newest; the histogram counts all
FIELDS = ("rank", "step", "piece", "version", "staleness")


def is_record(item: object) -> bool:
    """Whether an item is a record of staleness: see FIELDS."""
    return all(hasattr(item, name) for name in FIELDS)


def is_event(item: object) -> bool:
    """Whether an item is an event of a timeline."""
    return all(hasattr(item, name) for name in ("rank", "kind", "lane", "spelling", "start_s", "end_s"))


def flat(items: Iterable) -> Iterable:
    """`items`, with those of lists among them one by one; records and events may themselves be tuples."""
    for item in items:
        if isinstance(item, (list, tuple)) and not hasattr(item, "_fields"):
            yield from flat(item)
        else:
            yield item


class Ages:
    """What records have said so far. Events may come too: they say when each worker computed a step."""

    def __init__(self) -> None:
        self.count, self.news = 0, 0
        self._counts: Counter[tuple[int, int, int]] = Counter()
        self._newest: deque = deque(maxlen=LANES)
        self._times: dict[tuple[int, int], tuple[float, float]] = {}

    def add(self, items: Iterable) -> None:
        """Take in what is a record or an event of `items`; everything else is for others."""
        for item in flat(items):
            self.news += 1
            if is_record(item):
                self.count += 1
                self._counts[int(item.rank), int(item.piece), int(item.staleness)] += 1
                self._newest.append([float(getattr(item, name)) for name in FIELDS])
            elif is_event(item) and item.kind == "compute" and item.lane == "main" and item.spelling[:1] in "FB":
                start, end = self._times.get((item.rank, item.step), (item.start_s, item.end_s))
                self._times[item.rank, item.step] = min(start, item.start_s), max(end, item.end_s)

    @property
    def timed(self) -> bool:
        """Whether events said when the steps of the newest records were computed."""
        return bool(self._times) and any((int(row[0]), int(row[1])) in self._times for row in self._newest)

    @property
    def pieces(self) -> list[int]:
        return sorted({piece for _, piece, _ in self._counts})

    @property
    def ranks(self) -> list[int]:
        return sorted({rank for rank, _, _ in self._counts})

    def counts(self) -> bytes:
        """float32 [rows, 4]: rank, piece, staleness, and how many updates of that kind there were."""
        return np.array([[*key, count] for key, count in sorted(self._counts.items())], "<f4").tobytes()

    def lanes(self) -> bytes:
        """float64 [records, 7]: FIELDS, then when the worker began and ended to compute that step: seconds, or the
        number of the step and the next one where no event tells.
        """
        timed = self.timed
        rows = [[*row, *self._when(row, timed)] for row in self._newest if not timed or self._known(row)]
        return np.array(rows, "<f8").tobytes()

    def _known(self, row: list[float]) -> bool:
        return (int(row[0]), int(row[1])) in self._times

    def _when(self, row: list[float], timed: bool) -> tuple[float, float]:
        return self._times[int(row[0]), int(row[1])] if timed else (row[1], row[1] + 1)
