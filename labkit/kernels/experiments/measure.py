"""Seconds of repeated work on an executor, and how much they vary.

The work is started many times between two marks on the device's own clock, so that what is measured is the device and
not the gap between two starts; the median over several such groups is what counts.
"""

from collections.abc import Callable
from dataclasses import dataclass

from labkit.errors import LabError
from labkit.kernels.executors import Executor

GROUPS = 7
LEAST_GROUPS = 3
MOST_PER_GROUP = 200


@dataclass(frozen=True)
class Measured:
    """Median seconds of one run; low and high: quartiles over the groups. runs: how often it ran in all."""

    seconds: float
    low_s: float
    high_s: float
    runs: int


def measure(executor: Executor, run: Callable[[], None], budget_s: float = 0.5) -> Measured:
    """Time `run`, which starts launches on `executor`, for about `budget_s` seconds after a warm-up.

    The warm-up compiles, so the first call takes longer. Where one run alone takes longer than the budget, it is timed
    once. Raises LabError for a budget that is not positive.
    """
    if budget_s <= 0:
        raise LabError(f"budget_s={budget_s!r}", "give seconds above 0")
    run()
    executor.synchronize()
    first = group(executor, run, 1)
    if first * LEAST_GROUPS > budget_s:
        return Measured(first, first, first, 1)
    groups = min(GROUPS, max(LEAST_GROUPS, int(budget_s / first)))
    each = max(1, min(MOST_PER_GROUP, int(budget_s / groups / first)))
    found = sorted(group(executor, run, each) for _ in range(groups))
    quarter = groups // 4
    return Measured(found[groups // 2], found[quarter], found[-1 - quarter], groups * each)


def group(executor: Executor, run: Callable[[], None], times: int) -> float:
    """Mean seconds of `times` runs one after the other."""
    stopwatch = executor.stopwatch()
    for _ in range(times):
        run()
    stopwatch.lap("all")
    return stopwatch.seconds()["all"] / times
