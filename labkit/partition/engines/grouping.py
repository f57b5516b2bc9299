"""A network's hypergraph made small: neighbouring filters of a layer as one vertex.

Filters of a layer are alike, so little is lost: a good cut gives each part few runs of neighbouring filters, and a
search sees hundreds of vertices instead of a million.
"""

import numpy as np

from labkit.partition.grains import NOBODY, NetworkHypergraph
from labkit.partition.hypergraph import Hypergraph
from labkit.partition.limits import Limits

LADDER = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)  # groups per layer that are tried
RUNGS = 3  # how many of them
LIGHT = 3  # a part should have room for so many of the heaviest groups, or balance is hard to find


def in_groups(problem: NetworkHypergraph, limits: Limits) -> list[NetworkHypergraph]:
    """The problem with a few numbers of groups per layer, from the smallest whose groups are light enough for a part.

    The problem itself stands last where it is as small, and alone where it comes in groups already.
    """
    if problem.groups is not None:
        return [problem]
    found: list[NetworkHypergraph] = []
    for groups in LADDER:
        small = problem.grouped(groups)
        if small.vertices.count >= problem.vertices.count:
            return [*found, problem]
        if _heaviest_group(problem, small) <= limits.cap.min() / LIGHT:
            found.append(small)
        if len(found) == RUNGS:
            break
    return found or [small]


def _heaviest_group(problem: NetworkHypergraph, small: NetworkHypergraph) -> float:
    """The largest weight of a vertex of `small`, those left out that are layers which `problem` does not divide."""
    heaviest = 0.0
    for number, own in enumerate(problem.vertices.filters):
        divided = problem.vertices.channels[number] is not None or own[0] != own[-1]
        if divided:
            each = small.vertices.channels[number]
            members = small.vertices.filters[number] if each is None else each[each != NOBODY]
            heaviest = max(heaviest, small.hypergraph.weights[members].max())
    return heaviest


def in_order(hypergraph: Hypergraph, limits: Limits) -> np.ndarray:
    """Parts filled one after the other with vertices in their order: int64 [V]; what is left is shared evenly."""
    part = np.empty(hypergraph.vertices, np.int64)
    now, load, left = 0, 0.0, float(hypergraph.weights.sum())
    for v, weight in enumerate(hypergraph.weights.tolist()):
        if now < limits.parts - 1 and load + weight / 2 > left / (limits.parts - now):
            left -= load
            now, load = now + 1, 0.0
        part[v] = now
        load += weight
    return part
