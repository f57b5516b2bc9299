"""Who reads the maps of a tensor, between the vertices of a coarse hypergraph.

Almost always every filter of a layer reads a map, or one filter does: the partner that adds it to its own in a residual
block, or the filter of a depthwise convolution. In between stand grouped convolutions and chosen connections, where
several maps have the same few readers: a *pattern*.
"""

from dataclasses import dataclass

import numpy as np

from labkit.partition.grains import NetworkHypergraph
from labkit.partition.tasks import Join, Read, Tensor

NOBODY = -1
MOST_PATTERNS = 32  # a layer with more kinds of readers is treated as if all of it read every map


@dataclass(frozen=True, eq=False)
class Readers:
    """The vertices of one layer that read maps of a tensor.

    vertices: int [n], those of the layer. pattern: int [maps], which of the patterns reads each map, NOBODY if none
    does. reads: bool [patterns, n], the vertices of each pattern. partner: int [maps], the one vertex that reads each
    map, NOBODY if none does; then every vertex reads the maps of one maker at most, and there are no patterns.
    """

    vertices: np.ndarray
    pattern: np.ndarray
    reads: np.ndarray
    partner: np.ndarray | None = None


def makers(problem: NetworkHypergraph, tensor: Tensor) -> np.ndarray:
    """The vertex that makes each map: int [maps]."""
    made = np.empty(len(tensor.layer), np.int64)
    for number in np.unique(tensor.layer):
        here = tensor.layer == number
        made[here] = problem.vertices.filters[number][tensor.filter[here]]
    return made


def readers(problem: NetworkHypergraph, tensor: Tensor, maker: np.ndarray) -> list[Readers]:
    """The readers of a tensor, but for the owners of neighbouring maps, see `halo`."""
    found = []
    for reader in tensor.readers:
        layer = problem.tasks.layers[reader.layer]
        vertices, row = np.unique(problem.vertices.filters[reader.layer], return_inverse=True)
        if isinstance(reader, Join) and reader.what == "halo":
            continue
        if isinstance(reader, Read) and (layer.links is None or len(vertices) == 1):
            found.append(_all(vertices, reader.channel != NOBODY))
        else:
            found.append(_some(vertices, _wanted(reader, layer.links, row, len(vertices)), maker))
    return found


def halo(tensor: Tensor) -> dict[int, int]:
    """Layer -> values that cross each border between neighbouring maps (local response normalisation).

    Where the maps of a layer are read by the owners of the maps beside them, `reach` maps on each side of a border go
    over it; a part that owns a run of the maps has one border more.
    """
    crossing = {}
    for reader in tensor.readers:
        if isinstance(reader, Join) and reader.what == "halo" and (tensor.layer == reader.layer).all():
            crossing[reader.layer] = int((np.diff(reader.starts).max() - 1) * tensor.elements.max())
    return crossing


def _wanted(reader: Read | Join, links: np.ndarray | None, row: np.ndarray, count: int) -> np.ndarray:
    """Which vertices read each map: bool [maps, vertices]. row: the vertex of each filter."""
    if isinstance(reader, Join):
        wanted = np.zeros((len(reader.starts) - 1, count), bool)
        wanted[np.repeat(np.arange(len(wanted)), np.diff(reader.starts)), row[reader.filters]] = True
        return wanted
    wanted = np.zeros((len(reader.channel), count), bool)
    maps = np.flatnonzero(reader.channel != NOBODY)
    filters, at = np.nonzero(links[:, reader.channel[maps]])
    wanted[maps[at], row[filters]] = True
    return wanted


def _all(vertices: np.ndarray, read: np.ndarray) -> Readers:
    return Readers(vertices, np.where(read, 0, NOBODY), np.ones((1, len(vertices)), bool))


def _some(vertices: np.ndarray, wanted: np.ndarray, maker: np.ndarray) -> Readers:
    """Partners if each map has one reader and each reader one maker; else patterns; else all."""
    read = wanted.any(1)
    partner = np.where(read, vertices[wanted.argmax(1)], NOBODY)
    if (wanted.sum(1) <= 1).all() and _one_to_one(maker[read], partner[read]):
        return Readers(vertices, np.full(len(read), NOBODY), np.zeros((0, len(vertices)), bool), partner)
    patterns, of_map = np.unique(wanted[read], axis=0, return_inverse=True)
    if len(patterns) > MOST_PATTERNS:
        return _all(vertices, read)
    pattern = np.full(len(read), NOBODY)
    pattern[read] = of_map.ravel()
    return Readers(vertices, pattern, patterns)


def _one_to_one(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether each number in `a` always stands beside the same number in `b`, and the other way round."""
    pairs = np.unique(np.stack([a, b]), axis=1)
    return len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]
