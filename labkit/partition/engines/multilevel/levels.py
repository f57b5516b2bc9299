"""The whole course: down to a small hypergraph, a partition of that, and up again with refinement on every level.

              level 0  o o o o o o o o o o o o      refine: the result
    match pairs |                                     ^
              level 1  o o o o o o                  refine
    match pairs |                                     ^ every vertex takes its cluster's part
              level 2  o o o    initial partitions, refine, keep the best

Moving one vertex of a coarse level moves all filters of a cluster at once: moves that a pass on level 0 would make only
after many that lose. On level 0 only details are left to mend.

The parts are cut directly (k-way), not by halves again and again (recursive bisection, as PaToH does): a move then sees
the true cost of a net that reaches several parts, and the limits of each part, which may differ, are simply its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from labkit.errors import LabError
from labkit.partition.engines.multilevel.buckets import NONE
from labkit.partition.engines.multilevel.coarsen import clusters, pairs
from labkit.partition.engines.multilevel.initial import starts
from labkit.partition.engines.multilevel.records import Event, Level, Merged, Refined, Start, Tried
from labkit.partition.engines.multilevel.refine import refine, rounding
from labkit.partition.engines.multilevel.state import State, cut_of, fill, new_state
from labkit.partition.engines.multilevel.steps import steps
from labkit.partition.hypergraph import Hypergraph, contract
from labkit.partition.limits import Limits

LEAST_SHRINKAGE = 0.05  # a level that is hardly smaller than the one above is not worth its work


@dataclass(frozen=True)
class Settings:
    """How far to coarsen and how much to try.

    coarsest: go down until so few vertices are left; None for 20 per part, at least 150. No cluster becomes heavier
    than two of so many equal shares of the work. tries: initial partitions made on the coarsest level. On the way up
    they are made again and compete with the partition that came from below: finer pieces fit the limits better, and
    now and then a fresh start wins. Levels of more than `small` vertices have fewer tries in proportion; 0 for none.
    """

    coarsest: int | None = None
    tries: int = 20
    small: int = 1000

    def tries_on(self, vertices: int) -> int:
        """Initial partitions made on a level above the coarsest."""
        return self.tries * self.small // max(self.small, vertices)

    def aim(self, parts: int) -> int:
        return max(150, 20 * parts) if self.coarsest is None else self.coarsest


def course(hypergraph: Hypergraph, limits: Limits, seed: int, settings: Settings, every_move: bool) -> Iterator[Event]:
    """All events of a partitioning, the last one Refined(level=0). every_move: with Merged, Start, Move and PassEnd.

    The partition is the same either way: what yields every move only looks on. Raises LabError without vertices.
    """
    if not hypergraph.vertices:
        raise LabError("a hypergraph without vertices cannot be divided", "give it at least one vertex")
    rng = np.random.default_rng(seed)
    limits = without_empty_parts(limits, hypergraph.weights)
    levels = yield from down(hypergraph, limits.parts, settings, every_move, rng)
    part = None
    for level in reversed(levels):
        state = new_state(level.hypergraph, limits)
        tries = settings.tries if part is None else settings.tries_on(level.hypergraph.vertices)
        start, refined = yield from best_start(state, level.number, part, tries, rng)
        if every_move:
            yield start
            yield from steps(state, level.number, start.part)
        cut, _, loads = measure(state, refined)
        yield Refined(level.number, refined, cut, loads)
        part = refined if level.cluster is None else refined[level.cluster]


def without_empty_parts(limits: Limits, weights: np.ndarray) -> Limits:
    """The limits with a floor that no empty part can meet, if there are enough vertices with work for all parts."""
    work = weights[weights > 0]
    return replace(limits, floor=max(limits.floor, float(work.min()))) if len(work) >= limits.parts else limits


def down(
    hypergraph: Hypergraph, parts: int, settings: Settings, every_move: bool, rng: np.random.Generator
) -> Iterator[Event]:
    """Coarsen level by level; returns the levels, the finest first."""
    aim = settings.aim(parts)
    heaviest = 2 * hypergraph.weights.sum() / aim
    levels = [Level(0, hypergraph, None)]
    yield levels[0]
    while levels[-1].hypergraph.vertices > aim:
        above = levels[-1].hypergraph
        mate, rating = pairs(above, heaviest, rng)
        if (mate != NONE).sum() / 2 < LEAST_SHRINKAGE * above.vertices:
            break
        if every_move:
            for u in np.flatnonzero(mate > np.arange(above.vertices)):
                yield Merged(len(levels), int(u), int(mate[u]), float(rating[u]))
        cluster = clusters(mate)
        levels.append(Level(len(levels), contract(above, cluster), cluster))
        yield levels[-1]
    return levels


def best_start(
    s: State, level: int, projected: np.ndarray | None, tries: int, rng: np.random.Generator
) -> Iterator[Event]:
    """Refine every partition there is to start from; returns the one that ends best: (Start, refined partition)."""
    best, key = None, None
    for way, part in candidates(s, projected, tries, rng):
        before, _, loads = measure(s, part)
        refined = refine(s, part)
        after, excess, _ = measure(s, refined)
        wins = key is None or (excess, after) < key
        if wins:
            best, key = (Start(level, way, part, before, loads), refined), (excess, after)
        yield Tried(level, way, before, after, excess, wins)
    return best


def candidates(
    s: State, projected: np.ndarray | None, tries: int, rng: np.random.Generator
) -> Iterator[tuple[str, np.ndarray]]:
    if projected is not None:
        yield "projected", projected
    yield from starts(s, tries, rng)


def measure(s: State, part: np.ndarray) -> tuple[int, float, np.ndarray]:
    """(cut, by how much the loads break the limits, loads) of a partition vector."""
    s.part[:] = part
    fill(s)
    over = np.maximum(s.loads - s.cap, 0).sum() + np.maximum(s.floor - s.loads, 0).sum()
    return int(cut_of(s)), float(over) if over > rounding(s) else 0.0, s.loads.copy()
