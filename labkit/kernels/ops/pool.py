"""MaxPool and AvgPool as `LayerOps` of the three teaching mappings."""

from math import prod

import numpy as np

from labkit.kernels.elementwise import maps_work
from labkit.kernels.ops.structure import StructureOps
from labkit.kernels.pool import AVG_BACKWARD, AVG_FORWARD, MAX_BACKWARD, MAX_FORWARD


class MaxPoolOps(StructureOps):
    """Keeps where the largest value of each window stood."""

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        place, n = self.place, xs[0].shape[0]
        y = place.array("y", n, place.output_shape)
        self.places = place.array("places", n, place.output_shape, np.int32)
        place.run(MAX_FORWARD, _work(place, y), xs[0], y, self.places, *_window(place.layer))
        return y

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`."""
        place = self.place
        dx = place.array("dx", dy.shape[0], place.input_shapes[0])
        place.run(MAX_BACKWARD, _work(place, dx), dy, self.places, dx, *_window(place.layer))
        return (dx,)


class AvgPoolOps(StructureOps):
    """Keeps nothing."""

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        place = self.place
        y = place.array("y", xs[0].shape[0], place.output_shape)
        place.run(AVG_FORWARD, _work(place, y), xs[0], y, *_window(place.layer))
        return y

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`."""
        place = self.place
        dx = place.array("dx", dy.shape[0], place.input_shapes[0])
        place.run(AVG_BACKWARD, _work(place, dx), dy, dx, *_window(place.layer))
        return (dx,)


def _work(place, written):
    n, C = written.shape[:2]
    return maps_work(place.name, n, C, prod(written.shape[2:]))


def _window(layer) -> tuple[int, ...]:
    return layer.R, layer.S, *layer.stride, *layer.padding
