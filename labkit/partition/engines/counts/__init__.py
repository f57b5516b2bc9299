"""Engine 'counts': a coarse plan is a table of counts, because the filters of a layer are interchangeable.

    readers.py  who reads the maps of a tensor, between vertices
    model.py    from a coarse hypergraph to classes of interchangeable vertices and the bundles of maps between them
    start.py    good tables to start from, by dynamic programming over cuts of the network
    table.py    the table while it is searched, and what makes a move cheap to judge
    anneal.py   simulated annealing on the table
    walks.py    which starts are annealed, how hot and how long
    expand.py   from counts back to filters
    exact.py    the proven optimum of small cases, by a mixed-integer program

The table has a few hundred numbers where the hypergraph has thousands of vertices and millions of pins, so a search
that a general partitioner cannot afford takes a second here.
"""

from dataclasses import dataclass

import numpy as np

import labkit
from labkit.errors import LabError
from labkit.partition.engines import Progress
from labkit.partition.engines.counts.exact import Optimum, optimum
from labkit.partition.engines.counts.expand import expand
from labkit.partition.engines.counts.model import CountModel, count_model
from labkit.partition.engines.counts.walks import Found, search
from labkit.partition.grains import NetworkHypergraph
from labkit.partition.hypergraph import part_weights
from labkit.partition.limits import Limits
from labkit.partition.volume import volume

__all__ = ["ENGINE", "CountModel", "Counts", "Found", "Optimum", "count_model", "expand", "optimum", "search"]


@dataclass(frozen=True)
class Counts:
    """The engine, see `labkit.partition.engines`.

    moves: budget of the search, None for the usual one of about a second. empty: whether parts may be left without
    work.
    """

    moves: int | None = None
    empty: bool = False
    name: str = "counts"
    version: str = labkit.__version__

    def __call__(
        self, problem: NetworkHypergraph, limits: Limits, seed: int = 0, progress: Progress | None = None
    ) -> np.ndarray:
        """The part of every vertex of a coarse hypergraph: int64 [problem.vertices.count].

        Raises LabError for a fine-grain hypergraph, where too few vertices are interchangeable.
        """
        if problem.grain != "coarse":
            raise LabError(
                f"engine 'counts' of the coarse grain was given a {problem.grain}-grain hypergraph",
                "make it with coarse(...), or ask for the engine of the fine grain",
            )
        model = count_model(problem)
        tables = search(model, limits, seed, progress, self.moves, self.empty)
        plans = [expand(model, found.counts, problem.vertices.count) for found in tables]

        def rank(part: np.ndarray) -> tuple[float, int]:
            """By what the plan itself costs, since the model only estimates some networks."""
            excess = limits.excess(part_weights(problem.hypergraph, part, limits.parts))
            return excess, volume(problem.plan(part, limits.parts), batch=1).elements

        return min(plans, key=rank)


ENGINE = Counts()
