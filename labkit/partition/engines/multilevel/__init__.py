"""The engine 'multilevel': a partitioner of hypergraphs written to be read, and to be watched move by move.

Read the files in this order: gains (what a move is worth), buckets (how the best move is found), state (how gains are
kept up to date), choose and refine (a pass of moves), coarsen, initial, levels (all of it together), steps and records
(looking on).

>>> from labkit.network import zoo
>>> from labkit.partition import coarse, flops, limits, tasks_of
>>> tasks = tasks_of(zoo.get("lenet5"))
>>> hypergraph = coarse(tasks, flops(tasks)).hypergraph
>>> for event in moves(hypergraph, limits(hypergraph.weights, 2, 0.1)):
...     pass
>>> event.level, event.cut
(0, 1)
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from labkit import __version__
from labkit.partition.engines import Progress
from labkit.partition.engines.judge import filled, fitted
from labkit.partition.engines.multilevel.gains import gain
from labkit.partition.engines.multilevel.groups import groupings, small_enough
from labkit.partition.engines.multilevel.levels import Settings, course
from labkit.partition.engines.multilevel.records import (
    Event,
    Level,
    Merged,
    Move,
    PassEnd,
    Refined,
    Start,
    Tried,
)
from labkit.partition.grains import NetworkHypergraph
from labkit.partition.hypergraph import Hypergraph, contract, cut, part_weights
from labkit.partition.limits import Limits

__all__ = [
    "ENGINE",
    "Event",
    "Level",
    "Merged",
    "Move",
    "PassEnd",
    "Refined",
    "Settings",
    "Start",
    "Tried",
    "cut_with_multilevel",
    "gain",
    "moves",
]

DOWN = 0.3  # of the time, about: the way down


def moves(hypergraph: Hypergraph, limits: Limits, seed: int = 0, settings: Settings | None = None) -> Iterator[Event]:
    """Partition a hypergraph and stop after everything that happens: see `records` for the events.

    The last event is Refined(level=0) with the same partition that `cut_with_multilevel` gives for the same seed. On a
    hypergraph of less than 150 vertices there is only one level, unless settings.coarsest asks for fewer vertices.
    """
    return course(hypergraph, limits, seed, settings or Settings(), every_move=True)


def cut_with_multilevel(
    hypergraph: Hypergraph,
    limits: Limits,
    seed: int = 0,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """The part of each vertex, int64 [V]. Where the limits cannot be kept they are broken by as little as was found."""
    settings = settings or Settings()
    levels = tried = 0
    for event in course(hypergraph, limits, seed, settings, every_move=False):
        if isinstance(event, Level):
            levels, tried = event.number + 1, 0
            done, what = DOWN * event.number / (event.number + 1), f"coarsened to {event.hypergraph.vertices} vertices"
        elif isinstance(event, Tried):
            tried += 1
            share = min(1.0, tried / (settings.tries + 1))
            done, what = _up(levels, event.level, share), f"level {event.level}: cut {event.after} ({event.way})"
        else:
            tried = 0
            done, what = _up(levels, event.level, 1.0), f"level {event.level} refined: cut {event.cut}"
        if progress is not None:
            progress(done, what)
    return event.part


def _up(levels: int, level: int, share: float) -> float:
    """What is done when `share` of the work on a level is, on the way up."""
    return DOWN + (1 - DOWN) * (levels - 1 - level + share) / levels


@dataclass(frozen=True)
class Multilevel:
    """The Engine: a network's hypergraph as it is or, where it is too large, with neighbouring tasks in groups."""

    name: str = "multilevel"
    version: str = __version__

    def __call__(
        self, problem: NetworkHypergraph, limits: Limits, seed: int = 0, progress: Progress | None = None
    ) -> np.ndarray:
        if small_enough(problem):
            part = cut_with_multilevel(problem.hypergraph, limits, seed, progress=progress)
            return _mended(problem.hypergraph, part, limits)
        clusters = groupings(problem)
        best, key = None, None
        for number, cluster in enumerate(clusters):
            few = contract(problem.hypergraph, cluster)
            part = cut_with_multilevel(few, limits, seed, progress=_share(progress, number, len(clusters)))
            part = fitted(few, part, limits)
            badness = (limits.excess(part_weights(few, part, limits.parts)), cut(few, part))
            if key is None or badness < key:
                best, key = part[cluster], badness
        return _mended(problem.hypergraph, best, limits)


def _mended(hypergraph: Hypergraph, part: np.ndarray, limits: Limits) -> np.ndarray:
    """What moves of single vertices do not reach: a task that is too heavy moves nowhere, and stays in a wrong part."""
    return fitted(hypergraph, filled(hypergraph, part, limits.parts), limits)


def _share(progress: Progress | None, number: int, of: int) -> Progress | None:
    """A callback for one of several runs."""
    return progress and (lambda done, what: progress((number + done) / of, what))


ENGINE = Multilevel()
