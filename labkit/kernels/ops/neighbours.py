"""LRN and the trainable Subsample of 1998 as `LayerOps` of the three teaching mappings."""

import numpy as np

from labkit.kernels import lrn, subsample
from labkit.kernels.elementwise import maps_work
from labkit.kernels.ops.place import ADDS, as_maps, zero
from labkit.kernels.ops.structure import StructureOps


class LRNOps(StructureOps):
    """Keeps its input and the denominators."""

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        place, layer, n = self.place, self.place.layer, xs[0].shape[0]
        y = place.array("y", n, place.output_shape)
        self.x, self.d = as_maps(xs[0]), as_maps(place.array("d", n, place.output_shape))
        constants = (layer.size // 2, *map(np.float32, (layer.alpha, layer.beta, layer.k)))
        place.run(lrn.FORWARD, maps_work(place.name, *self.x.shape), self.x, as_maps(y), self.d, *constants)
        return y

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`."""
        place, layer = self.place, self.place.layer
        dx = place.array("dx", dy.shape[0], place.input_shapes[0])
        arrays = (self.x, as_maps(dy), self.d, as_maps(dx))
        constants = (layer.size // 2, np.float32(layer.alpha), np.float32(layer.beta))
        place.run(lrn.BACKWARD_DATA, maps_work(place.name, *self.x.shape), *arrays, *constants)
        return (dx,)


class SubsampleOps(StructureOps):
    """Keeps its input."""

    def _run(self, table, written, *arrays) -> None:
        layer = self.place.layer
        work = maps_work(self.place.name, *as_maps(written).shape)
        self.place.run(table, work, *arrays, layer.R, layer.S, *layer.stride)

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        self.x = xs[0]
        y = self.place.array("y", self.x.shape[0], self.place.output_shape)
        self._run(subsample.FORWARD, y, self.x, weights["weight"], weights["bias"], y)
        return y

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`."""
        dx = self.place.array("dx", dy.shape[0], self.place.input_shapes[0])
        self._run(subsample.BACKWARD_DATA, dx, dy, weights["weight"], dx)
        return (dx,)

    def backward_weights(self, dy, weights, gradients):
        """KU; see `LayerOps`."""
        if self.place.mapping in ADDS:
            zero(self.place.executor, gradients["weight"], gradients["bias"])
        self._run(subsample.BACKWARD_WEIGHTS, dy, self.x, dy, gradients["weight"], gradients["bias"])
