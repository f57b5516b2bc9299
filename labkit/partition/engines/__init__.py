"""Engines that cut a hypergraph into parts, behind one interface.

An engine takes a network's hypergraph, the limits of the loads and a seed, and gives back the part of every vertex:

    engine(problem, limits, seed=0, progress=None) -> int64 [problem.vertices.count]

`progress(done, what)` is called now and then with the fraction that is done; what it raises ends the search. An engine
that cannot keep the limits returns the best it found: the caller measures, and says so.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from labkit.partition.grains import NetworkHypergraph
from labkit.partition.limits import Limits

Progress = Callable[[float, str], None]


class Engine(Protocol):
    """What every engine is: its `name` and `version` for reports, and the call."""

    name: str
    version: str

    def __call__(
        self, problem: NetworkHypergraph, limits: Limits, seed: int = 0, progress: Progress | None = None
    ) -> np.ndarray: ...
