"""BatchNorm (Ioffe and Szegedy 2015), channel by channel: a channel's values stay in the cache between passes."""

import numpy as np

from labkit.engine.cpu.compiled import compiled
from labkit.engine.cpu.work import run
from labkit.network import BatchNorm, Shape


class BatchNormOps:
    """y = (x - mean) * scale * weight + bias per channel, with scale = 1 / sqrt(variance + epsilon)."""

    def __init__(self, layer: BatchNorm, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype):
        (shape,) = input_shapes
        self._y, self._dx = (np.empty((batch, *shape), dtype) for _ in range(2))
        # Per channel: mean, scale, and in KU the sums of dy and of dy * (x - mean) * scale.
        self._moments = np.zeros((4, shape[0]), dtype)
        self._layer, self._x, self._training = layer, None, False
        self.workspace_bytes = self._y.nbytes + self._dx.nbytes + self._moments.nbytes

    def forward(self, xs, weights, state, training, draw):
        (self._x,) = xs
        self._training = training
        y, epsilon = self._y[: len(self._x)], self._layer.epsilon
        arrays = (_maps(self._x), _maps(y), self._moments, weights["weight"], weights["bias"])
        states = (state["mean"], state["variance"])
        if training:
            run(normalize, y.shape[1], 2 * y.size, *arrays, *states, epsilon, self._layer.momentum)
        else:
            run(apply_running, y.shape[1], y.size, *arrays, *states, epsilon)
        return y

    def backward_data(self, dy, weights):
        dx = self._dx[: len(dy)]
        arrays = (_maps(self._x), _maps(dy), _maps(dx))
        run(normalize_backward, dx.shape[1], dx.size, *arrays, self._moments, weights["weight"], self._training)
        return (dx,)

    def backward_weights(self, dy, weights, gradients):
        run(moments_backward, dy.shape[1], dy.size, _maps(self._x), _maps(dy), self._moments)
        gradients["weight"][:] = self._moments[3]
        gradients["bias"][:] = self._moments[2]


def _maps(x: np.ndarray) -> np.ndarray:
    """[n, C, H, W] or [n, C] as [n, C, values of a map]."""
    return x.reshape(*x.shape[:2], -1)


@compiled
def normalize(first, end, part, x, y, moments, weight, bias, mean, variance, epsilon, momentum):
    """Channels first to end with the batch's own mean and variance, towards which the running ones move."""
    n, _, size = x.shape
    count = n * size
    for c in range(first, end):
        total = 0.0
        for i in range(n):
            part_sum = x[0, 0, 0] * 0
            for j in range(size):
                part_sum += x[i, c, j]
            total += part_sum
        middle = x.dtype.type(total / count)
        total = 0.0
        for i in range(n):
            part_sum = x[0, 0, 0] * 0
            for j in range(size):
                part_sum += (x[i, c, j] - middle) * (x[i, c, j] - middle)
            total += part_sum
        spread = total / count
        scale = x.dtype.type(1 / np.sqrt(spread + epsilon))
        moments[0, c], moments[1, c] = middle, scale
        mean[c] += momentum * (middle - mean[c])
        if count > 1:  # the running variance follows the unbiased one, of which a single value has none
            variance[c] += momentum * (total / (count - 1) - variance[c])
        gain = scale * weight[c]
        for i in range(n):
            for j in range(size):
                y[i, c, j] = (x[i, c, j] - middle) * gain + bias[c]


@compiled
def apply_running(first, end, part, x, y, moments, weight, bias, mean, variance, epsilon):
    """Channels first to end with the running mean and variance."""
    for c in range(first, end):
        middle = mean[c]
        scale = x.dtype.type(1 / np.sqrt(variance[c] + epsilon))
        moments[0, c], moments[1, c] = middle, scale
        gain = scale * weight[c]
        for i in range(x.shape[0]):
            for j in range(x.shape[2]):
                y[i, c, j] = (x[i, c, j] - middle) * gain + bias[c]


@compiled
def moments_backward(first, end, part, x, dy, moments):
    """Sums over the batch of dy, and of dy times the normalised x: the gradients of bias and weight."""
    n, _, size = x.shape
    for c in range(first, end):
        middle, scale = moments[0, c], moments[1, c]
        total, weighted = 0.0, 0.0
        for i in range(n):
            part_sum, part_weighted = x[0, 0, 0] * 0, x[0, 0, 0] * 0
            for j in range(size):
                part_sum += dy[i, c, j]
                part_weighted += dy[i, c, j] * (x[i, c, j] - middle)
            total += part_sum
            weighted += part_weighted
        moments[2, c], moments[3, c] = total, weighted * scale


@compiled
def normalize_backward(first, end, part, x, dy, dx, moments, weight, training):
    """dx = weight * scale * (dy - mean of dy - normalised x * mean of (dy * normalised x)) in training."""
    n, _, size = x.shape
    share = x.dtype.type(1 / (n * size)) if training else x.dtype.type(0)
    for c in range(first, end):
        middle, scale = moments[0, c], moments[1, c]
        gain = scale * weight[c]
        shift = moments[2, c] * share
        slope = moments[3, c] * share * scale
        for i in range(n):
            for j in range(size):
                dx[i, c, j] = gain * (dy[i, c, j] - shift - (x[i, c, j] - middle) * slope)
