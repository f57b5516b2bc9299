"""The search: many short runs in different groups, longer ones of the best, and the last in finer groups.

How many groups a layer should have cannot be known: enough that the parts can be balanced, few enough that the search
sees through, and of sizes that fit a part's share. So several numbers are tried, each from several temperatures, and
only what promises most gets more moves. All moves together are a fixed number, so that a seed always gives one plan.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from labkit.errors import LabError
from labkit.partition.engines import Progress
from labkit.partition.engines.blocks.run import anneal_from
from labkit.partition.engines.blocks.starts import Start, finer, starts
from labkit.partition.grains import NetworkHypergraph
from labkit.partition.limits import Limits

MOVES = 80_000_000  # in all runs together: some ten seconds
MOVES_PER_VERTEX = 100_000  # small networks need fewer
SHORT, LONGER = 0.35, 0.35  # shares of the moves; the rest is for finer groups
KEPT = 8  # starts that go on after the short runs
REFINED = 3  # cuts that are refined in groups of half the size
DOUBLINGS = 2
AGAIN = (0.3, 0.05)  # temperatures of the longer runs, in average costs of a net
MOST_VERTICES = 20_000  # of a hypergraph in finer groups
MOST_PLACES = 2**27  # vertices times parts of a state, which takes four bytes for each


@dataclass(frozen=True, eq=False)
class Found:
    """A cut: its hypergraph, the part of each vertex, the volume of one sample, and by how much it breaks limits."""

    start: Start
    part: np.ndarray
    volume: int
    excess: float

    @property
    def rank(self) -> tuple[float, int]:
        """What is smaller is better: limits first, then volume."""
        return self.excess, self.volume


def search(
    problem: NetworkHypergraph,
    limits: Limits,
    seed: int = 0,
    progress: Progress | None = None,
    moves: int | None = None,
) -> list[Found]:
    """Good cuts of the problem in groups, the best first; the same for a seed on every machine.

    moves: budget of all runs together, None for one that fits the size. progress: called between batches of moves; what
    it raises ends the search. Raises LabError for so many parts that their tables would not fit into memory.
    """
    done = 0

    def report(some: int = 0) -> None:
        nonlocal done
        done += some
        if progress is not None:
            progress(min(1.0, done / moves) if moves else 0.0, "annealing blocks")

    begun = [one for one in starts(problem, limits, seed, report) if _fits(one, limits)]
    if not begun:
        raise LabError(
            f"{limits.parts} parts of {problem.tasks.network.name} are too many for engine 'counts' in the fine grain",
            "give fewer parts, or take another engine",
        )
    if moves is None:
        moves = min(MOVES, MOVES_PER_VERTEX * int(np.median([one.hypergraph.vertices for one in begun])))
    number = 0

    def run(one: Start, part: np.ndarray, heat: float, share: float) -> Found:
        nonlocal number
        number += 1
        some = max(1, int(share * moves))
        return Found(one, *anneal_from(one.hypergraph, part, limits, some, heat, (seed, number), report))

    trials = [(one, heat) for one in begun for heat in one.heats]
    found = _best(run(one, one.part, heat, SHORT / len(trials)) for one, heat in trials)[:KEPT]
    for heat in AGAIN:
        share = LONGER / len(AGAIN) / len(found)
        found = _best(_best([one, run(one.start, one.part, heat, share)])[0] for one in found)
    refined = found[:REFINED] if problem.groups is None else []
    for _ in range(DOUBLINGS):
        share = (1 - SHORT - LONGER) / DOUBLINGS / REFINED
        again = [finer(one.start, one.part, limits.parts) for one in refined]
        again = [one for one in again if one.hypergraph.vertices <= MOST_VERTICES and _fits(one, limits)]
        refined = [_best(run(one, one.part, heat, share / len(one.heats)) for heat in one.heats)[0] for one in again]
        found = found + refined
    return _best(found)


def _fits(start: Start, limits: Limits) -> bool:
    return start.hypergraph.vertices * limits.parts <= MOST_PLACES


def _best(found: Iterable[Found]) -> list[Found]:
    """In order of rank; of several with the same rank only the first, since they are mostly the same cut."""
    first: dict[tuple[float, int], Found] = {}
    for one in found:
        first.setdefault(one.rank, one)
    return [first[rank] for rank in sorted(first)]
