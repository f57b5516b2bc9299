"""The gain of a move, written to be read: what the buckets and tables of `state.py` work out quickly."""

import numpy as np

from labkit.errors import LabError
from labkit.partition.hypergraph import Hypergraph, check_vector


def gain(hypergraph: Hypergraph, part: np.ndarray, vertex: int, to: int) -> int:
    """By how much the cut falls if `vertex` moves to part `to`; negative if it rises.

    Of each net that has the vertex as a pin only the other pins matter. If none of them is in the part that the vertex
    leaves, the net reaches one part fewer; if none is in the part where it arrives, one part more. part: [V].

    Raises LabError for a vertex that is not there and for a partition vector of the wrong length.
    """
    part = check_vector(hypergraph, part)
    if not 0 <= vertex < hypergraph.vertices:
        raise LabError(f"vertex {vertex} of a hypergraph with {hypergraph.vertices}", "number them from 0")
    if to == part[vertex]:
        return 0
    saved = 0
    for net in hypergraph.net_of_pin()[hypergraph.pins == vertex]:
        pins = hypergraph.net(net)
        others = part[pins[pins != vertex]]
        if part[vertex] not in others:
            saved += int(hypergraph.costs[net])
        if to not in others:
            saved -= int(hypergraph.costs[net])
    return saved
