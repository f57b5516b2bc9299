"""Dense as `LayerOps` of the three teaching mappings."""

import numpy as np

from labkit.kernels.dense import (
    BACKWARD_DATA,
    BACKWARD_WEIGHTS,
    FORWARD,
    backward_data_work,
    backward_weights_work,
    forward_work,
)
from labkit.kernels.launch import choose
from labkit.kernels.ops.place import ADDS, Place, zero
from labkit.kernels.sizes import DenseSizes


class DenseOps:
    """See `labkit.engine.ops.LayerOps`. Raises LabError where weights do not fit the shared memory of a block."""

    def __init__(self, place: Place):
        self.place = place
        choose(place.mapping, forward_work(place.name, self._sizes(place.batch)))
        if place.needs_dx:
            choose(place.mapping, backward_data_work(place.name, self._sizes(place.batch)))

    def _sizes(self, n: int) -> DenseSizes:
        return DenseSizes.of(self.place.layer, self.place.input_shapes[0], n)

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
        place.run(FORWARD, forward_work(place.name, self._sizes(n)), self.x, weights["weight"], bias, y, identity)
        return y

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`."""
        place, n = self.place, dy.shape[0]
        dx = place.array("dx", n, place.input_shapes[0])
        place.run(BACKWARD_DATA, backward_data_work(place.name, self._sizes(n)), dy, weights["weight"], dx)
        return (dx,)

    def backward_weights(self, dy, weights, gradients):
        """KU; see `LayerOps`."""
        place, dweight = self.place, gradients["weight"]
        dbias = gradients.get("bias")
        if dbias is None:
            dbias = place.constant("no_bias_gradient", np.zeros(place.layer.K, np.float32))
        if place.mapping in ADDS:
            zero(place.executor, dweight, dbias)
        work = backward_weights_work(place.name, self._sizes(dy.shape[0]))
        place.run(BACKWARD_WEIGHTS, work, self.x, dy, dweight, dbias)
