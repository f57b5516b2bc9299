"""The hypergraphs of a network: coarse grain (a vertex is a filter) and fine grain (a vertex is one of its channels).

eserol-2019 sections 3.2 to 3.4. A map that is sent becomes a net: its pins are the vertex that makes it and all that
read it, its cost the values of the map for one sample. In the fine grain the sums of a filter become a vertex of their
own, and a second kind of net holds it together with the filter's channels: its cost is the partial sum that a part
sends which holds some of those channels. The input and each dense layer are one vertex unless asked otherwise.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from labkit.errors import LabError
from labkit.network import INPUT
from labkit.partition.hypergraph import Hypergraph
from labkit.partition.plan import MOST_PARTS, Plan, Slice
from labkit.partition.tasks import NOBODY, Join, Read, TaskLayer, Tasks, Tensor, check_size
from labkit.partition.weights import Weights

DENSE = ("layer", "neuron")
Groups = int | Mapping[str, np.ndarray] | None


@dataclass(frozen=True, eq=False)
class Vertices:
    """Which vertex every task of a network is.

    filters: per task layer int32 [K], the vertex of each filter (in the fine grain: of its sum). channels: per task
    layer int32 [K, C], the vertex of each channel of each filter, NOBODY where the filter does not read it; None where
    filters are not divided. count: number of vertices.
    """

    filters: tuple[np.ndarray, ...]
    channels: tuple[np.ndarray | None, ...]
    count: int


@dataclass(frozen=True, eq=False)
class NetworkHypergraph:
    """A network's hypergraph, and the way back from a partition vector to a Plan.

    grain: 'coarse' or 'fine'. rows: what travels, as (tensor or layer, 'maps', 'partial sums', ...); row_of_net:
    int32 [nets], the row that each net belongs to. dense, groups: as it was built, see `coarse` and `fine`.
    """

    tasks: Tasks
    grain: str
    weights: Weights
    vertices: Vertices
    hypergraph: Hypergraph
    rows: tuple[tuple[str, str], ...]
    row_of_net: np.ndarray
    dense: str = "layer"
    groups: Groups = None

    def grouped(self, groups: Groups) -> "NetworkHypergraph":
        """The same network, grain and weights with the filters of each layer in groups.

        Its partitions come back by way of the plan: `problem.vector(small.plan(part, parts))`, with the same cut.
        """
        return (coarse if self.grain == "coarse" else fine)(self.tasks, self.weights, self.dense, groups)

    def plan(self, part: np.ndarray, parts: int, method: str = "by hand", **made: object) -> Plan:
        """The plan that gives every task to the part of its vertex. part: [vertices], numbers below `parts`."""
        part = np.asarray(part)
        if part.shape != (self.vertices.count,):
            raise LabError(
                f"a partition vector of length {part.size} for the {self.grain} hypergraph of "
                f"{self.tasks.network.name}, which has {self.vertices.count} vertices",
                f"give {self.vertices.count} part numbers, one per vertex",
            )
        slices = []
        for layer, own, each in zip(self.tasks.layers, self.vertices.filters, self.vertices.channels, strict=True):
            split = None if each is None else np.where(each == NOBODY, NOBODY, part[each])
            slices.append(Slice(layer.name, part[own], split))
        return Plan(self.tasks.network, parts, tuple(slices), method, dict(made))

    def vector(self, plan: Plan) -> np.ndarray:
        """The part of each vertex under `plan`: int64 [vertices]; the inverse of `plan`.

        Raises LabError if the plan divides what is one vertex here (a dense layer, unless dense='neuron').
        """
        part = np.full(self.vertices.count, NOBODY, np.int64)
        for layer, own, each, piece in zip(
            self.tasks.layers, self.vertices.filters, self.vertices.channels, plan.slices, strict=True
        ):
            pairs = [(own, piece.owner)]
            if each is not None:
                pairs.append((each, piece.by_channel(layer.channels, layer.links)))
            elif piece.channels is not None:
                raise _divides(layer, self.grain)
            for vertex, owner in pairs:
                part[vertex[vertex != NOBODY]] = owner[vertex != NOBODY]
                if (part[vertex[vertex != NOBODY]] != owner[vertex != NOBODY]).any():
                    raise _divides(layer, self.grain)
        return part


def _divides(layer: TaskLayer, grain: str) -> LabError:
    return LabError(
        f"the plan divides what is one vertex of layer {layer.name!r} in the {grain} hypergraph",
        "build the hypergraph with dense='neuron', of the grain of the plan, and not in groups",
    )


def coarse(tasks: Tasks, weights: Weights, dense: str = "layer", groups: Groups = None) -> NetworkHypergraph:
    """Coarse grain: one vertex per filter (eserol-2019 section 3.4), so one net per map.

    dense: 'layer' makes each dense layer one vertex, as the thesis does, 'neuron' one vertex per neuron. groups: at
    most so many vertices per layer, each of neighbouring filters; or, by the layer's name, the group of each filter
    ([K], whole numbers; layers left out are one vertex); None for one vertex per filter.
    """
    number = _numbering(dense, groups)
    filters, count = [], 0
    for layer in tasks.layers:
        vertex = number(layer)
        filters.append((vertex + count).astype(np.int32))
        count += int(vertex.max()) + 1
    vertices = Vertices(tuple(filters), (None,) * len(filters), count)
    return _build(tasks, "coarse", weights, vertices, dense, groups)


def fine(tasks: Tasks, weights: Weights, dense: str = "layer", groups: Groups = None) -> NetworkHypergraph:
    """Fine grain: one vertex per channel of a filter, and one for its sum (eserol-2019 section 3.3).

    Vertices are numbered as in figure 3.3: input maps, then per convolution its channels (filter by filter) and its
    sums. A sum has no weight. groups: of the filters of a layer, as for `coarse`; channels fall into the groups of the
    maps that they read.
    """
    number = _numbering(dense, groups)
    whole_maps = _numbering("neuron", groups)
    filters, channels, count = [], [], 0
    for index, layer in enumerate(tasks.layers):
        own = whole_maps(layer) if layer.name == INPUT else number(layer)
        each = None
        if layer.fine:
            columns = np.unique(_makers(tasks, index, filters), return_inverse=True)[1]
            block = own[:, None] * (int(columns.max()) + 1) + columns[None, :]
            if layer.links is not None:
                block = np.where(layer.links, block, NOBODY)
                block[layer.links] = np.unique(block[layer.links], return_inverse=True)[1]
            each = np.where(block == NOBODY, NOBODY, block + count).astype(np.int32)
            count += int(block.max()) + 1
        filters.append((own + count).astype(np.int32))
        channels.append(each)
        count += int(own.max()) + 1
    return _build(tasks, "fine", weights, Vertices(tuple(filters), tuple(channels), count), dense, groups)


def _numbering(dense: str, groups: Groups) -> Callable[[TaskLayer], np.ndarray]:
    """Function: task layer -> which of the layer's vertices each filter is."""
    if dense not in DENSE:
        raise LabError(f"dense={dense!r}", "choose 'layer' or 'neuron'")
    named = isinstance(groups, Mapping)
    if groups is not None and not named and (not isinstance(groups, int) or groups < 1):
        raise LabError(f"groups={groups!r}", "give a whole number from 1 up, or None for one vertex per filter")

    def number(layer: TaskLayer) -> np.ndarray:
        one = dense == "layer" and layer.kind in ("input", "dense")
        if named and not one:
            return _group_of_each(layer, groups.get(layer.name))
        most = 1 if one else layer.filters if groups is None else min(groups, layer.filters)
        return np.arange(layer.filters) * most // layer.filters

    return number


