"""The flat vector of parameters cut wherever a piece or a layer begins or ends, so that no rule has to split anything.

A *stretch* is a range of values that no piece and no layer divides. Instructions are checked stretch by stretch: a
bucket, a chunk and a layer that overlap then speak of the same numbered stretches.
"""

from typing import NamedTuple

from labkit.network import Network
from labkit.schedule.instruction import Instruction
from labkit.schedule.pieces import layer_ranges
from labkit.schedule.rules.faults import listed
from labkit.schedule.schedule import Schedule


class Stretches(NamedTuple):
    """bounds: [stretches + 1] values at which stretches begin, and the end. layers, pieces: (first, end) stretch of
    each layer and of each piece. network: whose parameters they are.
    """

    bounds: tuple[int, ...]
    layers: tuple[tuple[int, int], ...]
    pieces: tuple[tuple[int, int], ...]
    network: Network

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def of(self, instruction: Instruction) -> tuple[int, int]:
        """Stretches (first, end) that an instruction works on; (0, 0) for `e`, `serve` and `wait` alone."""
        if instruction.layers is not None:
            first, end = instruction.layers
            return self.layers[first][0], self.layers[end - 1][1]
        return self.pieces[instruction.piece] if instruction.item in ("g", "w") else (0, 0)

    def names(self, stretches: list[int]) -> str:
        """The layers that hold these stretches, in words: 'conv1', 'conv1 to fc2', 'conv1 and fc2 to fc3'."""
        held = [n for n, (a, b) in enumerate(self.layers) if any(a <= s < b for s in stretches)]
        weighted = [n for n, (a, b) in enumerate(self.layers) if a < b]
        runs: list[list[int]] = []
        for layer in held:
            if runs and weighted.index(layer) == weighted.index(runs[-1][1]) + 1:
                runs[-1][1] = layer
            else:
                runs.append([layer, layer])
        nodes = self.network.nodes
        return listed(nodes[a].name if a == b else f"{nodes[a].name} to {nodes[b].name}" for a, b in runs)


def stretches_of(schedule: Schedule) -> Stretches:
    """Cut the parameters of a schedule's network at the ends of its pieces and layers."""
    layers = layer_ranges(schedule.network)
    bounds = sorted({bound for part in (*layers, *schedule.pieces) for bound in part})
    number = {bound: n for n, bound in enumerate(bounds)}
    return Stretches(
        tuple(bounds),
        tuple((number[a], number[b]) for a, b in layers),
        tuple((number[a], number[b]) for a, b in schedule.pieces),
        schedule.network,
    )
