"""The coarse hypergraph of a network as counts: how many filters of each class lie in each part.

Filters that are read by the same filters, and read the same maps, are interchangeable: they form a *class*, mostly a
whole layer. A plan is then a table x[class, part] of counts. The maps of one class that have the same readers form a
*bundle*, and with n units in the class, each making c values, the bundle costs

    c * (sum over the parts of g(part) - n),      g = n where the part reads the bundle,
                                                  g = max(x[maker, part], x[partner, part], ...) where it does not,

which is connectivity minus one, times cost, summed over the nets of the bundle. A *partner* is a class whose unit i
reads map i and nothing else of the bundle, as in a residual addition; `expand.py` makes partners lie together wherever
the counts allow, so the formula is exact for every table as long as the partnerships of the classes form a forest.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from labkit.partition.engines.counts.readers import NOBODY, Readers, halo, makers, readers
from labkit.partition.grains import NetworkHypergraph

MAKES, READS, JOINS = 0, 1, 2  # what a class has to do with a bundle: it makes it, reads all of it, is a partner


class Arrays(NamedTuple):
    """The model as flat arrays, for compiled loops. L classes, B bundles.

    units: int64 [L], tasks in each class. work: float64 [L], of one unit. spread: float64 [L], values sent for each
    part beyond the first that holds the class (normalisation over neighbouring maps). maker: int64 [B]. cost: float64
    [B], values per unit and sample. first_partner: int64 [B + 1] and partners: the partners of bundle b are
    partners[first_partner[b]:first_partner[b + 1]]; first_reader and readers in the same way. first_tie: int64
    [L + 1], ties and roles: the bundles that class l has to do with, and in which role.
    """

    units: np.ndarray
    work: np.ndarray
    spread: np.ndarray
    maker: np.ndarray
    cost: np.ndarray
    first_partner: np.ndarray
    partners: np.ndarray
    first_reader: np.ndarray
    readers: np.ndarray
    first_tie: np.ndarray
    ties: np.ndarray
    roles: np.ndarray


@dataclass(frozen=True, eq=False)
class Bundle:
    """Maps of one class with the same readers: `cost` values per unit, read by classes `readers`, and by `partners`."""

    maker: int
    cost: float
    readers: tuple[int, ...]
    partners: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Pairing:
    """Unit i of class `first` belongs together with unit match[i] of class `second`."""

    first: int
    second: int
    match: np.ndarray


@dataclass(frozen=True, eq=False)
class CountModel:
    """A coarse hypergraph as classes of interchangeable vertices.

    members: per class its vertices, rising. bundles: what is sent. pairings: which units partners should keep together.
    arrays: the same for compiled loops.
    """

    members: tuple[np.ndarray, ...]
    bundles: tuple[Bundle, ...]
    pairings: tuple[Pairing, ...]
    arrays: Arrays


def count_model(problem: NetworkHypergraph) -> CountModel:
    """Classes, bundles and partnerships of a coarse hypergraph.

    Exact for chains, residual and inception networks and convolutions in a few groups. Only an estimate are: local
    response normalisation (right if parts own long runs of maps), layers with more than 32 kinds of connections (as if
    all were connected), and vertices of one layer of unequal size (as if they were equal). What is made of the model is
    therefore measured again on the plan.
    """
    tensors = problem.tasks.tensors
    made = [makers(problem, tensor) for tensor in tensors]
    read = [readers(problem, tensor, maker) for tensor, maker in zip(tensors, made, strict=True)]
    label = _classes(problem, made, read)
    count = int(label.max()) + 1
    members = tuple(np.split(np.argsort(label, kind="stable"), np.cumsum(np.bincount(label))[:-1]))
    bundles: dict[tuple, float] = {}
    pairings: dict[tuple, np.ndarray] = {}
    for tensor, maker, found in zip(tensors, made, read, strict=True):
        _add_bundles(tensor.elements, maker, found, label, members, bundles, pairings)
    listed = tuple(Bundle(maker, cost, reads, partners) for (maker, reads, partners), cost in bundles.items())
    spread = np.zeros(count)
    for tensor in tensors:
        for number, values in halo(tensor).items():
            spread[np.unique(label[problem.vertices.filters[number]])] += values
    work = np.bincount(label, problem.hypergraph.weights) / np.bincount(label)
    paired = tuple(Pairing(first, second, match) for (first, second), match in pairings.items())
    return CountModel(members, listed, paired, _arrays(members, work, spread, listed))


def _classes(problem: NetworkHypergraph, made: list[np.ndarray], read: list[list[Readers]]) -> np.ndarray:
    """The class of every vertex: layers, divided until all units of a class have the same readers and read the same."""
    label = np.empty(problem.vertices.count, np.int64)
    for number, own in enumerate(problem.vertices.filters):
        label[own] = number
    tied = []
    for maker, found in zip(made, read, strict=True):
        for readers_ in found:
            if readers_.partner is None:
                label = _divide(label, maker, readers_.pattern)
                label = _divide(label, readers_.vertices, np.unique(readers_.reads, axis=1, return_inverse=True)[1])
            else:
                tied.append((maker[readers_.partner != NOBODY], readers_.partner[readers_.partner != NOBODY]))
    before = 0
    while before < label.max():
        before = label.max()
        for a, b in tied:
            label = _divide(label, a, label[b])
            label = _divide(label, b, label[a])
    return label


def _divide(label: np.ndarray, vertices: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Labels in which vertices of one label but different colours have different ones; the order of labels stays."""
    colours = np.full(len(label), NOBODY, np.int64)
    colours[vertices[::-1]] = colour.ravel()[::-1]  # of several maps of one vertex the first counts
    if (colours == colours[0]).all():
        return label
    return np.unique(label * (int(colours.max()) + 2) + colours + 1, return_inverse=True)[1]


