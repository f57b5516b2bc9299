"""Activations, Dropout and Softmax as `LayerOps`: they work in place, on the output of FP and the gradient of BP."""

import numpy as np

from labkit.engine.chance import dropout_mask
from labkit.kernels.activate import function_number
from labkit.kernels.elementwise import ACTIVATION, ACTIVATION_BACKWARD, LEAKY, LEAKY_BACKWARD, maps_work
from labkit.kernels.loss import SOFTMAX, SOFTMAX_BACKWARD, samples_work
from labkit.kernels.ops.place import Place, as_maps
from labkit.kernels.ops.structure import StructureOps
from labkit.kernels.vectors import multiply
from labkit.network import LeakyReLU


class ActivationOps(StructureOps):
    """Logistic, ReLU, Tanh: f by its number. LeakyReLU: by the slope of its negative side."""

    def __init__(self, place: Place):
        super().__init__(place)
        if isinstance(place.layer, LeakyReLU):
            self.tables, self.constant = (LEAKY, LEAKY_BACKWARD), np.float32(place.layer.slope)
        else:
            self.tables, self.constant = (ACTIVATION, ACTIVATION_BACKWARD), function_number(place.layer.kind)

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        self.y = xs[0]
        maps = as_maps(self.y)
        self.place.run(self.tables[0], maps_work(self.place.name, *maps.shape), maps, maps, self.constant)
        return self.y

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`."""
        maps = as_maps(dy)
        work = maps_work(self.place.name, *maps.shape)
        self.place.run(self.tables[1], work, as_maps(self.y), maps, maps, self.constant)
        return (dy,)


class DropoutOps(StructureOps):
    """Values times a mask that the host draws, the same in every backend; see `labkit.engine.chance`."""

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        x, self.mask = xs[0], None
        if training:
            n, shape = x.shape[0], self.place.output_shape
            host = dropout_mask(draw, n, shape, self.place.layer.rate, np.float32)
            self.mask = self.place.executor.put(host, self.place.array("mask", n, shape)).reshape(host.size)
            self.launch(multiply, self.mask, x.reshape(host.size), self.mask, x.reshape(host.size))
        return x

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`."""
        if self.mask is not None:
            flat = dy.reshape(self.mask.shape[0])
            self.launch(multiply, flat, flat, self.mask, flat)
        return (dy,)


class SoftmaxOps(StructureOps):
    """Softmax by itself, where it is not fused with the loss."""

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        self.y = xs[0]
        self.place.run(SOFTMAX, samples_work(self.place.name, self.y.shape[0]), self.y, self.y)
        return self.y

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`."""
        work = samples_work(self.place.name, dy.shape[0])
        self.place.run(SOFTMAX_BACKWARD, work, self.y, dy, dy)
        return (dy,)
