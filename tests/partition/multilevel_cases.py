"""Small hypergraphs for the tests of the multilevel partitioner: random ones, and the best cut by trying everything."""

from itertools import product

import numpy as np
from hypothesis import strategies as st

from labkit.partition import Hypergraph, Limits, cut, part_weights


def from_nets(nets, costs, weights) -> Hypergraph:
    """A hypergraph from lists of pins."""
    starts = np.concatenate(([0], np.cumsum([len(net) for net in nets])))
    return Hypergraph(starts, np.array([v for net in nets for v in net], np.int32), np.array(costs), np.array(weights))


@st.composite
def hypergraphs(draw, most=12, heaviest=5) -> Hypergraph:
    """1 to `most` vertices, up to 15 nets of any size (empty and single ones too), weights and costs that may be 0."""
    n = draw(st.integers(1, most))
    nets = draw(st.lists(st.lists(st.integers(0, n - 1), unique=True, max_size=n), max_size=15))
    costs = draw(st.lists(st.one_of(st.integers(0, 9), st.integers(0, 10**9)), min_size=len(nets), max_size=len(nets)))
    weights = draw(st.lists(st.integers(0, heaviest), min_size=n, max_size=n))
    return from_nets(nets, costs, weights)


def partitioned(parts=4, **options):
    """(hypergraph, partition vector) pairs."""
    return hypergraphs(**options).flatmap(
        lambda h: st.tuples(
            st.just(h), st.lists(st.integers(0, parts - 1), min_size=h.vertices, max_size=h.vertices).map(np.array)
        )
    )


def best_by_brute_force(h: Hypergraph, limits: Limits) -> int | None:
    """The least cut of a plan that keeps the limits with no part empty, None if there is none."""
    best = None
    for choice in product(range(limits.parts), repeat=h.vertices):
        loads = part_weights(h, np.array(choice), limits.parts)
        if limits.excess(loads) == 0 and (loads > 0).all():
            found = cut(h, np.array(choice))
            best = found if best is None else min(best, found)
    return best


def random_hypergraph(rng, vertices, nets, parts_of=3) -> Hypergraph:
    """Vertices of different weight in `parts_of` communities, with nets of two to five pins that mostly stay inside."""
    group = rng.integers(0, parts_of, vertices)
    rows = []
    for _ in range(nets):
        near = np.flatnonzero(group == rng.integers(parts_of))
        pool = near if len(near) > 1 and rng.random() < 0.8 else np.arange(vertices)
        rows.append(rng.choice(pool, min(len(pool), int(rng.integers(2, 6))), replace=False))
    return from_nets(rows, rng.integers(1, 30, nets), rng.integers(1, 8, vertices))
