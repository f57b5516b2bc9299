"""BatchNorm as `LayerOps` of the mapping `tuned`, with the ReLU and the residual addition that `fusion` joins to it.

All of it holds for whole batches; a smaller one goes through each layer by itself, in a teaching mapping.
"""

from dataclasses import replace
from math import prod

import numpy as np

from labkit.kernels.ops.activations import ActivationOps
from labkit.kernels.ops.maps_tuned import TunedOps
from labkit.kernels.ops.norm import NormOps
from labkit.kernels.ops.place import Place
from labkit.kernels.ops.structure import AddOps
from labkit.kernels.tuned import normalisation
from labkit.kernels.tuned.norm import NormSizes
from labkit.kernels.tuned.recipe import Recipe


class TunedNormOps(TunedOps):
    """KU takes the sums that BP needs. fused: '' (by itself), 'relu' (applied here) or 'deferred'.

    A deferred norm hands its input on; the addition after it calls `apply` for the pass that is left.
    """

    def __init__(self, place: Place, fused: str = ""):
        super().__init__(place, NormOps)
        self.fused, (C, *plane) = fused, place.output_shape
        options = {"epsilon": place.layer.epsilon, "relu": fused != "", "add": fused == "deferred"}
        self.sizes = {
            training: NormSizes(place.batch, C, prod(plane), training=training, **options) for training in (True, False)
        }

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        self.x, self.training = xs[0], training
        if not self.whole(self.x):
            return self.ragged.forward(xs, weights, state, training, draw)
        place = self.place
        self.kept = place.constant("kept", np.zeros(2 * place.output_shape[0], np.float32))
        recipe = normalisation.forward(self.sizes[training], place.layer.momentum)
        moved = {f"running_{name}": array for name, array in state.items()}
        self.arrays = {"x": self.x, "kept": self.kept} | weights
        self.last = replace(recipe, steps=recipe.steps[-1:])
        place.perform(replace(recipe, steps=recipe.steps[:-1]), **self.arrays, **moved)
        return self.x if self.fused == "deferred" else self.apply()

    def apply(self, **other):
        """The last pass of FP, with the `other` input of the addition if it was deferred to it."""
        self.y = self.place.array("y", self.place.batch, self.place.output_shape)
        self.place.perform(self.last, **self.arrays, **other, y=self.y)
        return self.y

    def backward_weights(self, dy, weights, gradients):
        """KU; see `LayerOps`."""
        if not self.whole(dy):
            self.ragged.backward_weights(dy, weights, gradients)
            return
        self.gradients = {f"d{name}": array for name, array in gradients.items()}
        recipe = self._backward()
        self.place.perform(replace(recipe, steps=recipe.steps[:-1]), dy=dy, **self._given())

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`. Where the addition is fused, it writes the gradient of the other input as well."""
        if not self.whole(dy):
            return self.ragged.backward_data(dy, weights)
        recipe, place = self._backward(), self.place
        dx = place.array("dx", place.batch, place.input_shapes[0])
        written = {"dx": dx, "dother": self.dother()} if self.fused == "deferred" else {"dx": dx}
        place.perform(replace(recipe, steps=recipe.steps[-1:]), dy=dy, **self._given(), **written)
        return (dx,)

    def dother(self):
        """Where BP writes the gradient of the addition's other input."""
        return self.place.array("dother", self.place.batch, self.place.output_shape)

    def _backward(self) -> Recipe:
        return normalisation.backward(self.sizes[self.training])

    def _given(self) -> dict:
        return self.arrays | self.gradients | {"y": self.y}


class FusedAddOps(TunedOps):
    """The residual addition as the last pass of a deferred norm; `side` is the norm's place among the two inputs."""

    def __init__(self, place: Place, norm: TunedNormOps, side: int):
        super().__init__(place, AddOps)
        self.norm, self.side = norm, side

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        if not self.whole(xs[0]):
            return self.ragged.forward(xs, weights, state, training, draw)
        return self.norm.apply(other=xs[1 - self.side])

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`. The other input's gradient is filled by the norm's BP, which comes before it is read."""
        if not self.whole(dy):
            return self.ragged.backward_data(dy, weights)
        return (dy, self.norm.dother()) if self.side == 0 else (self.norm.dother(), dy)


class DoneOps(TunedOps):
    """A ReLU that another layer has applied, and whose slope that layer's BP takes into account."""

    def __init__(self, place: Place):
        super().__init__(place, ActivationOps)

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        return xs[0] if self.whole(xs[0]) else self.ragged.forward(xs, weights, state, training, draw)

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`."""
        if not self.whole(dy):
            return self.ragged.backward_data(dy, weights)
        return (dy,)
