"""Layers without weights as `LayerOps` of the mapping `tuned`: 128 bits at a time, for whole batches."""

from dataclasses import replace
from math import prod

import numpy as np

from labkit.kernels.activate import function_number
from labkit.kernels.ops.activations import ActivationOps
from labkit.kernels.ops.place import Place
from labkit.kernels.ops.pool import PoolOps
from labkit.kernels.ops.structure import AddOps
from labkit.kernels.ops.weighted_tuned import RAGGED
from labkit.kernels.tuned import elementwise, pool
from labkit.kernels.tuned.pool import PoolSizes
from labkit.network import MaxPool


class TunedOps:
    """What they have in common: a smaller batch is the affair of `ragged`, the same layer in a teaching mapping."""

    def __init__(self, place: Place, ragged: type):
        self.place, self.ragged = place, ragged(replace(place, mapping=RAGGED))
        self.values = place.batch * prod(place.output_shape)

    @property
    def workspace_bytes(self) -> int:
        """See `LayerOps`."""
        return self.place.bytes_held

    def backward_weights(self, dy, weights, gradients):
        """No weights; see `LayerOps`."""

    def whole(self, array) -> bool:
        """Whether `array` is of a whole batch."""
        return array.shape[0] == self.place.batch


class TunedActivationOps(TunedOps):
    """Logistic, ReLU, Tanh, in place."""

    def __init__(self, place: Place):
        super().__init__(place, ActivationOps)
        number = function_number(place.layer.kind)
        self.fp = elementwise.make("activation", self.values, number)
        self.bp = elementwise.make("activation_backward", self.values, number)

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        if not self.whole(xs[0]):
            return self.ragged.forward(xs, weights, state, training, draw)
        self.y = xs[0]
        self.place.start(self.fp, self.y, self.y)
        return self.y

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`."""
        if not self.whole(dy):
            return self.ragged.backward_data(dy, weights)
        self.place.start(self.bp, self.y, dy, dy)
        return (dy,)


class TunedAddOps(TunedOps):
    """The residual addition."""

    def __init__(self, place: Place):
        super().__init__(place, AddOps)
        self.fp = elementwise.make("add", self.values)

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        if not self.whole(xs[0]):
            return self.ragged.forward(xs, weights, state, training, draw)
        y, total = self.place.array("y", self.place.batch, self.place.output_shape), xs[0]
        for x in xs[1:]:
            self.place.start(self.fp, total, x, y)
            total = y
        return y

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`."""
        return (dy,) * len(self.place.input_shapes)


class TunedPoolOps(TunedOps):
    """MaxPool and AvgPool; a max pool remembers which place of each window won."""

    def __init__(self, place: Place):
        super().__init__(place, PoolOps)
        layer, (C, H, W) = place.layer, place.input_shapes[0]
        sizes = PoolSizes(place.batch * C, H, W, layer.R, layer.S, *layer.stride, *layer.padding)
        maximum = isinstance(layer, MaxPool)
        self.fp, self.bp = pool.make_forward(sizes, maximum), pool.make_backward(sizes, maximum)

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        if not self.whole(xs[0]):
            return self.ragged.forward(xs, weights, state, training, draw)
        place = self.place
        y = place.array("y", place.batch, place.output_shape)
        self.winner = place.array("places", place.batch, place.output_shape, np.int32)
        place.start(self.fp, xs[0], y, self.winner)
        return y

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`."""
        if not self.whole(dy):
            return self.ragged.backward_data(dy, weights)
        dx = self.place.array("dx", self.place.batch, self.place.input_shapes[0])
        self.place.start(self.bp, dy, self.winner, dx)
        return (dx,)