def _group_of_each(layer: TaskLayer, given: np.ndarray | None) -> np.ndarray:
    """Groups of a layer's filters as they were given, numbered from 0 without gaps: int64 [K]; None is one group."""
    given = np.zeros(layer.filters, np.int64) if given is None else np.asarray(given)
    if given.shape != (layer.filters,):
        raise LabError(
            f"groups of layer {layer.name!r} of shape {given.shape}",
            f"give the group of each of {layer.filters} filters",
        )
    return np.unique(given, return_inverse=True)[1]


def _makers(tasks: Tasks, index: int, filters: list[np.ndarray]) -> np.ndarray:
    """For each input channel of layer `index` the vertex that makes the map: channels of one maker are one group."""
    layer = tasks.layers[index]
    makers = -1 - np.arange(layer.channels)  # a channel that nobody sends (zeros of a padded shortcut) is its own
    for tensor in tasks.tensors:
        for reader in tensor.readers:
            if isinstance(reader, Read) and reader.layer == index:
                maps = np.flatnonzero(reader.channel != NOBODY)
                made = [filters[tensor.layer[c]][tensor.filter[c]] for c in maps]
                makers[reader.channel[maps]] = made
    return makers


def _build(
    tasks: Tasks, grain: str, weights: Weights, vertices: Vertices, dense: str, groups: Groups
) -> NetworkHypergraph:
    """Nets of every tensor, then those of every layer whose filters are divided."""
    check_size(tasks, MOST_PARTS, "in a hypergraph")
    rows, row_of_net, pins, costs = [], [], [], []

    def add(row: tuple[str, str], nets: list[np.ndarray], cost: list[int]) -> None:
        row_of_net.append(np.full(len(nets), len(rows), np.int32))
        rows.append(row)
        pins.extend(nets)
        costs.extend(cost)

    for tensor in tasks.tensors:
        add((tensor.name, "maps"), *_map_nets(tensor, vertices, tasks))
    for layer, own, each in zip(tasks.layers, vertices.filters, vertices.channels, strict=True):
        if each is not None:
            add((layer.name, "partial sums"), *_sum_nets(layer, own, each))
    starts = np.concatenate(([0], np.cumsum([len(net) for net in pins])))
    hypergraph = Hypergraph(starts, np.concatenate(pins), np.array(costs, np.int64), _loads(weights, vertices))
    nets = np.concatenate(row_of_net)
    return NetworkHypergraph(tasks, grain, weights, vertices, hypergraph, tuple(rows), nets, dense, groups)


