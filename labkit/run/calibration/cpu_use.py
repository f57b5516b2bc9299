"""How much of the machine's cores a run takes: times of an emulated network are worth nothing on a busy machine."""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

MOST_SHARE = 0.7  # of the cores; beyond it ranks wait for a core instead of for the network


@dataclass(frozen=True)
class CpuUse:
    """What one process took: its number, CPU seconds of all its threads, and the seconds that went by meanwhile."""

    process: int
    cpu_s: float
    wall_s: float


class Meter:
    """Measures this process from now on."""

    def __init__(self):
        self._cpu_s, self._wall_s = time.process_time(), time.monotonic()

    def read(self) -> CpuUse:
        """What it took so far."""
        return CpuUse(os.getpid(), time.process_time() - self._cpu_s, time.monotonic() - self._wall_s)


def cpu_share(uses: Iterable[CpuUse], cores: int) -> float:
    """Share of `cores` (0 to 1, as far as the clocks agree) that the ranks took; threads of one process count once."""
    longest: dict[int, CpuUse] = {}
    for use in uses:
        if use.process not in longest or use.wall_s > longest[use.process].wall_s:
            longest[use.process] = use
    wall_s = max((use.wall_s for use in longest.values()), default=0.0)
    return sum(use.cpu_s for use in longest.values()) / (wall_s * cores) if wall_s else 0.0


def share_remark(share: float) -> str:
    """What to tell about an emulated run that took such a share of the cores; '' if it left enough of them."""
    if share <= MOST_SHARE:
        return ""
    return (
        f"the run took {share:.0%} of the cores, more than {MOST_SHARE:.0%}: ranks waited for cores as well as for the "
        "emulated network; take fewer ranks or a slower link"
    )
