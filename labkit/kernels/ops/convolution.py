"""Conv as `LayerOps` of the three teaching mappings: what is kept from FP to KU, and which kernels are launched."""

import numpy as np

from labkit.kernels.conv import work
from labkit.kernels.conv.backward_data import BACKWARD_DATA
from labkit.kernels.conv.backward_weights import BACKWARD_WEIGHTS
from labkit.kernels.conv.forward import FORWARD
from labkit.kernels.launch import choose
from labkit.kernels.ops.place import ADDS, Place, zero
from labkit.kernels.sizes import ConvSizes


class ConvOps:
    """See `labkit.engine.ops.LayerOps`. Raises LabError where a filter does not fit the shared memory of a block."""

    def __init__(self, place: Place):
        self.place = place
        full = self._sizes(place.batch)
        choose(place.mapping, work.forward_work(place.name, full))
        if place.needs_dx:
            choose(place.mapping, work.backward_data_work(place.name, full))

    def _sizes(self, n: int) -> ConvSizes:
        return ConvSizes.of(self.place.layer, self.place.input_shapes[0], n)

    def _step(self) -> tuple[int, ...]:
        layer = self.place.layer
        return (*layer.stride, *layer.padding, layer.groups)

    @property
    def workspace_bytes(self) -> int:
        """See `LayerOps`."""
        return self.place.bytes_held

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        self.x = xs[0]
        place, n = self.place, self.x.shape[0]
        y = place.array("y", n, place.output_shape)
        bias = weights.get("bias")
        if bias is None:
            bias = place.constant("no_bias", np.zeros(place.layer.K, np.float32))
        identity = 0
        needs = work.forward_work(place.name, self._sizes(n))
        place.run(FORWARD, needs, self.x, weights["weight"], bias, y, *self._step(), identity)
        return y

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`."""
        place, n = self.place, dy.shape[0]
        dx = place.array("dx", n, place.input_shapes[0])
        needs = work.backward_data_work(place.name, self._sizes(n))
        place.run(BACKWARD_DATA, needs, dy, weights["weight"], dx, *self._step())
        return (dx,)

    def backward_weights(self, dy, weights, gradients):
        """KU; see `LayerOps`."""
        place = self.place
        dweight = gradients["weight"]
        dbias = gradients.get("bias")
        if dbias is None:
            dbias = place.constant("no_bias_gradient", np.zeros(place.layer.K, np.float32))
        if place.mapping in ADDS:
            zero(place.executor, dweight, dbias)
        needs = work.backward_weights_work(place.name, self._sizes(dy.shape[0]))
        place.run(BACKWARD_WEIGHTS, needs, self.x, dy, dweight, dbias, *self._step())
