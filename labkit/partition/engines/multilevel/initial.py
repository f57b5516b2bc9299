"""Initial partitions: rough ones, made in several ways, for refinement to choose from.

No way is best for all hypergraphs, so all are tried, with other random numbers each time:

in order: vertices as they are numbered, cut into stretches of about equal work. Neighbours in number often belong
    together; in a network's hypergraph they do, since its layers are numbered from the input on.
grown: all vertices start in the last part; the others grow one after the other from it, by the moves that gain most
    (greedy hypergraph growing).
random: each vertex anywhere.
"""

from collections.abc import Iterator

import numpy as np

from labkit.partition.engines.compiled import bare
from labkit.partition.engines.multilevel.buckets import NONE
from labkit.partition.engines.multilevel.choose import NO_GAIN
from labkit.partition.engines.multilevel.state import State, fill, gain_of, move

EVENNESS = (20.0, 100.0, 1000.0)  # of stretches in order: their lengths vary by about 1/sqrt of it


def starts(s: State, tries: int, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """`tries` initial partitions, as (way, part of each vertex); of every five three are in order, one each other."""
    for number in range(tries):
        turn = number % (len(EVENNESS) + 2)
        if turn < len(EVENNESS):
            yield "in order", in_order(s.weights, len(s.loads), EVENNESS[turn], rng)
        elif turn == len(EVENNESS):
            yield "grown", grown(s, rng)
        else:
            yield "random", rng.integers(0, len(s.loads), len(s.part))


def in_order(weights: np.ndarray, parts: int, evenness: float, rng: np.random.Generator) -> np.ndarray:
    """Stretches of consecutive vertices whose shares of the work are random, but even on the whole."""
    ends = rng.dirichlet(np.full(parts, evenness)).cumsum()[:-1]
    total = max(weights.sum(), np.finfo(float).tiny)
    middles = (np.cumsum(weights) - weights / 2) / total
    return np.searchsorted(ends, middles)


def grown(s: State, rng: np.random.Generator) -> np.ndarray:
    """Parts that grow from a random vertex until each has its share of the work. s serves as the work space."""
    s.part[:] = len(s.loads) - 1
    fill(s)
    grow(s, rng.integers(0, len(s.part)), s.weights.sum() / len(s.loads))
    return s.part.copy()


@bare
def grow(s, seed, share):
    """Move vertices out of the last part, the first one `seed`, until every part has `share` or is full."""
    last = len(s.loads) - 1
    for b in range(last):
        while s.loads[b] < share:
            v = seed if b == 0 and s.free[seed] else next_to_grow(s, b)
            if v == NONE:
                break
            move(s, v, b)


@bare
def next_to_grow(s, part):
    """The vertex of the last part that gains most by moving to `part` and fits there."""
    best, most = NONE, NO_GAIN
    for v in range(len(s.part)):
        if s.free[v] and s.loads[part] + s.weights[v] <= s.cap[part]:
            gain = gain_of(s, v, part)
            if gain > most:
                best, most = v, gain
    return best
