"""Trainable subsampling (LeCun et al. 1998): a window's sum, times a weight, plus a bias, one of each per channel."""

import numpy as np

from labkit.engine.cpu.pooling import window_spread, window_sum
from labkit.engine.cpu.work import run
from labkit.network import Shape, Subsample


class SubsampleOps:
    """y = weight * sum + bias; keeps the sums, which are what the weight's gradient is made of."""

    def __init__(self, layer: Subsample, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype):
        (shape,) = input_shapes
        output = layer.output_shape(shape)
        self._sums, self._y, self._scaled = (np.empty((batch, *output), dtype) for _ in range(3))
        self._dx = np.empty((batch, *shape), dtype)
        self._window = (layer.R, layer.S, *layer.stride, 0, 0)
        self._one = dtype.type(1)
        self.workspace_bytes = 3 * self._sums.nbytes + self._dx.nbytes

    def forward(self, xs, weights, state, training, draw):
        (x,) = xs
        sums, y = self._sums[: len(x)], self._y[: len(x)]
        run(window_sum, len(x), x.size, x, sums, self._window, self._one)
        np.multiply(sums, weights["weight"][:, None, None], out=y)
        y += weights["bias"][:, None, None]
        return y

    def backward_data(self, dy, weights):
        dx, scaled = self._dx[: len(dy)], self._scaled[: len(dy)]
        np.multiply(dy, weights["weight"][:, None, None], out=scaled)
        run(window_spread, len(dy), dx.size, scaled, dx, self._window, self._one)
        return (dx,)

    def backward_weights(self, dy, weights, gradients):
        scaled = self._scaled[: len(dy)]
        np.multiply(dy, self._sums[: len(dy)], out=scaled)
        np.sum(scaled, axis=(0, 2, 3), out=gradients["weight"])
        np.sum(dy, axis=(0, 2, 3), out=gradients["bias"])
