"""A network's hypergraph made small: neighbouring filters of a layer as one vertex.

Filters of a layer are alike, so little is lost: a good cut gives each part few runs of neighbouring filters, and a
search sees hundreds of vertices instead of a million.
"""

import numpy as np

from labkit.partition.engines.judge import filled
from labkit.partition.grains import NetworkHypergraph
from labkit.partition.hypergraph import Hypergraph
from labkit.partition.limits import SLACK, Limits

LADDER = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)  # groups per layer that are tried


def in_groups(
    problem: NetworkHypergraph, limits: Limits, ladder: tuple[int, ...] = LADDER, most: int = 3, room: int = 3
) -> list[NetworkHypergraph]:
    """The problem with a few numbers of groups per layer, from the smallest whose groups are light enough for a part.

    ladder: numbers to try; at most `most` are taken. room: how many of the heaviest groups a part must have room for,
    or balance is hard to find. The problem itself stands last where it is as small, and alone where it comes in groups.
    """
    if problem.groups is not None:
        return [problem]
    found: list[NetworkHypergraph] = []
    for groups in ladder:
        if _least_weight(problem, groups) > limits.cap.min() / room:
            continue
        small = problem.grouped(groups)
        if small.vertices.count >= problem.vertices.count:
            return [*found, problem]
        if (small.hypergraph.weights > 0).sum() >= limits.parts:
            found.append(small)
        if len(found) == most:
            break
    return found or [problem]


def _least_weight(problem: NetworkHypergraph, groups: int) -> float:
    """What the heaviest group weighs at least, of all layers that `problem` divides."""
    heaviest = 0.0
    for number, layer in enumerate(problem.tasks.layers):
        own, each = problem.vertices.filters[number], problem.vertices.channels[number]
        if each is not None:
            members = min(groups, layer.filters) * min(groups, layer.channels)
        elif own[0] != own[-1]:
            members = min(groups, layer.filters)
        else:
            continue
        heaviest = max(heaviest, problem.weights.work[number] / members)
    return heaviest


def seats(weights: np.ndarray, cap: np.ndarray) -> np.ndarray:
    """The part that a vertex must be in because it is too heavy for most: int64 [V], -1 for all others.

    The heaviest goes to the part with the largest limit, and so on. weights: [V]. cap: [parts], largest loads.
    """
    seat = np.full(len(weights), -1)
    heavy = np.flatnonzero(weights > cap.min() * (1 + SLACK))
    heavy = heavy[np.argsort(-weights[heavy], kind="stable")][: len(cap)]
    seat[heavy] = np.argsort(-cap, kind="stable")[: len(heavy)]
    return seat


def in_order(hypergraph: Hypergraph, limits: Limits) -> np.ndarray:
    """Parts filled one after the other with vertices in their order, none empty: int64 [V].

    Vertices that are too heavy for most parts get their `seats`; the others share the parts that are left.
    """
    part = seats(hypergraph.weights, limits.cap)
    free = np.setdiff1d(np.arange(limits.parts), part[part >= 0])
    if not len(free):
        free = np.arange(limits.parts)
    now, load, left = 0, 0.0, float(hypergraph.weights[part < 0].sum())
    for v in np.flatnonzero(part < 0).tolist():
        weight = hypergraph.weights[v]
        if now < len(free) - 1 and load + weight / 2 > left / (len(free) - now):
            left -= load
            now, load = now + 1, 0.0
        part[v] = free[now]
        load += weight
    return filled(hypergraph, part, limits.parts)
