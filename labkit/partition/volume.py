"""What a plan costs in communication, by counting who needs what. No hypergraph is used here.

Every map is sent once to every part, other than its owner's, that holds a task reading it; every part that computes
channels of a filter, other than the filter's owner, sends one partial sum. The hypergraph's cut (connectivity minus
one, times cost) is defined in other words in `hypergraph.py`, and a test asserts that the two are equal for all plans:
that equality is what makes partitioning the hypergraph the same as saving communication (eserol-2019 section 3.2).
"""

from dataclasses import dataclass

import numpy as np

from labkit.network import FLOAT_BYTES
from labkit.network.sizes import check_batch
from labkit.partition.plan import NOBODY, Plan
from labkit.partition.tasks import Join, Tensor, check_size


@dataclass(frozen=True, eq=False)
class Traffic:
    """What one tensor, or the partial sums of one layer, send.

    name: the node whose maps they are, or the layer whose sums. what: 'maps' or 'partial sums'. pairs: int64
    [parts, parts], values sent from part p (row) to part q (column) in one direction of the whole batch.
    """

    name: str
    what: str
    pairs: np.ndarray

    @property
    def elements(self) -> int:
        return int(self.pairs.sum())


@dataclass(frozen=True, eq=False)
class Volume:
    """Communication of one step of a plan: `batch` samples, forward, and backward where asked for.

    rows: per tensor and per layer with partial sums. sent, received: int64 [parts], values that each part sends and
    receives. elements, bytes: the sum over all parts (each value counted once), float32.
    """

    batch: int
    backward: bool
    rows: tuple[Traffic, ...]
    parts: int

    @property
    def pairs(self) -> np.ndarray:
        """Values from part p (row) to part q (column): int64 [parts, parts]."""
        return sum((row.pairs for row in self.rows), np.zeros((self.parts, self.parts), np.int64))

    @property
    def sent(self) -> np.ndarray:
        return self.pairs.sum(1)

    @property
    def received(self) -> np.ndarray:
        return self.pairs.sum(0)

    @property
    def elements(self) -> int:
        return sum(row.elements for row in self.rows)

    @property
    def bytes(self) -> int:
        return self.elements * FLOAT_BYTES


def volume(plan: Plan, batch: int = 32, backward: bool = False) -> Volume:
    """Communication volume of a plan for a batch of samples.

    backward: add BP, where every value that went forward is answered by one gradient that goes back, except that
    nobody needs those of the images, and of what was made of them without weights. Raises LabError for a bad batch, and
    for volumes beyond 2^63.
    """
    check_batch(batch)
    check_size(plan.tasks, 2 * batch * plan.parts, f"for {batch} samples in {plan.parts} parts")
    rows = [
        maps_and_gradients(tensor, owners(plan, tensor), needs(plan, tensor), batch, backward)
        for tensor in plan.tasks.tensors
    ]
    rows += [
        _sums(plan, number, batch, backward) for number, piece in enumerate(plan.slices) if piece.channels is not None
    ]
    return Volume(batch, backward, tuple(rows), plan.parts)


def needs(plan: Plan, tensor: Tensor) -> np.ndarray:
    """Which parts need each map of a tensor: bool [maps, parts], the owner included if it reads the map itself."""
    wanted = np.zeros((len(tensor.layer), plan.parts), bool)
    for reader in tensor.readers:
        if isinstance(reader, Join):
            parts = plan.slices[reader.layer].owner[reader.filters]
            wanted[np.repeat(np.arange(len(wanted)), np.diff(reader.starts)), parts] = True
        else:
            wanted |= parts_with_channels(plan, reader.layer)[reader.channel] & (reader.channel != NOBODY)[:, None]
    return wanted


def parts_with_channels(plan: Plan, number: int) -> np.ndarray:
    """Which parts compute with each input channel of layer `number`: bool [C, parts]."""
    layer, piece = plan.tasks.layers[number], plan.slices[number]
    if piece.channels is None and layer.links is None:
        return np.repeat(np.isin(np.arange(plan.parts), piece.owner)[None, :], layer.channels, axis=0)
    each = piece.by_channel(layer.channels, layer.links)
    filters, channels = np.nonzero(each != NOBODY)
    held = np.zeros((layer.channels, plan.parts), bool)
    held[channels, each[filters, channels]] = True
    return held


def parts_with_filters(plan: Plan, number: int) -> np.ndarray:
    """Which parts compute each filter of layer `number`, or some of its channels: bool [K, parts]."""
    piece = plan.slices[number]
    held = np.zeros((len(piece.owner), plan.parts), bool)
    if piece.channels is None:
        held[np.arange(len(held)), piece.owner] = True
    else:
        filters, channels = np.nonzero(piece.channels != NOBODY)
        held[filters, piece.channels[filters, channels]] = True
    return held


def owners(plan: Plan, tensor: Tensor) -> np.ndarray:
    """The part that sends each map of a tensor: int64 [maps]."""
    owner = np.empty(len(tensor.layer), np.int64)
    for number in np.unique(tensor.layer):
        made = tensor.layer == number
        owner[made] = plan.slices[number].owner[tensor.filter[made]]
    return owner


def maps_and_gradients(tensor: Tensor, owner: np.ndarray, wanted: np.ndarray, batch: int, backward: bool) -> Traffic:
    """Maps of a tensor from their owners, [maps], to where they are wanted, bool [maps, parts], and gradients back."""
    parts, elements = wanted.shape[1], tensor.elements * batch
    pairs = _pairs(owner, wanted * elements[:, None], parts)
    if backward:
        pairs += _pairs(owner, wanted * (elements * tensor.gradient)[:, None], parts).T
    return Traffic(tensor.name, "maps", pairs)


def _sums(plan: Plan, number: int, batch: int, backward: bool) -> Traffic:
    """Partial sums of a layer whose filters are divided by channels: from every part that has some to the owner."""
    layer, holds = plan.tasks.layers[number], parts_with_filters(plan, number)
    owner = plan.slices[number].owner.astype(np.int64)
    pairs = _pairs(owner, holds * (layer.partial_elements * batch), plan.parts).T
    return Traffic(layer.name, "partial sums", pairs + pairs.T if backward else pairs)


def _pairs(owner: np.ndarray, values: np.ndarray, parts: int) -> np.ndarray:
    """Values [maps, parts] that go from each map's owner to each part, summed: int64 [parts, parts]; 0 to itself."""
    pairs = np.zeros((parts, parts), np.int64)
    np.add.at(pairs, owner, values)
    np.fill_diagonal(pairs, 0)
    return pairs
