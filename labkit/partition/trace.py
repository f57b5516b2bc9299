"""From a network to its tasks: a walk that follows every feature map from the filter that makes it to its readers.

The rule of eserol-2019 section 3.4 is that the owner of a filter also does what follows it map by map, pooling above
all, before the map is sent: less travels. At a branch the map itself is sent, once per part, and each reader does the
rest (the pool of an inception module), because another copy would travel otherwise. Layers that have weights, or draw
random numbers, always stay with the owner.
"""

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from math import prod

import numpy as np

from labkit.network import INPUT, LRN, Add, Concat, Conv, Dense, Dropout, Flatten, Network, Node, PadShortcut, Softmax
from labkit.partition.tasks import NOBODY, Home, Join, Read, TaskLayer, Tasks, Tensor, overlaps


@dataclass(frozen=True, eq=False)
class _Maps:
    """What is known of each map of a node; all arrays are [maps].

    layer, filter: the task whose owner makes it. values: how many it has for one sample. learns: whether it depends on
    weights. tensor, at: where a copy can be had (NOBODY: it is all zeros, which nobody needs to send). fresh: whether
    it is that copy itself, or has to be computed from it by the reader.
    """

    layer: np.ndarray
    filter: np.ndarray
    values: np.ndarray
    learns: np.ndarray
    tensor: np.ndarray
    at: np.ndarray
    fresh: np.ndarray

    def __len__(self) -> int:
        return len(self.layer)


@lru_cache(maxsize=32)
def tasks_of(network: Network) -> Tasks:
    """Task layers and tensors of a network: chains, residual blocks, inception modules, groups, chosen connections."""
    walk = _Walk(network)
    for node in network.nodes:
        walk.visit(node)
    walk.gather(network.output)
    return walk.finish()


