"""Conv and Dense as `LayerOps` of the mapping `tuned`: recipes for the whole batch, compiled for its sizes.

A smaller batch, such as the last of an epoch, is not worth compiling for: it runs in the mapping `data`, which needs no
shared memory and fits any layer.
"""

from dataclasses import replace

from labkit.kernels.ops.place import Place
from labkit.kernels.ops.weighted import WeightedOps, bias_of
from labkit.kernels.sizes import ConvSizes, DenseSizes
from labkit.kernels.tuned import convolution, dense
from labkit.kernels.tuned.plan import H200, plan
from labkit.network import Conv

RAGGED = "data"


class TunedWeightedOps:
    """See `labkit.engine.ops.LayerOps`, and `labkit.kernels.tuned.convolution` and `dense` for what is launched."""

    def __init__(self, place: Place):
        self.place, self.ragged = place, WeightedOps(replace(place, mapping=RAGGED))
        conv, shape = isinstance(place.layer, Conv), place.input_shapes[0]
        sizes = (ConvSizes if conv else DenseSizes).of(place.layer, shape, place.batch)
        recipes, gpu = convolution if conv else dense, place.gpu or H200
        aligned = {} if conv else {"aligned": place.aligned}
        self.fp = recipes.forward(sizes, plan(sizes, "FP", gpu))
        self.bp = recipes.backward_data(sizes, plan(sizes, "BP", gpu), **aligned) if place.needs_dx else None
        self.ku = recipes.backward_weights(sizes, plan(sizes, "KU", gpu), place.layer.bias, **aligned)

    @property
    def workspace_bytes(self) -> int:
        """See `LayerOps`."""
        return self.place.bytes_held

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        place, self.x = self.place, xs[0]
        if self.x.shape[0] < place.batch:
            return self.ragged.forward(xs, weights, state, training, draw)
        y = place.array("y", place.batch, place.output_shape)
        place.perform(self.fp, x=self.x, weight=weights["weight"], bias=bias_of(place, weights), y=y)
        return y

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`."""
        place = self.place
        if dy.shape[0] < place.batch:
            return self.ragged.backward_data(dy, weights)
        dx = place.array("dx", place.batch, place.input_shapes[0])
        place.perform(self.bp, dy=dy, weight=weights["weight"], dx=dx)
        return (dx,)

    def backward_weights(self, dy, weights, gradients):
        """KU; see `LayerOps`."""
        if dy.shape[0] < self.place.batch:
            self.ragged.backward_weights(dy, weights, gradients)
            return
        self.place.perform(self.ku, x=self.x, dy=dy, **{f"d{name}": array for name, array in gradients.items()})
