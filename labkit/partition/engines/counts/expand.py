"""From counts back to filters: which unit of each class goes to which part, so that partners lie together."""

import numpy as np

from labkit.partition.engines.counts.model import CountModel


def expand(model: CountModel, counts: np.ndarray, vertices: int) -> np.ndarray:
    """The part of every vertex, int64 [vertices], for a table of counts, int64 [classes, parts].

    The parts take the units of a class as consecutive runs in the order of their numbers, so that neighbouring maps
    lie together. A class that is paired with one that is laid out already follows it instead: as many of its units as
    the counts allow go where their partners are.
    """
    placed: dict[int, np.ndarray] = {}
    for one in range(len(model.members)):
        if one not in placed:
            placed[one] = np.repeat(np.arange(counts.shape[1]), counts[one])
            _follow(model, counts, one, placed)
    part = np.empty(vertices, np.int64)
    for one, members in enumerate(model.members):
        part[members] = placed[one]
    return part


def _follow(model: CountModel, counts: np.ndarray, root: int, placed: dict[int, np.ndarray]) -> None:
    """Lay out all classes that are tied to `root` by pairings, each after its neighbour."""
    waiting = [root]
    while waiting:
        leader = waiting.pop()
        for pairing in model.pairings:
            if pairing.first == leader and pairing.second not in placed:
                follower, wished = pairing.second, np.empty_like(placed[leader])
                wished[pairing.match] = placed[leader]
            elif pairing.second == leader and pairing.first not in placed:
                follower, wished = pairing.first, placed[leader][pairing.match]
            else:
                continue
            placed[follower] = _granted(wished, counts[follower])
            waiting.append(follower)


def _granted(wished: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The parts of a class's units, int [n], with counts[k] in part k, as many as possible where they wish to be."""
    order = np.argsort(wished, kind="stable")
    rank = np.empty(len(wished), np.int64)  # how many before it wish for the same part
    starts = np.concatenate(([0], np.cumsum(np.bincount(wished, minlength=len(counts)))))
    rank[order] = np.arange(len(wished)) - starts[wished[order]]
    content = rank < counts[wished]
    part = np.where(content, wished, -1)
    left = counts - np.bincount(wished[content], minlength=len(counts))
    part[~content] = np.repeat(np.arange(len(counts)), left)
    return part
