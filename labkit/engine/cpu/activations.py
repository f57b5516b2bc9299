"""Activations, in place: each overwrites its input, and in BP the gradient it is given, and needs only its output."""

import numpy as np

from labkit.engine.cpu.compiled import compiled
from labkit.engine.cpu.smooth import logistic_of, tanh_of
from labkit.engine.cpu.structure import flat
from labkit.engine.cpu.work import run
from labkit.network import Layer, Shape


class _Activation:
    """A layer y = f(x) whose derivative is a function of y; `_forward` and `_backward` are its loops."""

    workspace_bytes = 0
    _work = 1  # work per value, in units of an addition

    def __init__(self, layer: Layer, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype):
        self._constants = ()
        self._y = None

    def forward(self, xs, weights, state, training, draw):
        (self._y,) = xs
        run(self._forward, len(self._y), self._y.size * self._work, flat(self._y), *self._constants)
        return self._y

    def backward_data(self, dy, weights):
        run(self._backward, len(dy), dy.size, flat(self._y), flat(dy), *self._constants)
        return (dy,)

    def backward_weights(self, dy, weights, gradients):
        """Nothing to learn."""


@compiled
def relu(first, end, part, x):
    for n in range(first, end):
        for i in range(x.shape[1]):
            x[n, i] = 0 if x[n, i] < 0 else x[n, i]  # NaN stays NaN


@compiled
def relu_backward(first, end, part, y, dy):
    for n in range(first, end):
        for i in range(y.shape[1]):
            dy[n, i] = dy[n, i] if y[n, i] > 0 else 0


@compiled
def leaky_relu(first, end, part, x, slope):
    for n in range(first, end):
        for i in range(x.shape[1]):
            x[n, i] = slope * x[n, i] if x[n, i] < 0 else x[n, i]


@compiled
def leaky_relu_backward(first, end, part, y, dy, slope):
    for n in range(first, end):
        for i in range(y.shape[1]):
            dy[n, i] = dy[n, i] if y[n, i] > 0 else slope * dy[n, i]


@compiled
def tanh(first, end, part, x):
    for n in range(first, end):
        for i in range(x.shape[1]):
            x[n, i] = tanh_of(x[n, i])


@compiled
def tanh_backward(first, end, part, y, dy):
    for n in range(first, end):
        for i in range(y.shape[1]):
            dy[n, i] *= 1 - y[n, i] * y[n, i]


@compiled
def logistic(first, end, part, x):
    for n in range(first, end):
        for i in range(x.shape[1]):
            x[n, i] = logistic_of(x[n, i])


@compiled
def logistic_backward(first, end, part, y, dy):
    for n in range(first, end):
        for i in range(y.shape[1]):
            dy[n, i] *= y[n, i] * (1 - y[n, i])


@compiled
def softmax(first, end, part, x):
    for n in range(first, end):
        largest = x[n].max()
        total = x[n, 0] * 0  # NaN in, NaN out
        for k in range(x.shape[1]):
            x[n, k] = np.exp(x[n, k] - largest)
            total += x[n, k]
        for k in range(x.shape[1]):
            x[n, k] /= total


@compiled
def softmax_backward(first, end, part, y, dy):
    """dx[k] = y[k] * (dy[k] - sum of dy[j] * y[j])."""
    for n in range(first, end):
        weighted = y[n, 0] * 0
        for k in range(y.shape[1]):
            weighted += y[n, k] * dy[n, k]
        for k in range(y.shape[1]):
            dy[n, k] = y[n, k] * (dy[n, k] - weighted)


class ReLUOps(_Activation):
    """max(x, 0)."""

    _forward, _backward = staticmethod(relu), staticmethod(relu_backward)


class LeakyReLUOps(_Activation):
    """x where positive, slope * x elsewhere."""

    _forward, _backward = staticmethod(leaky_relu), staticmethod(leaky_relu_backward)

    def __init__(self, layer, input_shapes, batch, dtype):
        super().__init__(layer, input_shapes, batch, dtype)
        self._constants = (dtype.type(layer.slope),)


class TanhOps(_Activation):
    """Hyperbolic tangent."""

    _forward, _backward, _work = staticmethod(tanh), staticmethod(tanh_backward), 4


class LogisticOps(_Activation):
    """1 / (1 + exp(-x))."""

    _forward, _backward, _work = staticmethod(logistic), staticmethod(logistic_backward), 4


class SoftmaxOps(_Activation):
    """exp(x[k]) over their sum, for each sample's vector."""

    _forward, _backward, _work = staticmethod(softmax), staticmethod(softmax_backward), 20
