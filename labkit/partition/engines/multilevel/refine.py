"""Refinement: passes of moves, each rolled back to its best moment (Fiduccia and Mattheyses, 1982).

In a pass every vertex may move once. The best move is taken even where it loses, because a loss now may open a gain
later: the pass climbs out of local optima. At its end everything after the best moment is undone.
"""

import numpy as np

from labkit.partition.engines.compiled import bare, compiled
from labkit.partition.engines.multilevel.buckets import NONE
from labkit.partition.engines.multilevel.choose import choose
from labkit.partition.engines.multilevel.state import State, fill, gain_of, move

MOST_PASSES = 12
ROUNDING = 1e-9  # of the total work: excesses that differ by less are equal


@bare
def excess_of(s):
    """By how much the loads break the limits, summed over the parts (as `Limits.excess`)."""
    excess = 0.0
    for b in range(len(s.loads)):
        excess += max(s.loads[b] - s.cap[b], 0.0) + max(s.floor - s.loads[b], 0.0)
    return excess


@bare
def better(excess, gained, best_excess, best_gained, rounding):
    """Keeping the limits comes first, a small cut second."""
    if abs(excess - best_excess) > rounding:
        return excess < best_excess
    return gained > best_gained


@compiled
def one_pass(s, rounding):
    """A pass over a filled state: (moves made, moves kept, cost saved). Afterwards s.part is the best moment.

    It ends when no move is allowed any more. What follows from s.part has to be filled in anew.
    """
    moved, came_from = np.empty(len(s.part), np.int64), np.empty(len(s.part), np.int64)
    made, kept, gained = 0, 0, 0
    best_gained, best_excess = 0, excess_of(s)
    while True:
        vertex, to = choose(s)
        if vertex == NONE:
            break
        moved[made], came_from[made] = vertex, s.part[vertex]
        gained += gain_of(s, vertex, to)
        move(s, vertex, to)
        made += 1
        excess = excess_of(s)
        if better(excess, gained, best_excess, best_gained, rounding):
            kept, best_gained, best_excess = made, gained, excess
    for i in range(kept, made):
        s.part[moved[i]] = came_from[i]
    return made, kept, best_gained


def refine(s: State, start: np.ndarray) -> np.ndarray:
    """The partition vector [V] that passes make of `start`: until one keeps no move, MOST_PASSES at most."""
    s.part[:] = start
    for _ in range(MOST_PASSES):
        fill(s)
        kept = one_pass(s, rounding(s))[1]
        if kept == 0:
            break
    return s.part.copy()


def rounding(s: State) -> float:
    """Differences of load below this come from the order of a sum."""
    return ROUNDING * float(s.weights.sum())
