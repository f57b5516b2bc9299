"""What a partition divides: the tasks of a network, and the feature maps that travel between them.

A task is one filter of a layer (coarse grain) or one channel of a filter (fine grain, eserol-2019 section 3.2); what
follows a filter map by map (activation, pooling, BatchNorm) is done by the filter's owner before the map is sent. So a
`Network` of many nodes becomes few *task layers* and the *tensors* between them:

    Tensor "pool1": 64 maps of 112 x 112, made by conv1's filters 0-63, read by every filter of conv2

Further readers exist beside the filters of the next layer. A residual addition is done by the owner of the last
convolution before it, which therefore reads the *same* map of the other branch. Local response normalisation is done by
the owner of each map, which reads the neighbouring maps. Softmax is done by the owner of the first class. These are
`Join`s: they read a map after the filter's own sum is complete, and only some filters read each map.
"""

from dataclasses import dataclass, field

import numpy as np

from labkit.errors import LabError, suggest
from labkit.network import INPUT, Network

NOBODY = -1  # in place of an owner, a vertex, a map: there is none


@dataclass(frozen=True, eq=False)
class TaskLayer:
    """A layer whose filters are tasks.

    name: the node's, or 'input'. kind: 'input', 'conv', 'dense', or that of a layer that needs all maps at once
    (softmax over split neurons). filters: tasks of the coarse grain (K; input channels for the input). channels: input
    channels C (0 for the input). links: bool [filters, channels], which channels each filter reads; None if all.
    macs: multiply-accumulates of one sample's forward pass. partial_elements: values of one filter's sum for one
    sample (P * Q, before pooling): what travels where a filter's channels lie in several parts.
    """

    name: str
    kind: str
    filters: int
    channels: int
    links: np.ndarray | None
    macs: int
    partial_elements: int

    @property
    def fine(self) -> bool:
        """Whether the channels of a filter are tasks of their own in the fine grain: those of a convolution are."""
        return self.kind == "conv"

    @property
    def fine_tasks(self) -> int:
        """Tasks of the fine grain without the reductions: (filter, channel) pairs of a convolution, else filters."""
        if not self.fine:
            return self.filters
        return self.filters * self.channels if self.links is None else int(self.links.sum())


@dataclass(frozen=True, eq=False)
class Read:
    """The tasks of layer number `layer` read a tensor: its map c is their input channel channel[c], -1 for none."""

    layer: int
    channel: np.ndarray


@dataclass(frozen=True, eq=False)
class Join:
    """Owners of filters of layer number `layer` read maps of a tensor: map c goes to filters[starts[c]:starts[c+1]].

    what: 'add' for a residual addition, 'halo' for the neighbours of local response normalisation, 'gather' for the
    whole vector that softmax and the loss need.
    """

    layer: int
    starts: np.ndarray
    filters: np.ndarray
    what: str


@dataclass(frozen=True, eq=False)
class Tensor:
    """Feature maps as their owners send them, for one sample.

    name: the node whose output it is. layer, filter: int32 [maps], the task that makes each map. elements: int64
    [maps], values per map and sample. readers: who needs them. gradient: bool [maps], whether BP sends its gradient
    back: nobody needs that of a map which depends on no weights.
    """

    name: str
    layer: np.ndarray
    filter: np.ndarray
    elements: np.ndarray
    readers: tuple[Read | Join, ...]
    gradient: np.ndarray


@dataclass(frozen=True, eq=False)
class Home:
    """Where the maps of one node are computed: map c by the owner of filter filter[c] of layer number layer[c].

    values: int64 [maps], values of each map for one sample; a vector's maps are those that were flattened, or neurons.
    at_reader: bool [maps]; True where not the owner but everyone who needs the map computes it, from a map that was
    sent before (pooling in one branch of an inception module).
    """

    layer: np.ndarray
    filter: np.ndarray
    values: np.ndarray
    at_reader: np.ndarray


def overlaps(values: np.ndarray, others: np.ndarray) -> list[np.ndarray]:
    """For each map of a vector in pieces of `values`, the pieces of `others` of the same vector that share a feature.

    Map c alone where both are divided alike, as the maps of (C, H, W) always are.
    """
    ends, other_ends = np.cumsum(values), np.cumsum(others)
    firsts = np.searchsorted(other_ends, ends - values, side="right")
    lasts = np.searchsorted(other_ends, ends - 1, side="right")
    return [np.arange(first, last + 1) for first, last in zip(firsts, lasts, strict=True)]


@dataclass(frozen=True, eq=False)
class Tasks:
    """Task layers of a network in topological order (the input first) and the tensors between them.

    homes: for 'input' and every node of the network, where its maps are computed.
    """

    network: Network
    layers: tuple[TaskLayer, ...]
    tensors: tuple[Tensor, ...]
    homes: dict[str, Home]
    _number: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_number", {layer.name: i for i, layer in enumerate(self.layers)})

    def number(self, name: str) -> int:
        """Place of the task layer `name`. Raises LabError if no task layer is called so."""
        if name not in self._number:
            raise LabError(f"{self.network.name} has no layer {name!r} with tasks", suggest(name, self._number))
        return self._number[name]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(layer.name for layer in self.layers)

    @property
    def working(self) -> tuple[int, ...]:
        """Numbers of the layers that compute: all but the input."""
        return tuple(i for i, layer in enumerate(self.layers) if layer.name != INPUT)


def check_size(tasks: Tasks, times: int, purpose: str) -> None:
    """Refuse a network whose maps and sums, sent so many times, could not be counted in 64 bits."""
    maps = sum(float(tensor.elements.sum(dtype=float)) for tensor in tasks.tensors)
    sums = sum(float(layer.filters * layer.partial_elements) for layer in tasks.layers)
    if times * (maps + sums) >= 2**63:
        raise LabError(
            f"{tasks.network.name} has {maps:.3g} values in the maps of a sample, too many to count {purpose}",
            "take a smaller input or batch",
        )
