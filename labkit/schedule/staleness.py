"""How old the weights were that a parameter server's update was computed with."""

from typing import NamedTuple


class Stale(NamedTuple):
    """One update of a parameter server: how many updates the weights had seen since the gradient's were read.

    rank: the worker. step: its step. piece: what was updated. version: of the weights that the gradient was computed
    with. staleness: versions that had come in between (0: none).
    """

    rank: int
    step: int
    piece: int
    version: int
    staleness: int