class _Walk:
    """The state of the walk: task layers, tensors and their readers so far, and the maps of every node."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.layers: list[TaskLayer] = []
        self.tensors: list[Tensor] = []
        self.readers: list[list[Read | Join]] = []
        self.maps: dict[str, _Maps] = {}
        first = network.input_shape[0]
        self.layers.append(TaskLayer(INPUT, "input", first, 0, None, 0, 0))
        self.maps[INPUT] = self._made(INPUT, 0, first)

    def visit(self, node: Node) -> None:
        inputs = [self._seen(name) for name in node.inputs]
        kind = type(node.layer)
        if kind in (Conv, Dense):
            maps = self._filters(node, inputs[0])
        elif kind is Add:
            maps = self._add(node, inputs)
        elif kind is Concat:
            maps = _joined(inputs)
        elif kind is Flatten:
            maps = inputs[0]  # no value moves: a map of 7 x 7 is 49 features
        elif kind is LRN:
            maps = self._normalised(node, inputs[0])
        elif kind is Softmax:
            maps = self._at_one(node, inputs[0])
        elif kind is PadShortcut:
            maps = self._padded(node, inputs[0])
        else:
            maps = self._each(node, inputs[0])
        self.maps[node.name] = maps

    def _seen(self, name: str) -> _Maps:
        """Maps of a node as one of its readers sees them: where others read them too, they must stay as they are."""
        maps = self.maps[name]
        alone = len(self.network.consumers(name)) == 1
        return maps if alone else replace(maps, fresh=np.zeros(len(maps), bool))

    def _filters(self, node: Node, source: _Maps) -> _Maps:
        """A convolution or a dense layer: a new task layer that reads every map, and the maps that it makes."""
        number, layer = len(self.layers), node.layer
        K = layer.K
        shape = self.network.shape(node.name)
        macs = layer.macs(*self.network.input_shapes(node))
        self.layers.append(
            TaskLayer(node.name, layer.kind, K, len(source), _links(layer, len(source)), macs, prod(shape) // K)
        )
        for tensor, channel in _by_tensor(source, len(self.tensors), self._sizes()):
            self.readers[tensor].append(Read(number, channel))
        return self._made(node.name, number, K)

    def _made(self, name: str, number: int, filters: int) -> _Maps:
        layer, filter_ = np.full(filters, number, np.int32), np.arange(filters, dtype=np.int32)
        values = np.full(filters, prod(self.network.shape(name)) // filters)
        return self._tensor(name, layer, filter_, values, np.full(filters, name != INPUT))

    def _tensor(
        self, name: str, layer: np.ndarray, filter_: np.ndarray, values: np.ndarray, learns: np.ndarray
    ) -> _Maps:
        """A new tensor with the output of node `name`, made by the given tasks."""
        self.tensors.append(Tensor(name, layer, filter_, values, (), learns))
        self.readers.append([])
        here = np.full(len(layer), len(self.tensors) - 1, np.int32)
        at, fresh = np.arange(len(layer), dtype=np.int32), np.ones(len(layer), bool)
        return _Maps(layer, filter_, values, learns, here, at, fresh)

    def _values(self, name: str, source: _Maps) -> np.ndarray:
        """Values of each map of a node that makes one of every map of `source`: a vector stays in the same pieces."""
        shape = self.network.shape(name)
        return source.values if len(shape) == 1 else np.full(len(source), prod(shape[1:]))

    def _learns(self, name: str) -> bool:
        if name == INPUT:
            return False
        node = self.network[name]
        has_weights = bool(node.layer.weights(*self.network.input_shapes(node)))
        return has_weights or self.network.needs_input_gradient(name)

    def _each(self, node: Node, source: _Maps) -> _Maps:
        """A layer that works map by map: by the owner where it may, else by each reader."""
        has_weights = bool(node.layer.weights(*self.network.input_shapes(node)))
        owned = np.ones(len(source), bool) if has_weights or isinstance(node.layer, Dropout) else source.fresh
        values, learns = self._values(node.name, source), source.learns | has_weights
        if not owned.any():
            return replace(source, values=values)
        done = self._tensor(node.name, source.layer, source.filter, values, learns)
        tensor, at = np.where(owned, done.tensor, source.tensor), np.where(owned, done.at, source.at)
        return replace(done, tensor=tensor, at=at, fresh=owned)

    def _padded(self, node: Node, source: _Maps) -> _Maps:
        """The first maps are computed from those of the source, the others are zeros, which are never sent."""
        K, C = node.layer.K, len(source)
        index = np.arange(K) % C
        zeros = np.arange(K) >= C
        longer = _Maps(
            source.layer[index],
            source.filter[index],
            source.values[index],
            source.learns[index] & ~zeros,
            np.where(zeros, NOBODY, source.tensor[index]),
            np.where(zeros, NOBODY, source.at[index]),
            source.fresh[index] & ~zeros,
        )
        return self._each(node, longer)

    def _add(self, node: Node, inputs: list[_Maps]) -> _Maps:
        """The owners of the input that is made last add the others to it."""
        home = max(inputs, key=lambda maps: (int(maps.layer.min()), bool((maps.tensor != NOBODY).all())))
        learns = home.learns.copy()
        for other in inputs:
            if other is not home:
                self._join(other, overlaps(other.values, home.values), home, "add")
                learns |= [other.learns[pieces].any() for pieces in overlaps(home.values, other.values)]
        return self._tensor(node.name, home.layer, home.filter, home.values, learns)

    def _normalised(self, node: Node, source: _Maps) -> _Maps:
        """The owner of each map reads the maps beside it."""
        reach, n = node.layer.size // 2, len(source)
        windows = [np.arange(max(0, c - reach), min(n, c + reach + 1)) for c in range(n)]
        self._join(source, windows, source, "halo")
        learns = np.array([source.learns[window].any() for window in windows])
        return self._tensor(node.name, source.layer, source.filter, source.values, learns)

    def _at_one(self, node: Node, source: _Maps) -> _Maps:
        """The owner of the first value computes all of them."""
        self._join(source, [np.array([0])] * len(source), source, "gather")
        home = (np.full(len(source), a[0], np.int32) for a in (source.layer, source.filter))
        return self._tensor(node.name, *home, source.values, np.full(len(source), source.learns.any()))

    def gather(self, name: str) -> None:
        """The loss needs the whole output in one place: that of its first value."""
        source = self.maps[name]
        if len(np.unique(source.layer)) > 1 or len(np.unique(source.filter)) > 1:
            self._join(source, [np.array([0])] * len(source), source, "gather")

    def _join(self, source: _Maps, windows: list[np.ndarray], home: _Maps, what: str) -> None:
        """Map c of `source` is read by the owners of the maps windows[c] of `home`."""
        for number in np.unique(home.layer):
            for tensor in np.unique(source.tensor[source.tensor != NOBODY]):
                chosen = [[] for _ in range(len(self.tensors[tensor].layer))]
                for c in np.flatnonzero(source.tensor == tensor):
                    window = windows[c]
                    chosen[source.at[c]].extend(home.filter[window[home.layer[window] == number]])
                starts = np.concatenate(([0], np.cumsum([len(row) for row in chosen])))
                filters = np.array([f for row in chosen for f in row], np.int32)
                if len(filters):
                    self.readers[tensor].append(Join(int(number), starts, filters, what))

    def _sizes(self) -> list[int]:
        return [len(tensor.layer) for tensor in self.tensors]

    def finish(self) -> Tasks:
        """Only tensors that somebody reads are kept."""
        tensors = tuple(
            replace(tensor, readers=tuple(readers))
            for tensor, readers in zip(self.tensors, self.readers, strict=True)
            if readers
        )
        homes = {
            name: Home(maps.layer, maps.filter, maps.values, self._at_reader(name, maps))
            for name, maps in self.maps.items()
        }
        return Tasks(self.network, tuple(self.layers), tensors, homes)

    def _at_reader(self, name: str, maps: _Maps) -> np.ndarray:
        """Maps of which the copy that is sent is that of another node, though nothing was merely joined."""
        if name == INPUT or isinstance(self.network[name].layer, Concat):
            return np.zeros(len(maps), bool)
        names = np.array([tensor.name for tensor in self.tensors])
        return (maps.tensor == NOBODY) | (names[maps.tensor] != name)


def _joined(inputs: list[_Maps]) -> _Maps:
    return _Maps(*(np.concatenate([getattr(maps, f.name) for maps in inputs]) for f in fields(_Maps)))


def _links(layer: Conv | Dense, channels: int) -> np.ndarray | None:
    """bool [K, C]: which channels each filter reads, or None for all."""
    if isinstance(layer, Dense) or (layer.groups == 1 and layer.connections is None):
        return None
    links = np.zeros((layer.K, channels), bool)
    if layer.connections is not None:
        for k, row in enumerate(layer.connections):
            links[k, list(row)] = True
    else:
        filters, width = layer.K // layer.groups, channels // layer.groups
        for g in range(layer.groups):
            links[g * filters : (g + 1) * filters, g * width : (g + 1) * width] = True
    return links


def _by_tensor(source: _Maps, count: int, sizes: list[int]) -> list[tuple[int, np.ndarray]]:
    """(tensor, input channel that each of its maps is) for all input channels; twice where a map is read twice."""
    found = []
    for tensor in range(count):
        channels = np.flatnonzero(source.tensor == tensor)
        while len(channels):
            at, first = np.unique(source.at[channels], return_index=True)
            channel = np.full(sizes[tensor], NOBODY, np.int32)
            channel[at] = channels[first]
            found.append((tensor, channel))
            channels = np.delete(channels, first)
    return found
