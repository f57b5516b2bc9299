"""The graph of a network, and what cutting edges there would say about communication: too much.

eserol-2019 section 3.1 (figure 3.1) draws a network as a multistage graph: a vertex is a feature map, in the stage of
its layer, and an edge is a task: one channel of one filter, from the map that it reads to the map that it is summed
into. A graph partitioner charges for every edge between two parts. The hypergraph of section 3.2 exists because that
charge is not the communication; `edge_cut` puts the two beside each other.
"""

from dataclasses import dataclass

import numpy as np

from labkit.network.sizes import check_batch
from labkit.partition.plan import NOBODY, Plan
from labkit.partition.tasks import Join, Read, TaskLayer, Tasks, Tensor
from labkit.partition.volume import owners, volume


@dataclass(frozen=True, eq=False)
class StageGraph:
    """Maps and the tasks between them, as arrays.

    vertices: per task layer int32 [filters], the vertex of the map that each filter makes, with what its owner makes
    of it (activation, pooling, a residual sum). A dense layer is one vertex, as in the hypergraph. stage: int32
    [vertices], the layer of each. source, target: int32 [edges]. elements: int64 [edges], values per sample of the
    map that the edge carries. In a chain every edge leads from one stage to the next; residual and inception networks
    have edges that pass over stages, so for them the name does not quite fit.
    """

    vertices: tuple[np.ndarray, ...]
    stage: np.ndarray
    source: np.ndarray
    target: np.ndarray
    elements: np.ndarray


def stage_graph(tasks: Tasks) -> StageGraph:
    """The graph of a network: an edge from every map to each task that reads it."""
    vertices, stage = [], []
    for number, layer in enumerate(tasks.layers):
        own = np.zeros(layer.filters, np.int32) if layer.kind == "dense" else np.arange(layer.filters, dtype=np.int32)
        vertices.append(own + np.int32(len(stage)))
        stage += [number] * (int(own[-1]) + 1)
    found = []
    for tensor in tasks.tensors:
        made_by = np.array([vertices[a][f] for a, f in zip(tensor.layer, tensor.filter, strict=True)])
        for reader in tensor.readers:
            maps, filters, _ = _edges(tasks.layers[reader.layer], reader)
            maps, ends = _once(maps, vertices[reader.layer][filters])
            other = made_by[maps] != ends  # normalisation reads its own map: that is no edge
            found.append((made_by[maps][other], ends[other], tensor.elements[maps][other]))
    source, target, elements = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    kinds = np.int32, np.int32, np.int32, np.int64
    arrays = (np.asarray(a, kind) for a, kind in zip((stage, source, target, elements), kinds, strict=True))
    return StageGraph(tuple(vertices), *arrays)


def _edges(layer: TaskLayer, reader: Read | Join) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(map of the tensor, filter of `layer` that reads it, its input channel) of each edge of a reader.

    The channel is NOBODY for a join. A dense layer that reads all its inputs stands for one filter, number 0.
    """
    if isinstance(reader, Join):
        maps = np.repeat(np.arange(len(reader.starts) - 1), np.diff(reader.starts))
        return maps, reader.filters, np.full(len(maps), NOBODY)
    maps = np.flatnonzero(reader.channel != NOBODY)
    if layer.kind == "dense":
        return maps, np.zeros(len(maps), np.int64), reader.channel[maps]
    links = np.ones((layer.filters, layer.channels), bool) if layer.links is None else layer.links
    filters, at = np.nonzero(links[:, reader.channel[maps]])
    return maps[at], filters, reader.channel[maps[at]]


def _once(maps: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each pair (map, end) once, sorted."""
    most = int(ends.max(initial=0)) + 1
    keys = np.sort(maps * most + ends)  # np.unique hashes, which takes ten times as long
    return np.divmod(keys[np.diff(keys, prepend=-1) > 0], most)


@dataclass(frozen=True)
class Overcount:
    """One row of an `EdgeCut`: what a tensor, or a layer's partial sums, would cost by edges, and what they do cost.

    name, what: as in `volume.Traffic`. charged: elements of all edges that are cut. sent: elements that travel.
    """

    name: str
    what: str
    charged: int
    sent: int

    @property
    def factor(self) -> float:
        """How many times too much the edges say; 1 where nothing travels, since then no edge is cut either."""
        return self.charged / self.sent if self.sent else 1.0


@dataclass(frozen=True)
class EdgeCut:
    """The edge cut of a plan beside its volume, in elements of a forward pass of `batch` samples."""

    batch: int
    rows: tuple[Overcount, ...]

    @property
    def charged(self) -> int:
        return sum(row.charged for row in self.rows)

    @property
    def sent(self) -> int:
        return sum(row.sent for row in self.rows)

    @property
    def factor(self) -> float:
        """How many times too much the edges say of the whole plan."""
        return self.charged / self.sent if self.sent else 1.0


def edge_cut(plan: Plan, batch: int = 32) -> EdgeCut:
    """What a graph partitioner would think that a plan communicates, and what it does.

    An edge costs its map once if the task is not computed by the map's owner. In the fine grain a task may lie in
    neither part of its two maps; then it costs the map, and its partial sum as well. What is wrong with that: a map is
    sent to a *part* once, however many tasks read it there, and a part adds up its channels of a filter before it sends
    one sum. The edge count charges for every task. So a map that 64 filters of one other part read is charged 64 times
    and sent once; the factor of a row is the mean number of readers of a map in a part that it is sent to. It is right
    only where that is 1. Nor is the error the same for all plans: of two plans the one with fewer cut edges may send
    more, which is why no scaling of the costs mends it.

    A dense layer is one task in each part that holds neurons of it, as it is one vertex of the hypergraph (counted by
    neurons the factor would be in the thousands). Raises LabError for a bad batch.
    """
    check_batch(batch)
    tensors = {tensor.name: tensor for tensor in plan.tasks.tensors}
    rows = []
    for row in volume(plan, batch).rows:
        charged = _of_maps(plan, tensors[row.name]) if row.what == "maps" else _of_sums(plan, row.name)
        rows.append(Overcount(row.name, row.what, charged * batch, row.elements))
    return EdgeCut(batch, tuple(rows))


def _of_maps(plan: Plan, tensor: Tensor) -> int:
    """Elements per sample of the cut edges out of a tensor's maps."""
    charged, owner = 0, owners(plan, tensor)
    for reader in tensor.readers:
        maps, part = _tasks_of(plan, reader)
        charged += int(tensor.elements[maps][part != owner[maps]].sum())
    return charged


def _tasks_of(plan: Plan, reader: Read | Join) -> tuple[np.ndarray, np.ndarray]:
    """(map, part that computes it) of every task of a reader; neurons of a dense layer in one part are one task."""
    piece, layer = plan.slices[reader.layer], plan.tasks.layers[reader.layer]
    maps, filters, channels = _edges(layer, reader)
    if isinstance(reader, Join):
        if layer.kind == "dense":
            return _once(maps, piece.owner[filters])
        maps, filters = _once(maps, filters)
        return maps, piece.owner[filters]
    if layer.kind == "dense":
        holders = np.unique(piece.owner)
        return np.repeat(maps, len(holders)), np.tile(holders, len(maps))
    return maps, piece.owner[filters] if piece.channels is None else piece.channels[filters, channels]


def _of_sums(plan: Plan, name: str) -> int:
    """Elements per sample of the partial sums, if each channel outside the owner's part sent its own."""
    piece, layer = plan[name], plan.tasks.layers[plan.tasks.number(name)]
    away = (piece.channels != NOBODY) & (piece.channels != piece.owner[:, None])
    return int(away.sum()) * layer.partial_elements
