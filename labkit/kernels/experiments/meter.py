"""Energy of repeated work on a GPU: its own counter, read over seconds, with what it draws when idle taken off.

NVML's counter of energy moves in steps of 20 to 100 ms, and on some GPUs it sees only a quarter of the time (arXiv
2312.02741). So nothing short is ever measured: the work is repeated for seconds, starting at a random moment of the
counter's period, several times; what counts is the median, and the spread is told. There is no counter without a GPU,
and no energy is made up from a power that nobody measured.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter, sleep

from labkit.errors import LabError

LEAST_S = 2.0  # of one stretch of work, twenty of the counter's longest steps
STRETCHES = 3
IDLE_S = 2.0
PHASE_S = 0.1  # the counter's longest step


@dataclass(frozen=True)
class Energy:
    """Joules of one run above idle: the median of the stretches, the least and the most. watts: while working, idle
    included; idle_watts: before. runs, seconds: in all stretches together.
    """

    joules: float
    low_J: float
    high_J: float
    watts: float
    idle_watts: float
    runs: int
    seconds: float


def counter() -> Callable[[], float]:
    """A function that reads the joules which the first GPU has taken since its driver was loaded.

    Raises LabError where there is no GPU, or one that does not count (before Volta).
    """
    import pynvml

    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError as error:
        what = f"there is no GPU here whose energy could be measured ({error})"
        raise LabError(what, "show a recording: --recorded (or recordings() in a notebook)") from None
    return lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000


def energy_of(
    run: Callable[[], None],
    joules: Callable[[], float],
    *,
    stretch_s: float = LEAST_S,
    stretches: int = STRETCHES,
    idle_s: float = IDLE_S,
    clock: Callable[[], float] = perf_counter,
    wait: Callable[[float], None] = sleep,
) -> Energy:
    """Energy of one `run`, which must wait for its own end; `joules` is the counter.

    Takes idle_s + stretches * stretch_s seconds and a little more. Raises LabError for stretches that are too short for
    the counter.
    """
    if stretch_s < LEAST_S or stretches < 1:
        what = f"stretch_s={stretch_s!r}, stretches={stretches!r}"
        raise LabError(
            what, f"give at least one stretch of at least {LEAST_S:g} s: the counter moves in steps of 0.1 s"
        )
    run()
    idle_watts = _idle(joules, idle_s, clock, wait)
    found = []
    for _ in range(stretches):
        wait(random.uniform(0, PHASE_S))
        found.append(_stretch(run, joules, stretch_s, clock))
    each = sorted((taken - idle_watts * seconds) / runs for runs, seconds, taken in found)
    runs, seconds, taken = (sum(column) for column in zip(*found, strict=True))
    return Energy(each[len(each) // 2], each[0], each[-1], taken / seconds, idle_watts, runs, seconds)


def _idle(joules: Callable[[], float], idle_s: float, clock: Callable, wait: Callable) -> float:
    start, before = clock(), joules()
    wait(idle_s)
    return (joules() - before) / (clock() - start)


def _stretch(run: Callable, joules: Callable, stretch_s: float, clock: Callable) -> tuple[int, float, float]:
    """(runs, seconds, joules) of one stretch."""
    start, before, runs = clock(), joules(), 0
    while clock() - start < stretch_s:
        run()
        runs += 1
    return runs, clock() - start, joules() - before
