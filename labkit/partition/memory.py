"""How much memory each part of a plan needs to train: what it owns, and the copies that others send it.

Dividing a network divides its weights exactly: each part holds the channels of filters that it computes. Activations
are divided too, but a map that is read in three parts is held three times, so that is where a plan's memory grows.
"""

from dataclasses import dataclass

import numpy as np

from labkit.network import FLOAT_BYTES, INPUT, LRN, Add, Concat, Conv, Dense, PadShortcut, Softmax
from labkit.network.graph import Node
from labkit.network.layer import count
from labkit.network.sizes import check_batch
from labkit.partition.plan import NOBODY, Plan
from labkit.partition.tasks import overlaps
from labkit.partition.volume import owners, parts_with_channels, volume


@dataclass(frozen=True, eq=False)
class Memory:
    """Bytes that each part holds while training on a batch of `batch` samples: all arrays int64 [parts], float32.

    weights: the channels of filters that the part computes; biases, BatchNorm and the like lie with the owner of the
    map. gradients: one per weight. optimizer: further values per weight. activations: maps that the part makes, kept
    for BP. maps_received: copies of maps of other parts, kept for KU. sums_received: partial sums of other parts that
    the owner of a filter adds up.
    """

    batch: int
    weights: np.ndarray
    gradients: np.ndarray
    optimizer: np.ndarray
    activations: np.ndarray
    maps_received: np.ndarray
    sums_received: np.ndarray

    @property
    def received(self) -> np.ndarray:
        """Bytes of what other parts send: int64 [parts]."""
        return self.maps_received + self.sums_received

    @property
    def total(self) -> np.ndarray:
        """All bytes of each part: int64 [parts]."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.received


def memory(plan: Plan, batch: int = 32, optimizer_slots: int = 0) -> Memory:
    """Memory of every part. optimizer_slots: values per weight that the optimiser keeps (momentum 1, Adam 2).

    For a plan in one part the first four are those of `labkit.network.training_bytes`; like there, what BatchNorm
    tracks without a gradient is not counted. Raises LabError for a bad batch or number of slots.
    """
    check_batch(batch)
    count("optimizer_slots", optimizer_slots, least=0)
    weights = weight_elements(plan) * FLOAT_BYTES
    received = {"maps": np.zeros(plan.parts, np.int64), "partial sums": np.zeros(plan.parts, np.int64)}
    for row in volume(plan, batch).rows:
        received[row.what] += row.pairs.sum(0) * FLOAT_BYTES
    return Memory(
        batch,
        weights,
        weights,
        weights * optimizer_slots,
        activation_elements(plan) * batch * FLOAT_BYTES,
        received["maps"],
        received["partial sums"],
    )


def weight_elements(plan: Plan) -> np.ndarray:
    """Trainable values that each part holds: int64 [parts]; their sum is the network's number of parameters."""
    held = np.zeros(plan.parts, np.int64)
    for node in plan.network.nodes:
        shapes = node.layer.weights(*plan.network.input_shapes(node))
        for name, shape in shapes.items():
            size = int(np.prod(shape))
            if name == "weight" and isinstance(node.layer, Conv):
                layer = plan.tasks.layers[plan.tasks.number(node.name)]
                each = plan[node.name].by_channel(layer.channels, layer.links)
                owner = each[each != NOBODY]
                values = np.ones(len(owner), np.int64)
            else:  # maps share these values as they share the node's output
                owner, values = owners(plan, plan.tasks.homes[node.name]), plan.tasks.homes[node.name].values
            np.add.at(held, owner, values * size // values.sum())
    return held


def activation_elements(plan: Plan) -> np.ndarray:
    """Values of one sample that each part makes and keeps for BP: int64 [parts]. Layers that work in place make none.

    Where readers compute a map themselves (`Home.at_reader`), each of them holds it.
    """
    makers = _makers(plan)
    kept = [INPUT, *(node.name for node in plan.network.nodes if not node.layer.in_place)]
    return sum(plan.tasks.homes[name].values @ makers[name] for name in kept)


def _makers(plan: Plan) -> dict[str, np.ndarray]:
    """For the input and every node, which parts compute each of its maps: bool [maps, parts].

    From the last node to the first, since where a map is computed may depend on who reads it.
    """
    homes = plan.tasks.homes
    needed = {name: np.zeros((len(home.layer), plan.parts), bool) for name, home in homes.items()}
    needed[plan.network.output][:, owners(plan, homes[plan.network.output])[0]] = True  # by the loss
    makers = {}
    for node in reversed(plan.network.nodes):
        makers[node.name] = _made(plan, node.name, needed[node.name])
        maps = makers[node.name] if not isinstance(node.layer, Concat) else needed[node.name]
        for source, wanted in zip(node.inputs, _wanted(plan, node, maps), strict=True):
            needed[source] |= wanted
    return makers | {INPUT: _made(plan, INPUT, needed[INPUT])}


def _made(plan: Plan, name: str, needed: np.ndarray) -> np.ndarray:
    """Makers of the maps of one node: their owner, or all that need them. needed: bool [maps, parts]."""
    home = plan.tasks.homes[name]
    by_owner = owners(plan, home)[:, None] == np.arange(plan.parts)
    return np.where(home.at_reader[:, None], needed, by_owner)


def _wanted(plan: Plan, node: Node, maps: np.ndarray) -> list[np.ndarray]:
    """For each input of a node the parts that need each of its maps, where `maps` [maps, parts] compute the node's."""
    homes = plan.tasks.homes
    sizes = [len(homes[source].layer) for source in node.inputs]
    if isinstance(node.layer, (Conv, Dense)):
        return [parts_with_channels(plan, plan.tasks.number(node.name))]
    if isinstance(node.layer, Concat):
        return np.split(maps, np.cumsum(sizes)[:-1])
    if isinstance(node.layer, LRN):
        reach = node.layer.size // 2
        return [np.stack([maps[max(0, c - reach) : c + reach + 1].any(0) for c in range(len(maps))])]
    if isinstance(node.layer, Softmax):
        return [np.repeat(maps.any(0)[None, :], sizes[0], axis=0)]
    if isinstance(node.layer, PadShortcut):
        return [maps[: sizes[0]]]
    if isinstance(node.layer, Add):
        windows = [overlaps(homes[source].values, homes[node.name].values) for source in node.inputs]
        return [np.stack([maps[window].any(0) for window in each]) for each in windows]
    return [maps]
