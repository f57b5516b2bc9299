"""Coarsening: pairs of vertices that share much become one, again and again, until few are left.

Two vertices share much if costly nets hold both, most of all small nets, which few others could keep whole. The rating
of a pair is the sum over their common nets of cost / (pins - 1) ("heavy connectivity"; PaToH and hMETIS rate pairs so).
Vertices are taken in random order; each is matched with the best-rated partner that is still alone. A cap on the weight
of a pair keeps the pieces small enough to balance.
"""

import numpy as np

from labkit.partition.engines.compiled import compiled
from labkit.partition.engines.multilevel.buckets import NONE
from labkit.partition.hypergraph import Hypergraph

WINDOW = 64  # pins looked at per net and vertex: all would cost the square of its pins, 263,000 for a map of VGG16


@compiled
def match(starts, pins, vertex_starts, nets, costs, weights, order, offset, heaviest):
    """Pairs of vertices: (mate int64 [V], NONE for a vertex that stays alone; rating float64 [V] of its pair).

    order: int64 [V], who chooses first. offset: int64 [V], where in its nets each vertex starts to look: nets that
    share nearly all their pins then show it the same partners, whose ratings add up. heaviest: cap on a pair's weight.
    """
    mate = np.full(len(weights), NONE, np.int64)
    rating = np.zeros(len(weights))
    shared = np.zeros(len(weights))
    seen = np.empty(len(weights), np.int64)
    for u in order:
        if mate[u] != NONE:
            continue
        count = 0
        for i in range(vertex_starts[u], vertex_starts[u + 1]):
            e = nets[i]
            size = starts[e + 1] - starts[e]
            for j in range(min(size, WINDOW)):
                v = pins[starts[e] + (offset[u] + j) % size]
                if v != u and mate[v] == NONE and costs[e] > 0:
                    if shared[v] == 0:
                        seen[count] = v
                        count += 1
                    shared[v] += costs[e] / (size - 1)
        best = NONE
        for j in range(count):
            v = seen[j]
            if weights[u] + weights[v] <= heaviest and (best == NONE or shared[v] > shared[best]):
                best = v
        if best != NONE:
            mate[u], mate[best] = best, u
            rating[u] = rating[best] = shared[best]
        for j in range(count):
            shared[seen[j]] = 0
    return mate, rating


def pairs(hypergraph: Hypergraph, heaviest: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(mate, rating) of every vertex, as `match` gives them."""
    h = hypergraph
    vertex_starts, nets = h.nets_of_vertices()
    order = rng.permutation(h.vertices)
    offset = rng.integers(0, max(1, h.vertices), h.vertices)
    return match(h.starts, h.pins, vertex_starts, nets, h.costs, h.weights, order, offset, heaviest)


def clusters(mate: np.ndarray) -> np.ndarray:
    """The number of the coarse vertex that each vertex becomes, int64 [V]: in the order of their first members."""
    own = np.arange(len(mate))
    first = np.where(mate == NONE, own, np.minimum(mate, own))
    return np.unique(first, return_inverse=True)[1]
