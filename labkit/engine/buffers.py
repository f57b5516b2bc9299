"""Where a network branches: the copies and sums that keep layers working in place from spoiling each other's data."""

from collections import Counter

import numpy as np

from labkit.engine.arrays import Arrays
from labkit.network import INPUT, Add, Flatten, Network


class Buffers:
    """Extra arrays of one model, allocated once.

    input_copies: layers that work in place although someone else still needs their input (it has other readers, is the
    network's input, or is the output on which the layer before bases its own derivative); they are given a copy.
    A layer read by several others sums the gradients that they send into an array of its own. A layer that works in
    place on its gradient gets a copy where that gradient is shared: Add passes one array to all of its inputs.
    """

    def __init__(self, network: Network, batch: int, dtype: np.dtype, arrays: Arrays):
        reads = Counter(source for node in network.nodes for source in node.inputs)
        in_place = [n for n in network.nodes if n.layer.in_place and not isinstance(n.layer, Flatten)]
        self.input_copies = {n.name for n in in_place if not _may_overwrite(network, n.inputs[0])}
        shared = {n.name for n in network.nodes if n.layer.in_place and _feeds_only_add(network, n.name)}
        branching = {name for name, times in reads.items() if times > 1 and name != INPUT}
        self._arrays = arrays
        self._inputs = {name: arrays.empty((batch, *network.shape(name)), dtype) for name in self.input_copies}
        self._gradients = {name: arrays.empty((batch, *network.shape(name)), dtype) for name in shared | branching}
        self.nbytes = sum(a.nbytes for a in (*self._inputs.values(), *self._gradients.values()))

    def copy_input(self, name: str, x: np.ndarray) -> np.ndarray:
        """A copy of x, the input of layer `name`, that the layer may overwrite."""
        buffer = self._inputs[name][: x.shape[0]]
        self._arrays.copy(x, buffer)
        return buffer

    def gradient(self, name: str, arrived: list[np.ndarray]) -> np.ndarray:
        """Gradient at the output of layer `name`: the sum of what its readers sent."""
        if name not in self._gradients:
            return arrived[0]
        buffer = self._gradients[name][: arrived[0].shape[0]]
        if len(arrived) == 1:
            self._arrays.copy(arrived[0], buffer)
            return buffer
        self._arrays.add(arrived[0], arrived[1], buffer)
        for more in arrived[2:]:
            self._arrays.add(buffer, more, buffer)
        return buffer


def _may_overwrite(network: Network, source: str) -> bool:
    """Whether nobody but its one reader needs the output of `source` any more."""
    while True:
        if source == INPUT or len(network.consumers(source)) != 1:
            return False
        node = network[source]
        if not isinstance(node.layer, Flatten):
            return not node.layer.in_place
        source = node.inputs[0]


def _feeds_only_add(network: Network, name: str) -> bool:
    readers = network.consumers(name)
    return len(readers) == 1 and isinstance(network[readers[0]].layer, Add)
