"""Hypergraphs that are too large to be taken as they are: neighbouring filters and channels are put into groups first.

All filters of a layer are alike for the cut, so hardly anything is lost; the first levels of coarsening would make much
the same groups, but slowly. The fine grain of VGG16 shrinks from 1.6 million vertices to about 3,000.
"""

import numpy as np

from labkit.partition.grains import NOBODY, NetworkHypergraph, coarse, fine

MOST_VERTICES = 20_000
MOST_PINS = 4_000_000
GROUPS = (64, 32, 16, 8, 4, 2, 1)  # per layer and, in the fine grain, per direction
ENOUGH_VERTICES = 4_000


def small_enough(problem: NetworkHypergraph) -> bool:
    """Whether the hypergraph can be partitioned as it is, in seconds."""
    h = problem.hypergraph
    return h.vertices <= MOST_VERTICES and len(h.pins) <= MOST_PINS


def groupings(problem: NetworkHypergraph) -> list[np.ndarray]:
    """Clusters of the vertices, each int64 [V]: the three finest that leave at most ENOUGH_VERTICES.

    Coarse groups are easier to place and fine ones fit the limits better; which wins differs from case to case.
    """
    found = []
    for groups in GROUPS:
        cluster = in_groups(problem, groups)
        if cluster.max() < ENOUGH_VERTICES or groups == GROUPS[-1]:
            found.append(cluster)
        if len(found) == 3:
            break
    return found


def in_groups(problem: NetworkHypergraph, groups: int) -> np.ndarray:
    """Clusters of the vertices such that no layer has more than `groups` groups of filters, nor of input channels."""
    make = fine if problem.grain == "fine" else coarse
    few = make(problem.tasks, problem.weights, dense=problem.dense, groups=groups).vertices
    cluster = np.zeros(problem.vertices.count, np.int64)
    for mine, theirs in zip(
        problem.vertices.filters + problem.vertices.channels, few.filters + few.channels, strict=True
    ):
        if mine is not None:
            cluster[mine[mine != NOBODY]] = theirs[mine != NOBODY]
    return np.unique(cluster, return_inverse=True)[1]
