"""How engines compare cuts, and how one that leaves parts empty, or numbers them badly, is mended."""

import numpy as np

from labkit.partition.hypergraph import Hypergraph, cut, part_weights
from labkit.partition.limits import Limits


def badness(hypergraph: Hypergraph, limits: Limits, part: np.ndarray) -> tuple[int, float, int]:
    """What makes one cut worse than another, first things first: empty parts, broken limits, volume."""
    loads = part_weights(hypergraph, part, limits.parts)
    return int((loads == 0).sum()), limits.excess(loads), cut(hypergraph, part)


def filled(hypergraph: Hypergraph, part: np.ndarray, parts: int) -> np.ndarray:
    """`part` without empty parts: each gets the vertex with work that is cheapest to take from a part with several.

    Parts stay empty only where there are fewer vertices with work than parts.
    """
    part = part.copy()
    works = hypergraph.weights > 0
    for empty in np.flatnonzero(np.bincount(part[works], minlength=parts) == 0):
        several = np.bincount(part[works], minlength=parts) > 1
        can_go = np.flatnonzero(works & several[part])
        if not len(can_go):
            break
        part[can_go[_price(hypergraph, part, parts)[can_go].argmin()]] = empty
    return part


def fitted(hypergraph: Hypergraph, part: np.ndarray, limits: Limits) -> np.ndarray:
    """`part` with its parts numbered anew, the heaviest where the limit is largest; its volume is the same.

    Limits differ where a task that is too heavy has a part to itself. `part` itself where they do not.
    """
    if limits.cap.max() == limits.cap.min():
        return part
    number = np.empty(limits.parts, np.int64)
    loads = part_weights(hypergraph, part, limits.parts)
    number[np.argsort(-loads, kind="stable")] = np.argsort(-limits.cap, kind="stable")
    return number[part]


def _price(hypergraph: Hypergraph, part: np.ndarray, parts: int) -> np.ndarray:
    """What it costs to take each vertex out of its part into an empty one: int64 [V]."""
    net = hypergraph.net_of_pin()
    key = net * parts + part[hypergraph.pins]
    _, same, count = np.unique(key, return_inverse=True, return_counts=True)
    new = np.where(count[same] > 1, hypergraph.costs[net], 0)
    return np.bincount(hypergraph.pins, new, hypergraph.vertices).astype(np.int64)
