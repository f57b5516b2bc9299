"""Convolution: chooses the method, and does what both methods have in common."""

from math import prod

import numpy as np

from labkit.engine.cpu.compiled import compiled
from labkit.engine.cpu.dense import DenseOps
from labkit.engine.cpu.shifted_conv import ShiftedConv
from labkit.engine.cpu.winograd_conv import WinogradConv, suits
from labkit.engine.cpu.work import run
from labkit.network import Conv, Dense, Layer, Shape


class ConvOps:
    """One convolution; sparse connections are those of a dense one whose missing weights are zero."""

    def __init__(self, layer: Conv, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype):
        (shape,) = input_shapes
        self._y = np.empty((batch, *layer.output_shape(shape)), dtype)
        self._dx = np.empty((batch, *shape), dtype)
        self._method = (WinogradConv if suits(layer, shape) else ShiftedConv)(layer, shape, dtype)
        self._dense, self._links = None, None
        if layer.connections is not None:
            # The same twice: weights, and their gradients.
            self._dense = np.zeros((2, layer.K, shape[0], layer.R, layer.S), dtype)
            self._links = tuple(np.transpose([(k, c) for k, row in enumerate(layer.connections) for c in row]))
        self._no_bias = np.empty(0, dtype)
        self._x = None
        self.workspace_bytes = sum(a.nbytes for a in (self._y, self._dx, self._dense) if a is not None)

    def forward(self, xs, weights, state, training, draw):
        (self._x,) = xs
        y = self._y[: len(self._x)]
        bias = weights.get("bias", self._no_bias)
        self._method.forward(self._x.reshape(-1), len(y), self._weight(weights), bias, y.reshape(-1))
        return y

    def backward_weights(self, dy, weights, gradients):
        dw = gradients["weight"] if self._dense is None else self._dense[1]
        self._method.backward_weights(self._x.reshape(-1), dy.reshape(-1), len(dy), dw.reshape(-1))
        if self._dense is not None:
            gradients["weight"][:] = dw[self._links]
        if "bias" in gradients:
            run(sum_maps, dy.shape[1], dy.size, dy.reshape(*dy.shape[:2], -1), gradients["bias"])

    def backward_data(self, dy, weights):
        dx = self._dx[: len(dy)]
        self._method.backward_data(dy.reshape(-1), len(dy), self._weight(weights), dx.reshape(-1))
        return (dx,)

    def _weight(self, weights: dict[str, np.ndarray]) -> np.ndarray:
        """All weights [K * C/groups * R * S], flat."""
        if self._dense is None:
            return weights["weight"].reshape(-1)
        self._dense[0][self._links] = weights["weight"]
        return self._dense[0].reshape(-1)


def is_dense(layer: Layer, input_shapes: tuple[Shape, ...]) -> bool:
    """Whether `layer` is a convolution whose one window is the whole map: a dense layer by another name."""
    if not isinstance(layer, Conv) or layer.groups > 1 or layer.connections or max(layer.padding):
        return False
    return input_shapes[0][1:] == (layer.R, layer.S)


class DenseConvOps:
    """A convolution with a window over the whole map, computed as the dense layer that it is."""

    def __init__(self, layer: Conv, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype):
        (self._shape,) = input_shapes
        self._dense = DenseOps(Dense(layer.K, layer.bias), ((prod(self._shape),),), batch, dtype)
        self.workspace_bytes = self._dense.workspace_bytes

    def forward(self, xs, weights, state, training, draw):
        flat = xs[0].reshape(len(xs[0]), -1)
        y = self._dense.forward((flat,), _matrices(weights), state, training, draw)
        return y.reshape(*y.shape, 1, 1)

    def backward_weights(self, dy, weights, gradients):
        self._dense.backward_weights(dy.reshape(len(dy), -1), _matrices(weights), _matrices(gradients))

    def backward_data(self, dy, weights):
        (dx,) = self._dense.backward_data(dy.reshape(len(dy), -1), _matrices(weights))
        return (dx.reshape(len(dx), *self._shape),)


def _matrices(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Filters [K, C, R, S] as the matrix [K, C * R * S]; the bias as it is."""
    return {name: array.reshape(len(array), -1) if name == "weight" else array for name, array in arrays.items()}


@compiled
def sum_maps(first, end, part, dy, db):
    """db[k] = sum of dy[n, k, pixel] over samples and pixels."""
    for k in range(first, end):
        total = 0.0
        for n in range(dy.shape[0]):
            of_map = dy[0, 0, 0] * 0
            for i in range(dy.shape[2]):
                of_map += dy[n, k, i]
            total += of_map
        db[k] = total
