"""Under which limits a partition of ours is compared with one of eserol-2019's.

PaToH missed the imbalance that it was asked for at many N (coarse, 0.03, N = 16: largest load 1.18 times the average),
so the largest load that the thesis reached and the one that it asked for make two races. A bound on the largest load
alone lets parts stay light, which buys volume: in a third race the thesis's smallest load is kept as well.
"""

import numpy as np

from labkit.errors import LabError, suggest
from labkit.partition.limits import Limits, limits
from labkit.partition.thesis.tables import Figures

RACES = {
    "thesis-max": "no load above the largest of the thesis's own partition",
    "imbalance": "no load above (1 + imbalance) times the average",
    "thesis-range": "no load above the largest or below the smallest of the thesis's own partition",
}
NO_RACE = "as defined"  # methods that need no engine: their loads are what they are


def race_limits(printed: Figures, race: str, weights: np.ndarray) -> Limits:
    """Limits of one race against one partition of the thesis.

    weights: float64 [vertices], of the hypergraph that is cut. A vertex that is heavier than the limit (FC1 at N = 128)
    has a part to itself.

    Raises LabError for an unknown race.
    """
    if race not in RACES:
        raise LabError(f"unknown race {race!r}", suggest(race, RACES))
    average = weights.sum() / printed.parts
    imbalance = printed.imbalance if race == "imbalance" else max(0.0, printed.max_load / average - 1)
    bounds = limits(weights, printed.parts, imbalance, alone=True)
    return Limits(bounds.cap, float(printed.min_work)) if race == "thesis-range" else bounds
