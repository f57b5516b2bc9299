"""How unequal the loads of the parts may be, and whether tasks of these weights can meet it at all."""

from dataclasses import dataclass

import numpy as np

from labkit.errors import LabError

LEAST_IMBALANCE = 0.0
MOST_IMBALANCE = 10.0  # a part with eleven times the average: anything above is a slip of the keyboard
SLACK = 1e-9  # relative: what rounding of sums may add to a load


@dataclass(frozen=True, eq=False)
class Limits:
    """Smallest and largest load that a part may have, in the unit of the weights.

    cap: float64 [parts]; part p may hold up to cap[p]. floor: every part holds at least this; 0 asks only that no part
    is empty. parts: their number.
    """

    cap: np.ndarray
    floor: float = 0.0

    @property
    def parts(self) -> int:
        return len(self.cap)

    def excess(self, loads: np.ndarray) -> float:
        """By how much the loads [parts] break the limits, summed over the parts; 0 if they keep them."""
        over = np.maximum(loads - self.cap * (1 + SLACK), 0).sum()
        return float(over + np.maximum(self.floor * (1 - SLACK) - loads, 0).sum())


def limits(weights: np.ndarray, parts: int, imbalance: float, names=None, alone: bool = False) -> Limits:
    """The limits of eserol-2019 section 2.5: no load above (1 + imbalance) times the average.

    weights: float64 [tasks]. names: function task number -> how to call it in an error. alone: a task that is heavier
    than the limit gets a part to itself, whose limit is the task's weight (the thesis does so: at N = 128 FC1 of VGG16
    is 1.62 averages); otherwise that is an error, which names the task and the smallest imbalance that admits it.

    Raises LabError for more parts than tasks with work, and for an imbalance that no plan can meet.
    """
    working = int((weights > 0).sum())
    if not isinstance(parts, (int, np.integer)) or isinstance(parts, bool) or parts < 1:
        raise LabError(f"parts={parts!r}", "give a whole number from 1 up")
    if parts > working:
        raise LabError(
            f"{parts} parts for {working} tasks that have work", f"give at most {working} parts, or a finer method"
        )
    check_imbalance(imbalance)
    average = weights.sum() / parts
    cap = np.full(parts, (1 + imbalance) * average)
    heavy = np.sort(weights[weights > cap[0] * (1 + SLACK)])[::-1][:parts]
    if len(heavy) and not alone:
        task = int(weights.argmax())
        name = names(task) if names else f"task {task}"
        least = np.ceil(1000 * (weights.max() / average - 1)) / 1000
        raise LabError(
            f"imbalance {imbalance:g} over {parts} parts cannot be met: {name} alone is "
            f"{weights.max() / average:.3f} times the average load",
            f"give an imbalance of {least:g} or more, fewer parts, a finer method, or alone=True",
        )
    cap[: len(heavy)] = heavy
    return Limits(cap)


def check_imbalance(imbalance: object) -> None:
    """Refuse an imbalance that is not a number from 0 to 10."""
    number = isinstance(imbalance, (int, float)) and not isinstance(imbalance, bool)
    if not number or not LEAST_IMBALANCE <= imbalance <= MOST_IMBALANCE:
        raise LabError(
            f"imbalance={imbalance!r}", "give a number from 0 to 10; 0.1 lets a part be 10 % above the average"
        )
