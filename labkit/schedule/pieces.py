"""Pieces: ranges of the flat vector of parameters, which is what gradients and weights travel in.

All arrays of a network lie one after the other in a vector, in the order of the layers (`engine.tensors`). A piece may
hold several layers (a bucket), one array, or a part of one (a chunk).
"""

from collections.abc import Iterable
from math import prod
from typing import NamedTuple

from labkit.errors import LabError
from labkit.network import Network
from labkit.network.graph import FLOAT_BYTES


class Piece(NamedTuple):
    """Values start to stop (exclusive) of the flat vector of parameters."""

    start: int
    stop: int

    @property
    def values(self) -> int:
        return self.stop - self.start


def layer_ranges(network: Network) -> tuple[Piece, ...]:
    """Where the parameters of each layer lie; empty pieces for layers without any."""
    found, start = [], 0
    for node in network.nodes:
        values = sum(map(prod, node.layer.weights(*network.input_shapes(node)).values()))
        found.append(Piece(start, start + values))
        start += values
    return tuple(found)


def whole(network: Network) -> tuple[Piece, ...]:
    """All parameters as one piece."""
    return (Piece(0, network.parameters),)


def arrays(network: Network) -> tuple[Piece, ...]:
    """One piece for each array (weights, bias), in the order of the layers."""
    found, start = [], 0
    for shape in network.weights().values():
        found.append(Piece(start, start + prod(shape)))
        start += prod(shape)
    return tuple(found)


def chunks(network: Network, count: int) -> tuple[Piece, ...]:
    """`count` pieces of equal length (within one value), in layer order, wherever the layers begin.

    Raises LabError unless 1 <= count <= number of parameters.
    """
    n = network.parameters
    if not 1 <= count <= n:
        raise LabError(f"{count} chunks of {n:,} parameters", f"choose a whole number from 1 to {n:,}")
    return tuple(Piece(i * n // count, (i + 1) * n // count) for i in range(count))


def buckets(network: Network, bucket_bytes: int) -> tuple[Piece, ...]:
    """Pieces of whole layers, last layer first: as back-propagation completes them.

    A bucket is closed as soon as it holds `bucket_bytes` or more of float32 gradients, so that the first exchange can
    begin while the earlier layers are still at work; 0: one bucket per layer. Raises LabError below 0.
    """
    if bucket_bytes < 0:
        raise LabError(f"buckets of {bucket_bytes} bytes", "give a number of bytes from 0 up")
    found: list[Piece] = []
    open_stop = None
    for piece in reversed(layer_ranges(network)):
        if not piece.values:
            continue
        open_stop = piece.stop if open_stop is None else open_stop
        if (open_stop - piece.start) * FLOAT_BYTES >= bucket_bytes or piece.start == 0:
            found.append(Piece(piece.start, open_stop))
            open_stop = None
    return tuple(found)


def overlapping(pieces: Iterable[Piece], start: int, stop: int) -> tuple[int, ...]:
    """Numbers of the pieces that share a value with [start, stop)."""
    return tuple(n for n, piece in enumerate(pieces) if max(piece.start, start) < min(piece.stop, stop))
