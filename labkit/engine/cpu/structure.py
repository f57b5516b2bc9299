"""Layers that only move or add values: Flatten, Add, Concat, PadShortcut."""

from itertools import pairwise
from math import prod

import numpy as np

from labkit.engine.cpu.compiled import compiled
from labkit.engine.cpu.work import run
from labkit.network import Add, Concat, Flatten, PadShortcut, Shape


class FlattenOps:
    """[n, C, H, W] seen as [n, features] and back; nothing is copied."""

    workspace_bytes = 0

    def __init__(self, layer: Flatten, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype):
        (self._shape,) = input_shapes

    def forward(self, xs, weights, state, training, draw):
        return xs[0].reshape(len(xs[0]), -1)

    def backward_data(self, dy, weights):
        return (dy.reshape(len(dy), *self._shape),)

    def backward_weights(self, dy, weights, gradients):
        """Nothing to learn."""


class AddOps:
    """Sum of the inputs; BP hands the same gradient to each of them."""

    def __init__(self, layer: Add, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype):
        self._y = np.empty((batch, *input_shapes[0]), dtype)
        self._inputs = len(input_shapes)
        self.workspace_bytes = self._y.nbytes

    def forward(self, xs, weights, state, training, draw):
        y = self._y[: len(xs[0])]
        run(add, len(y), y.size, flat(xs[0]), flat(xs[1]), flat(y))
        for x in xs[2:]:
            run(add, len(y), y.size, flat(y), flat(x), flat(y))
        return y

    def backward_data(self, dy, weights):
        return (dy,) * self._inputs

    def backward_weights(self, dy, weights, gradients):
        """Nothing to learn."""


class ConcatOps:
    """Channels of the inputs one after the other; BP cuts the gradient apart again."""

    def __init__(self, layer: Concat, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype):
        self._y = np.empty((batch, *layer.output_shape(*input_shapes)), dtype)
        self._dxs = [np.empty((batch, *shape), dtype) for shape in input_shapes]
        edges = np.cumsum([0] + [shape[0] for shape in input_shapes])
        self._slices = [slice(*pair) for pair in pairwise(edges)]
        self.workspace_bytes = self._y.nbytes + sum(dx.nbytes for dx in self._dxs)

    def forward(self, xs, weights, state, training, draw):
        y = self._y[: len(xs[0])]
        for channels, x in zip(self._slices, xs, strict=True):
            y[:, channels] = x
        return y

    def backward_data(self, dy, weights):
        dxs = tuple(dx[: len(dy)] for dx in self._dxs)
        for channels, dx in zip(self._slices, dxs, strict=True):
            dx[:] = dy[:, channels]
        return dxs

    def backward_weights(self, dy, weights, gradients):
        """Nothing to learn."""


class PadShortcutOps:
    """Every stride-th pixel, and zeros for the channels that the input lacks."""

    def __init__(self, layer: PadShortcut, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype):
        (shape,) = input_shapes
        self._channels, self._step = shape[0], layer.stride
        self._y = np.zeros((batch, *layer.output_shape(shape)), dtype)
        self._dx = np.zeros((batch, *shape), dtype)
        self.workspace_bytes = self._y.nbytes + self._dx.nbytes

    def forward(self, xs, weights, state, training, draw):
        (x,) = xs
        y = self._y[: len(x)]
        y[:, : self._channels] = x[:, :, :: self._step[0], :: self._step[1]]
        y[:, self._channels :] = 0  # the next layer may have overwritten it
        return y

    def backward_data(self, dy, weights):
        dx = self._dx[: len(dy)]
        dx.fill(0)
        dx[:, :, :: self._step[0], :: self._step[1]] = dy[:, : self._channels]
        return (dx,)

    def backward_weights(self, dy, weights, gradients):
        """Nothing to learn."""


def flat(x: np.ndarray) -> np.ndarray:
    """[n, ...] as [n, values of a sample], without copying."""
    return x.reshape(len(x), prod(x.shape[1:]))


@compiled
def add(first, end, part, a, b, y):
    for n in range(first, end):
        for i in range(a.shape[1]):
            y[n, i] = a[n, i] + b[n, i]
