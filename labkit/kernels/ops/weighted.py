"""Conv and Dense as `LayerOps` of the three teaching mappings: what is kept from FP to KU, and what is launched."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from labkit.kernels import dense
from labkit.kernels.conv import work
from labkit.kernels.conv.backward_data import BACKWARD_DATA
from labkit.kernels.conv.backward_weights import BACKWARD_WEIGHTS
from labkit.kernels.conv.forward import FORWARD
from labkit.kernels.launch import choose
from labkit.kernels.ops.place import ADDS, Place, zero
from labkit.kernels.sizes import ConvSizes, DenseSizes
from labkit.network import Conv


@dataclass(frozen=True)
class Phases:
    """The kernels of one kind of layer, by mapping, and what each phase has to do."""

    sizes: type
    forward: dict[str, Any]
    backward_data: dict[str, Any]
    backward_weights: dict[str, Any]
    forward_work: Callable
    backward_data_work: Callable
    backward_weights_work: Callable


CONV = Phases(
    ConvSizes,
    FORWARD,
    BACKWARD_DATA,
    BACKWARD_WEIGHTS,
    work.forward_work,
    work.backward_data_work,
    work.backward_weights_work,
)
DENSE = Phases(
    DenseSizes,
    dense.FORWARD,
    dense.BACKWARD_DATA,
    dense.BACKWARD_WEIGHTS,
    dense.forward_work,
    dense.backward_data_work,
    dense.backward_weights_work,
)
IDENTITY = 0  # the activation is a layer of its own here; the paper's primitives fuse it


class WeightedOps:
    """See `labkit.engine.ops.LayerOps`. Raises LabError where a filter does not fit the shared memory of a block."""

    def __init__(self, place: Place):
        self.place, layer = place, place.layer
        conv = isinstance(layer, Conv)
        self.phases = CONV if conv else DENSE
        self.steps = (*layer.stride, *layer.padding, layer.groups) if conv else ()
        choose(place.mapping, self._work(self.phases.forward_work, place.batch))
        if place.needs_dx:
            choose(place.mapping, self._work(self.phases.backward_data_work, place.batch))

    @property
    def workspace_bytes(self) -> int:
        """See `LayerOps`."""
        return self.place.bytes_held

    def _work(self, of: Callable, n: int):
        return of(self.place.name, self.phases.sizes.of(self.place.layer, self.place.input_shapes[0], n))

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        self.x = xs[0]
        place, n = self.place, self.x.shape[0]
        y = place.array("y", n, place.output_shape)
        arrays = (self.x, weights["weight"], bias_of(place, weights), y)
        place.run(self.phases.forward, self._work(self.phases.forward_work, n), *arrays, *self.steps, IDENTITY)
        return y

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`."""
        place, n = self.place, dy.shape[0]
        dx = place.array("dx", n, place.input_shapes[0])
        needs = self._work(self.phases.backward_data_work, n)
        place.run(self.phases.backward_data, needs, dy, weights["weight"], dx, *self.steps)
        return (dx,)

    def backward_weights(self, dy, weights, gradients):
        """KU; see `LayerOps`."""
        place, dweight = self.place, gradients["weight"]
        dbias = gradients.get("bias")
        if dbias is None:  # the kernels sum it up in any case
            dbias = place.constant("no_bias_gradient", np.zeros(place.layer.K, np.float32))
        if place.mapping in ADDS:
            zero(place.executor, dweight, dbias)
        needs = self._work(self.phases.backward_weights_work, dy.shape[0])
        place.run(self.phases.backward_weights, needs, self.x, dy, dweight, dbias, *self.steps)


def bias_of(place: Place, weights: dict[str, Any]) -> Any:
    """The layer's bias, or zeros [K] where it has none."""
    bias = weights.get("bias")
    return place.constant("no_bias", np.zeros(place.layer.K, np.float32)) if bias is None else bias
