"""What the search starts from: the problem in several numbers of groups, and the best coarse plan."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labkit.partition.engines import counts
from labkit.partition.engines.grouping import in_groups, in_order
from labkit.partition.grains import NetworkHypergraph, coarse
from labkit.partition.hypergraph import Hypergraph, contract
from labkit.partition.limits import Limits

LADDER = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 32, 48, 64)  # groups per layer that are tried
MOST, ROOM = 8, 2  # how many of them, and the groups that a part must have room for
HEATS = (0.1, 0.5, 2.0, 5.0)  # first temperatures from parts in the network's order, in average costs of a net
MILD = (0.02, 0.1, 0.5)  # from a plan that is good already
PIECES = 6  # groups of a layer of the coarse plan, about


@dataclass(frozen=True, eq=False)
class Start:
    """A problem in groups, its hypergraph with equal nets as one, the part of each vertex, first temperatures."""

    small: NetworkHypergraph
    hypergraph: Hypergraph
    part: np.ndarray
    heats: tuple[float, ...]


def starts(problem: NetworkHypergraph, limits: Limits, seed: int, report: Callable[[], None]) -> list[Start]:
    """The problem in groups of several sizes, filled in order, and a good coarse plan. report: called now and then."""
    found = []
    for small in in_groups(problem, limits, LADDER, MOST, ROOM):
        report()
        hypergraph = slim(small)
        found.append(Start(small, hypergraph, in_order(hypergraph, limits), HEATS))
    if problem.groups is None and problem.grain == "fine":
        plain = from_coarse(problem, limits, seed, report)
        found += [plain] if plain is not None else []
    return found


def slim(small: NetworkHypergraph) -> Hypergraph:
    """The hypergraph of a problem with nets of the same pins as one."""
    return contract(small.hypergraph, np.arange(small.vertices.count))


def from_coarse(problem: NetworkHypergraph, limits: Limits, seed: int, report: Callable[[], None]) -> Start | None:
    """A good coarse plan as a start for the fine grain; None where there are fewer whole filters than parts.

    Its groups end where its parts do, so that the search may take it apart, or leave it as it is.
    """
    whole = coarse(problem.tasks, problem.weights, problem.dense)
    if (whole.hypergraph.weights > 0).sum() < limits.parts:
        return None
    plan = whole.plan(counts.ENGINE(whole, limits, seed, lambda done, what: report()), limits.parts)
    layers = zip(plan.tasks.layers, plan.slices, strict=True)
    small = problem.grouped({layer.name: divided(piece.owner, PIECES) for layer, piece in layers})
    return Start(small, slim(small), small.vector(plan), MILD)


def divided(group: np.ndarray, pieces: int) -> np.ndarray:
    """Each group of filters ([K], any numbers) in so many pieces that there are about `pieces` in all: int64 [K]."""
    _, group, size = np.unique(group, return_inverse=True, return_counts=True)
    each = np.clip(np.rint(size / len(group) * pieces), 1, size).astype(np.int64)
    order = np.argsort(group, kind="stable")
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - np.repeat(np.cumsum(size) - size, size)
    return group * (pieces + len(group)) + rank * each[group] // size[group]


def finer(start: Start, part: np.ndarray, parts: int) -> Start:
    """The same cut, with about twice as many groups."""
    own = zip(start.small.tasks.layers, start.small.vertices.filters, strict=True)
    small = start.small.grouped({layer.name: divided(group, 2 * len(np.unique(group))) for layer, group in own})
    return Start(small, slim(small), small.vector(start.small.plan(part, parts)), (0.05, 0.02))
