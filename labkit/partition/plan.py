"""The plan: which part owns which slice of which layer. A value; nothing generates code from it.

A slice is a whole layer, some of its filters, or some channels of some filters. The owner of a filter also adds up its
partial sums, applies what follows map by map, keeps bias and BatchNorm, and sends the finished map. Ownership is held
as small arrays (one number per filter or per channel of a filter), so a fine-grain VGG16 with 1.6 million tasks takes
3 MB.
"""

from dataclasses import dataclass, field

import numpy as np

from labkit.errors import LabError, suggest
from labkit.network import Network
from labkit.partition.tasks import NOBODY, Tasks
from labkit.partition.trace import tasks_of

MOST_PARTS = 2**15 - 1


@dataclass(frozen=True, eq=False)
class Slice:
    """Ownership of one task layer.

    owner: int16 [K], the part that owns each filter (and reduces it). channels: int16 [K, C], the part that computes
    each channel of each filter, NOBODY (-1) where the filter does not read the channel; None if every filter is
    computed whole by its owner. For 'input', owner says where each input map lies.
    """

    layer: str
    owner: np.ndarray
    channels: np.ndarray | None = None

    def by_channel(self, channels: int, links: np.ndarray | None) -> np.ndarray:
        """The part of each channel of each filter, also where filters are whole: int16 [K, C]."""
        if self.channels is not None:
            return self.channels
        whole = np.repeat(self.owner[:, None], channels, axis=1)
        return whole if links is None else np.where(links, whole, np.int16(NOBODY))


@dataclass(frozen=True, eq=False, repr=False)
class Plan:
    """A network divided into `parts` parts: one Slice per task layer, the input first, in the network's order.

    method: the partitioner's name. made: how it was made (engine, version, seed, imbalance, weights, seconds);
    neither counts for equality. Parts may be empty. The slices are copies that cannot be written to. Raises LabError
    for holes, part numbers out of range, and slices that do not fit the network.
    """

    network: Network
    parts: int
    slices: tuple[Slice, ...]
    method: str = "by hand"
    made: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        number = isinstance(self.parts, (int, np.integer)) and not isinstance(self.parts, bool)
        if not number or not 1 <= self.parts <= MOST_PARTS:
            raise LabError(f"parts={self.parts!r}", f"give a whole number from 1 to {MOST_PARTS}")
        object.__setattr__(self, "parts", int(self.parts))
        tasks = tasks_of(self.network)
        given = [piece.layer for piece in self.slices]
        if given != list(tasks.names):
            raise _other_network(self.network, given, tasks)
        slices = tuple(
            _checked(piece, layer, self.parts) for piece, layer in zip(self.slices, tasks.layers, strict=True)
        )
        object.__setattr__(self, "slices", slices)
        object.__setattr__(self, "tasks", tasks)

    def __getitem__(self, layer: str) -> Slice:
        return self.slices[self.tasks.number(layer)]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Plan):
            return NotImplemented
        return (self.network, self.parts) == (other.network, other.parts) and all(
            np.array_equal(a, b)
            for mine, his in zip(self._full(), other._full(), strict=True)
            for a, b in zip(mine, his, strict=True)
        )

    def __hash__(self) -> int:
        return hash((self.network.name, self.parts, tuple(piece.owner.tobytes() for piece in self.slices)))

    def _full(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Owners and channels of every slice, whole filters spelled out, so that equal plans have equal arrays."""
        return [
            (p.owner, p.by_channel(layer.channels, layer.links) if layer.fine else p.owner)
            for p, layer in zip(self.slices, self.tasks.layers, strict=True)
        ]

    @property
    def grain(self) -> str:
        """'fine' if the channels of some filter lie in several parts, or away from its owner; else 'coarse'."""
        return "fine" if any(piece.channels is not None for piece in self.slices) else "coarse"

    def __repr__(self) -> str:
        from labkit.partition.plan_table import plan_table

        return plan_table(self)


def _checked(piece: Slice, layer, parts: int) -> Slice:
    """The slice with small arrays, or a LabError that names the layer and the first task that is wrong."""
    owner = np.asarray(piece.owner)
    if owner.shape != (layer.filters,):
        raise LabError(
            f"layer {layer.name!r} has {layer.filters} filters, but the plan has owners of shape {owner.shape}",
            f"give {layer.filters} part numbers",
        )
    _check_parts(owner, np.ones(owner.shape, bool), layer.name, parts)
    if piece.channels is None:
        return Slice(layer.name, _kept(owner))
    if not layer.fine:
        raise LabError(f"layer {layer.name!r} ({layer.kind}) is divided by channels", "divide it by filters")
    channels, shape = np.asarray(piece.channels), (layer.filters, layer.channels)
    if channels.shape != shape:
        raise LabError(
            f"layer {layer.name!r} has {shape} filters and channels, but the plan has an array of {channels.shape}",
            f"give an array of shape {shape}",
        )
    links = np.ones(shape, bool) if layer.links is None else layer.links
    _check_parts(channels, links, layer.name, parts)
    if ((channels == owner[:, None]) | ~links).all():
        return Slice(layer.name, _kept(owner))
    return Slice(layer.name, _kept(owner), _kept(channels))


def _kept(part: np.ndarray) -> np.ndarray:
    """A small copy that nobody can write to: what was checked stays true."""
    kept = part.astype(np.int16)
    kept.setflags(write=False)
    return kept


def _check_parts(owner: np.ndarray, links: np.ndarray, layer: str, parts: int) -> None:
    """Every task has an owner below `parts`, and only tasks have."""
    if not np.issubdtype(owner.dtype, np.integer):
        raise LabError(f"part numbers of layer {layer!r} are {owner.dtype}", "give whole numbers")
    for bad, what in ((links & (owner < 0), "nobody owns"), (links & (owner >= parts), "an unknown part owns")):
        if bad.any():
            first = tuple(int(i) for i in np.argwhere(bad)[0])
            task = f"filter {first[0]}" + (f", channel {first[1]}" if len(first) > 1 else "")
            found = f" (part {owner[first]})" if owner[first] >= 0 else ""
            raise LabError(f"{what} {task} of layer {layer!r}{found}", f"give it a part from 0 to {parts - 1}")
    if (~links & (owner != NOBODY)).any():
        f, c = (int(i) for i in np.argwhere(~links & (owner != NOBODY))[0])
        raise LabError(
            f"filter {f} of layer {layer!r} does not read channel {c}, which the plan gives away", "write -1"
        )


def _other_network(network: Network, given: list[str], tasks: Tasks) -> LabError:
    for name in given:
        if name not in tasks.names:
            what = f"the plan has a layer {name!r}, which {network.name} has not"
            return LabError(
                what, suggest(name, tasks.names) + f"; or is it a plan for another network than {network.name}?"
            )
    missing = [name for name in tasks.names if name not in given]
    if missing:
        return LabError(f"the plan says nothing of layer {missing[0]!r} of {network.name}", "give it an owner")
    return LabError(f"the layers of the plan are not in the order of {network.name}", "list them as the network does")
