"""The layer functions of this package as the `LayerOps` of the contract: what FP keeps for BP and KU, and no more.

Each class below says which arrays a kind of layer keeps, and passes them to the functions of its module. Nothing here
computes, and no array that came in is ever written to, although the contract lets some layers work in place.
"""

from math import prod

import numpy as np

from labkit.engine.chance import dropout_mask
from labkit.engine.ops import Draw, LayerOps
from labkit.engine.reference import activation, conv, dense, dropout, lrn, norm, pool, shape, softmax, subsample
from labkit.errors import LabError
from labkit.network import (
    LRN,
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Layer,
    LeakyReLU,
    Logistic,
    MaxPool,
    PadShortcut,
    ReLU,
    Shape,
    Softmax,
    Subsample,
    Tanh,
)

Arrays = dict[str, np.ndarray]


class Ops:
    """One layer between its FP and its KU. Subclasses give `fp`, `bp` and, if the layer has weights, `ku`.

    xs: the inputs of the last FP; y: its output; more: other arrays that BP or KU needs. workspace_bytes: of what it
    holds after FP of a full batch, see `values_held`.
    """

    def __init__(self, layer: Layer, module, workspace_bytes: int):
        self.layer, self.module, self.workspace_bytes = layer, module, workspace_bytes
        self.xs, self.y, self.more = (), None, ()
        self.training = False

    def forward(
        self, xs: tuple[np.ndarray, ...], weights: Arrays, state: Arrays, training: bool, draw: Draw
    ) -> np.ndarray:
        """FP; see `LayerOps`."""
        self.xs, self.training = xs, training
        self.y = np.ascontiguousarray(self.fp(weights, state, draw))
        return self.y

    def backward_data(self, dy: np.ndarray, weights: Arrays) -> tuple[np.ndarray, ...]:
        """BP; see `LayerOps`."""
        return tuple(np.ascontiguousarray(dx) for dx in self.bp(dy, weights))

    def backward_weights(self, dy: np.ndarray, weights: Arrays, gradients: Arrays) -> None:
        """KU; see `LayerOps`."""
        for name, gradient in zip(("weight", "bias"), self.ku(dy), strict=True):
            if name in gradients:  # a Conv or Dense with bias=False has no "bias"
                gradients[name][...] = gradient


class Weighted(Ops):
    """Conv, Subsample: linear in x, so BP needs no more of it than its shape."""

    def fp(self, weights, state, draw):
        return self.module.forward(self.layer, self.xs[0], weights["weight"], weights.get("bias"))

    def bp(self, dy, weights):
        return (self.module.backward_data(self.layer, dy, weights["weight"], self.xs[0].shape),)

    def ku(self, dy):
        return self.module.backward_weights(self.layer, self.xs[0], dy)


class DenseOps(Ops):
    """Dense: as Conv, but the shape of x follows from dy and the weights."""

    def fp(self, weights, state, draw):
        return self.module.forward(self.layer, self.xs[0], weights["weight"], weights.get("bias"))

    def bp(self, dy, weights):
        return (self.module.backward_data(self.layer, dy, weights["weight"]),)

    def ku(self, dy):
        return self.module.backward_weights(self.layer, self.xs[0], dy)


class NormOps(Ops):
    """BatchNorm: keeps the mean and variance that FP used; in training FP also moves the running ones."""

    def fp(self, weights, state, draw):
        x = self.xs[0]
        if self.training:
            self.more = self.module.statistics(x)
            self._follow(state, *self.more)
        else:
            self.more = state["mean"].copy(), state["variance"].copy()
        return self.module.forward(self.layer, x, weights["weight"], weights["bias"], *self.more)

    def _follow(self, state, mean, variance):
        state["mean"][...] = self.module.running(self.layer, state["mean"], mean)
        unbiased = self.module.unbiased(variance, self.xs[0])
        if unbiased is not None:
            state["variance"][...] = self.module.running(self.layer, state["variance"], unbiased)

    def bp(self, dy, weights):
        return (self.module.backward_data(self.layer, self.xs[0], dy, weights["weight"], *self.more, self.training),)

    def ku(self, dy):
        return self.module.backward_weights(self.layer, self.xs[0], dy, *self.more)


class FromInput(Ops):
    """Layers without weights whose derivative is written with their input: pools, LRN."""

    def fp(self, weights, state, draw):
        return self.module.forward(self.layer, self.xs[0])

    def bp(self, dy, weights):
        return (self.module.backward_data(self.layer, self.xs[0], dy),)


class FromOutput(Ops):
    """Layers whose derivative is written with their output: activations, Softmax."""

    def fp(self, weights, state, draw):
        return self.module.forward(self.layer, self.xs[0])

    def bp(self, dy, weights):
        return (self.module.backward_data(self.layer, self.y, dy),)


class DropoutOps(Ops):
    """Dropout: keeps the mask; there is none when not training."""

    def fp(self, weights, state, draw):
        x = self.xs[0]
        self.more = ()
        if self.training:
            self.more = (dropout_mask(draw, len(x), x.shape[1:], self.layer.rate, x.dtype),)
        return self.module.forward(self.layer, x, *self.more)

    def bp(self, dy, weights):
        return (self.module.backward_data(self.layer, dy, *self.more),)


class Moving(Ops):
    """Flatten, Add, Concat, PadShortcut: only the shapes of the inputs matter to BP."""

    def fp(self, weights, state, draw):
        return self.module.forward(self.layer, *self.xs)

    def bp(self, dy, weights):
        return self.module.backward_data(self.layer, dy, *(x.shape for x in self.xs))


KINDS = {
    Conv: (Weighted, conv),
    Subsample: (Weighted, subsample),
    Dense: (DenseOps, dense),
    BatchNorm: (NormOps, norm),
    MaxPool: (FromInput, pool),
    AvgPool: (FromInput, pool),
    LRN: (FromInput, lrn),
    Logistic: (FromOutput, activation),
    Tanh: (FromOutput, activation),
    ReLU: (FromOutput, activation),
    LeakyReLU: (FromOutput, activation),
    Softmax: (FromOutput, softmax),
    Dropout: (DropoutOps, dropout),
    Flatten: (Moving, shape),
    Add: (Moving, shape),
    Concat: (Moving, shape),
    PadShortcut: (Moving, shape),
}


def prepare(layer: Layer, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype) -> LayerOps:
    """`layer` ready for FP; nothing is allocated before. `batch` and `dtype` only say how much it will be.

    Raises LabError for a kind of layer that this backend does not know.
    """
    if type(layer) not in KINDS:
        raise LabError(f"the reference has no layer {layer.kind!r}", "use a layer of labkit.network")
    kind, module = KINDS[type(layer)]
    return kind(layer, module, values_held(layer, input_shapes, batch) * np.dtype(dtype).itemsize)


def values_held(layer: Layer, input_shapes: tuple[Shape, ...], batch: int) -> int:
    """Values that a layer adds to what is held after FP of `batch` samples in training: its output, where that is an
    array of its own, Dropout's mask, and BatchNorm's mean and variance. Inputs are held by the layers they come from.
    """
    out = batch * prod(layer.output_shape(*input_shapes))
    match layer:
        case Flatten():
            return 0
        case Dropout():
            return 2 * out
        case BatchNorm():
            return out + 2 * input_shapes[0][0]
        case _:
            return out