def _map_nets(tensor: Tensor, vertices: Vertices, tasks: Tasks) -> tuple[list[np.ndarray], list[int]]:
    """Pins and costs of a tensor's nets: maps with one maker and the same readers share a net."""
    own = np.array([vertices.filters[a][b] for a, b in zip(tensor.layer, tensor.filter, strict=True)])
    classes = [own] + [_classes(reader, tasks.layers[reader.layer], vertices) for reader in tensor.readers]
    _, first, same = np.unique(np.stack(classes), axis=1, return_index=True, return_inverse=True)
    cost = np.bincount(same.ravel(), tensor.elements).astype(np.int64)
    nets, costs, cache = [], [], {}
    for key in np.argsort(first):
        c = first[key]
        sets = [np.array([own[c]])]
        for r, reader in enumerate(tensor.readers):
            name = (r, classes[r + 1][c])
            if name not in cache:
                cache[name] = _readers(reader, c, vertices, tasks.layers[reader.layer])
            sets.append(cache[name])
        pins = np.unique(np.concatenate(sets))
        if len(pins) > 1:
            nets.append(pins.astype(np.int32))
            costs.append(int(cost[key]))
    return nets, costs


def _classes(reader: Read | Join, layer: TaskLayer, vertices: Vertices) -> np.ndarray:
    """One number per map such that maps with equal numbers have the same vertices as readers."""
    if isinstance(reader, Join):
        reading = vertices.filters[reader.layer][reader.filters]
        return _same(reading[a:b] for a, b in pairwise(reader.starts))
    each = vertices.channels[reader.layer]
    if each is None and layer.links is None:
        return np.where(reader.channel == NOBODY, NOBODY, 0)
    columns = each if each is not None else layer.links
    return np.where(reader.channel == NOBODY, NOBODY, _same(columns.T)[reader.channel])


def _same(rows: Iterable[np.ndarray]) -> np.ndarray:
    """One number per row such that rows with equal numbers are equal: int64 [rows]."""
    number: dict[bytes, int] = {}
    return np.array([number.setdefault(row.tobytes(), len(number)) for row in rows], np.int64)


def _readers(reader: Read | Join, c: int, vertices: Vertices, layer: TaskLayer) -> np.ndarray:
    """Vertices that read map c."""
    own, each = vertices.filters[reader.layer], vertices.channels[reader.layer]
    if isinstance(reader, Join):
        return np.unique(own[reader.filters[reader.starts[c] : reader.starts[c + 1]]])
    channel = reader.channel[c]
    if channel == NOBODY:
        return own[:0]
    if each is not None:
        return np.unique(each[each[:, channel] != NOBODY, channel])
    return np.unique(own if layer.links is None else own[layer.links[:, channel]])


def _sum_nets(layer: TaskLayer, own: np.ndarray, each: np.ndarray) -> tuple[list[np.ndarray], list[int]]:
    """Nets that hold a sum together with the channels added up in it; filters with the same pins share a net."""
    same = _same(np.column_stack([own, each]))
    first, filters = np.unique(same, return_index=True, return_counts=True)[1:]
    nets, costs = [], []
    for f, count in zip(first, filters, strict=True):
        row = each[f]
        pins = np.append(np.unique(row[row != NOBODY]), own[f])
        if len(pins) > 1:
            nets.append(pins.astype(np.int32))
            costs.append(int(count) * layer.partial_elements)
    return nets, costs


def _loads(weights: Weights, vertices: Vertices) -> np.ndarray:
    """Work of each vertex: float64 [vertices]."""
    load = np.zeros(vertices.count)
    for work, own, each in zip(weights.work, vertices.filters, vertices.channels, strict=True):
        members = own if each is None else each[each != NOBODY]
        load += np.bincount(members, minlength=vertices.count) * (work / len(members))
    return load
