"""What happens in the course of partitioning, as values: a widget can replay them, a reader can print them."""

from dataclasses import dataclass

import numpy as np

from labkit.partition.hypergraph import Hypergraph


@dataclass(frozen=True, eq=False)
class Merged:
    """Coarsening matched two vertices of level `level`; rating: how much they share (see coarsen.py)."""

    level: int
    first: int
    second: int
    rating: float


@dataclass(frozen=True, eq=False)
class Level:
    """A level is entered on the way down; number 0 is the hypergraph itself.

    cluster: int64, for each vertex of the level above, the vertex of this one it belongs to; None at level 0.
    """

    number: int
    hypergraph: Hypergraph
    cluster: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Tried:
    """A partition of a level was refined for comparison; way: 'projected', 'in order', 'grown' or 'random'.

    before, after: its cut before and after refinement, in elements of one sample. excess: by how much loads still break
    the limits. best: whether it is the best of its level so far.
    """

    level: int
    way: str
    before: int
    after: int
    excess: float
    best: bool


@dataclass(frozen=True, eq=False)
class Start:
    """The partition of a level that is refined now: the one that turned out best of all tried.

    part: int64 [V]. cut: in elements of one sample. loads: float64 [parts].
    """

    level: int
    way: str
    part: np.ndarray
    cut: int
    loads: np.ndarray


@dataclass(frozen=True, eq=False)
class Move:
    """One move of a pass. gain: by how much the cut falls. cut, loads: after the move.

    kept: False if the move is undone at the end of the pass. buckets: what there was to choose from, per target part
    the lists from the highest down: (least gain of the bucket, its vertices in their order).
    """

    level: int
    number: int
    vertex: int
    came_from: int
    to: int
    gain: int
    cut: int
    loads: np.ndarray
    kept: bool
    buckets: tuple[tuple[tuple[int, tuple[int, ...]], ...], ...]


@dataclass(frozen=True, eq=False)
class PassEnd:
    """A pass is over: of `made` moves the first `kept` stay. part: int64 [V]. cut: after what is undone."""

    level: int
    number: int
    made: int
    kept: int
    part: np.ndarray
    cut: int


@dataclass(frozen=True, eq=False)
class Refined:
    """A level is finished; its partition is that of the level above too, cluster by cluster. At level 0: the result."""

    level: int
    part: np.ndarray
    cut: int
    loads: np.ndarray


Event = Merged | Level | Tried | Start | Move | PassEnd | Refined
