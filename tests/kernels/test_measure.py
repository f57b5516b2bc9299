"""Timing on an executor, with an executor whose clock only moves when something runs."""

import pytest

from labkit.errors import LabError
from labkit.kernels.experiments.measure import measure


class Clockwork:
    """An executor on which the n-th run takes `seconds(n)`."""

    def __init__(self, seconds):
        self.seconds, self.now, self.runs = seconds, 0.0, 0

    def run(self) -> None:
        self.now += self.seconds(self.runs)
        self.runs += 1

    def synchronize(self) -> None:
        pass

    def stopwatch(self) -> "Laps":
        return Laps(self)


class Laps:
    def __init__(self, on: Clockwork):
        self.on, self.start, self.laps = on, on.now, {}

    def lap(self, name: str) -> None:
        self.laps[name] = self.on.now - self.start

    def seconds(self) -> dict[str, float]:
        return self.laps


def test_the_median_of_groups_counts_and_the_first_run_does_not():
    on = Clockwork(lambda n: 9.0 if n == 0 else 0.01)
    found = measure(on, on.run, budget_s=0.5)
    assert found.seconds == pytest.approx(0.01) == pytest.approx(found.low_s) == pytest.approx(found.high_s)
    assert found.runs == 49 and on.now < 9 + 0.6


def test_a_stutter_moves_the_quartiles_and_not_the_median():
    on = Clockwork(lambda n: 0.1 if n in (10, 20, 30) else 0.01)
    found = measure(on, on.run, budget_s=0.5)
    assert found.seconds == pytest.approx(0.01) and found.high_s > 0.02


def test_what_is_slower_than_the_budget_runs_once():
    on = Clockwork(lambda n: 2.0)
    found = measure(on, on.run, budget_s=0.5)
    assert (found.seconds, found.runs, on.runs) == (2.0, 1, 2)


def test_a_budget_below_zero_is_refused():
    on = Clockwork(lambda n: 1.0)
    with pytest.raises(LabError, match="budget_s=0"):
        measure(on, on.run, budget_s=0)