def _add_bundles(elements, maker, found: list[Readers], label, members, bundles: dict, pairings: dict) -> None:
    """Add the bundles of one tensor to `bundles` (equal ones become one), and its partnerships to `pairings`."""
    of_reader = [
        r.pattern if r.partner is None else np.where(r.partner < 0, r.partner, label[r.partner]) for r in found
    ]
    _, first, same = np.unique(np.stack([label[maker], *of_reader]), axis=1, return_index=True, return_inverse=True)
    values = np.bincount(same.ravel(), elements)
    for number in np.argsort(first):
        c = first[number]
        own = int(label[maker[c]])
        reads, partners = set(), []
        for reader, kind in zip(found, of_reader, strict=True):
            if kind[c] == NOBODY:
                continue
            if reader.partner is None:
                reads |= set(label[reader.vertices[reader.reads[kind[c]]]].tolist())
            elif kind[c] != own:
                maps = np.flatnonzero(same.ravel() == number)
                _pair(own, int(kind[c]), maker[maps], reader.partner[maps], members, pairings)
                partners.append(int(kind[c]))
        key = own, tuple(sorted(reads)), tuple(dict.fromkeys(p for p in partners if p not in reads))
        if any(key[1:]) and reads != {own}:
            bundles[key] = bundles.get(key, 0.0) + float(values[number]) / len(members[own])


def _pair(own: int, other: int, maker, partner, members, pairings: dict) -> None:
    """Note which unit of class `other` belongs to each unit of class `own`, unless the two are paired already."""
    if (own, other) in pairings or (other, own) in pairings:
        return
    match = np.empty(len(members[own]), np.int64)
    match[np.searchsorted(members[own], maker)] = np.searchsorted(members[other], partner)
    pairings[own, other] = match


def _arrays(members, work: np.ndarray, spread: np.ndarray, bundles: tuple[Bundle, ...]) -> Arrays:
    ties: list[list[tuple[int, int]]] = [[] for _ in members]
    for number, bundle in enumerate(bundles):
        for role, classes in ((MAKES, (bundle.maker,)), (READS, bundle.readers), (JOINS, bundle.partners)):
            for one in classes:
                ties[one].append((number, role))
    flat = [tie for row in ties for tie in row]
    return Arrays(
        np.array([len(m) for m in members], np.int64),
        work,
        spread,
        np.array([b.maker for b in bundles], np.int64),
        np.array([b.cost for b in bundles], np.float64),
        _starts([b.partners for b in bundles]),
        np.array([p for b in bundles for p in b.partners], np.int64),
        _starts([b.readers for b in bundles]),
        np.array([r for b in bundles for r in b.readers], np.int64),
        _starts(ties),
        np.array([bundle for bundle, _ in flat], np.int64),
        np.array([role for _, role in flat], np.int64),
    )


def _starts(rows: list) -> np.ndarray:
    return np.concatenate(([0], np.cumsum([len(row) for row in rows]))).astype(np.int64)
