"""Engine 'counts' for the fine grain: filters and channels of a layer in groups, and simulated annealing on the blocks.

    starts.py   the network in groups of filters: several numbers of groups, and groups that fit the best coarse plan
    state.py    the part of every block and of every group of sums, with what makes a move cheap to judge
    anneal.py   the moves, compiled
    run.py      one run, from hot to cold
    search.py   many short runs, longer ones of the best, the last in finer groups

In the coarse grain counts are enough, because any two filters of a layer are interchangeable. In the fine grain a block
is a group of filters times a group of channels, and it matters which groups lie together: a part that has many blocks
of few rows and columns of that grid sends little. So blocks have names, and few of them are enough.
"""

from dataclasses import dataclass

import numpy as np

import labkit
from labkit.partition.engines import Progress
from labkit.partition.grains import NetworkHypergraph
from labkit.partition.limits import Limits


@dataclass(frozen=True)
class Blocks:
    """The engine, see `labkit.partition.engines`.

    moves: how many it may try in all runs together, None: as needed; the coarse plan that one of them starts from has
    a budget of its own.
    """

    name: str = "counts"
    version: str = labkit.__version__
    moves: int | None = None

    def __call__(
        self, problem: NetworkHypergraph, limits: Limits, seed: int = 0, progress: Progress | None = None
    ) -> np.ndarray:
        """The part of every vertex of a hypergraph: int64 [problem.vertices.count]."""
        from labkit.partition.engines.blocks.search import search

        best = search(problem, limits, seed, progress, self.moves)[0]
        small = best.start.small
        return best.part if small is problem else problem.vector(small.plan(best.part, limits.parts))


ENGINE = Blocks()
