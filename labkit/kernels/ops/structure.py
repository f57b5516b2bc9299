"""Layers that move or add values as `LayerOps` of the teaching mappings."""

from math import prod

from labkit.kernels.elementwise import ADD, maps_work
from labkit.kernels.moves import put_channels, take_channels, thin, widen
from labkit.kernels.ops.place import Place, as_maps
from labkit.kernels.vectors import vector_launch


class StructureOps:
    """What they have in common; see `labkit.engine.ops.LayerOps`."""

    def __init__(self, place: Place):
        self.place = place

    @property
    def workspace_bytes(self) -> int:
        """See `LayerOps`."""
        return self.place.bytes_held

    def backward_weights(self, dy, weights, gradients):
        """No weights; see `LayerOps`."""

    def launch(self, kernel, written, *arguments) -> None:
        """Start a kernel that strides through the values of `written`."""
        self.place.executor.launch(kernel, vector_launch(prod(written.shape)), *arguments)


class FlattenOps(StructureOps):
    """No value moves: the same memory under another shape."""

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        return xs[0].reshape((xs[0].shape[0], *self.place.output_shape))

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`."""
        return (dy.reshape((dy.shape[0], *self.place.input_shapes[0])),)


class AddOps(StructureOps):
    """The residual addition: inputs are added pair by pair, and share one gradient."""

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        place, n = self.place, xs[0].shape[0]
        y = place.array("y", n, place.output_shape)
        maps = as_maps(y)
        work = maps_work(place.name, *maps.shape)
        place.run(ADD, work, as_maps(xs[0]), as_maps(xs[1]), maps)
        for x in xs[2:]:
            place.run(ADD, work, maps, as_maps(x), maps)
        return y

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`."""
        return (dy,) * len(self.place.input_shapes)


class ConcatOps(StructureOps):
    """Channels of all inputs one after the other."""

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        y = self.place.array("y", xs[0].shape[0], self.place.output_shape)
        first = 0
        for x in xs:
            self.launch(put_channels, x, as_maps(x), as_maps(y), first)
            first += x.shape[1]
        return y

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`."""
        gradients, first = [], 0
        for i, shape in enumerate(self.place.input_shapes):
            dx = self.place.array(f"dx{i}", dy.shape[0], shape)
            self.launch(take_channels, dx, as_maps(dy), as_maps(dx), first)
            gradients.append(dx)
            first += shape[0]
        return tuple(gradients)


class PadShortcutOps(StructureOps):
    """Strided pixels, then channels of zeros."""

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        y = self.place.array("y", xs[0].shape[0], self.place.output_shape)
        self.launch(thin, y, xs[0], y, *self.place.layer.stride)
        return y

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`."""
        dx = self.place.array("dx", dy.shape[0], self.place.input_shapes[0])
        self.launch(widen, dx, dy, dx, *self.place.layer.stride)
        return (dx,)
