"""Where the passes of a network are cut, so that pieces can travel while other layers are at work."""

from collections.abc import Sequence
from typing import NamedTuple

from labkit.errors import LabError
from labkit.network import Network
from labkit.schedule.pieces import Piece, layer_ranges, overlapping


class Cut(NamedTuple):
    """Layers first to end - 1, and the numbers of the pieces that go with them."""

    first: int
    end: int
    pieces: tuple[int, ...]


def ahead(network: Network, pieces: Sequence[Piece]) -> list[Cut]:
    """Forward propagation in as many ranges as there are layers that need weights of another piece.

    `pieces` of a cut: those that its first layer needs and no layer before it needed, in their order.
    """
    starts: list[tuple[int, tuple[int, ...]]] = []
    known: set[int] = set()
    for layer, part in enumerate(layer_ranges(network)):
        new = tuple(n for n in overlapping(pieces, *part) if n not in known) if part.values else ()
        if new:
            starts.append((layer if starts else 0, new))
            known.update(new)
    ends = [first for first, _ in starts[1:]] + [len(network)]
    return [Cut(first, end, new) for (first, new), end in zip(starts, ends, strict=True)]


def back(network: Network, pieces: Sequence[Piece]) -> list[Cut]:
    """Back-propagation, last layer first, in as many ranges as there are layers that complete a piece's gradients.

    `pieces` of a cut: those that its last step, layer `first`, completes. Layers before the first weights go with the
    last cut.
    """
    cuts, end = [], len(network)
    for layer, part in reversed(list(enumerate(layer_ranges(network)))):
        done = tuple(n for n, piece in enumerate(pieces) if part.start <= piece.start < part.stop)
        if done:
            cuts.append(Cut(layer, end, done))
            end = layer
    return [*cuts[:-1], cuts[-1]._replace(first=0)]


def check_trainable(network: Network) -> None:
    """Refuse a network without weights, in which there is nothing to exchange."""
    if not network.parameters:
        raise LabError(f"network {network.name!r} has no weights to train", "choose a network with some")
