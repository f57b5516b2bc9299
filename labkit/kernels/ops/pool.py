"""MaxPool and AvgPool as `LayerOps` of the three teaching mappings."""

import numpy as np

from labkit.kernels.elementwise import maps_work
from labkit.kernels.ops.place import as_maps
from labkit.kernels.ops.structure import StructureOps
from labkit.kernels.pool import AVG_BACKWARD, AVG_FORWARD, MAX_BACKWARD, MAX_FORWARD
from labkit.network import MaxPool


class PoolOps(StructureOps):
    """A max pool keeps where the largest value of each window stood."""

    def _kept(self, n: int) -> tuple:
        """The argument between input and window of a max pool's kernels; an average pool's have none."""
        if not isinstance(self.place.layer, MaxPool):
            return ()
        return (self.place.array("places", n, self.place.output_shape, np.int32),)

    def _run(self, table, written, *arrays) -> None:
        layer = self.place.layer
        window = layer.R, layer.S, *layer.stride, *layer.padding
        self.place.run(table, maps_work(self.place.name, *as_maps(written).shape), *arrays, *window)

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        n = xs[0].shape[0]
        y, kept = self.place.array("y", n, self.place.output_shape), self._kept(n)
        self._run(MAX_FORWARD if kept else AVG_FORWARD, y, xs[0], y, *kept)
        return y

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`."""
        n = dy.shape[0]
        dx, kept = self.place.array("dx", n, self.place.input_shapes[0]), self._kept(n)
        self._run(MAX_BACKWARD if kept else AVG_BACKWARD, dx, dy, *kept, dx)
        return (dx,)
