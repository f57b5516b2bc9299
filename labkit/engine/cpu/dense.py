"""Fully connected layers: one matrix product per phase."""

import numpy as np

from labkit.network import Dense, Shape


class DenseOps:
    """y = x . W^T + b; dx = dy . W; dW = dy^T . x; db = sum of dy over the batch."""

    def __init__(self, layer: Dense, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype):
        ((features,),) = input_shapes
        self._y = np.empty((batch, layer.K), dtype)
        self._dx = np.empty((batch, features), dtype)
        self._x = None
        self.workspace_bytes = self._y.nbytes + self._dx.nbytes

    def forward(self, xs, weights, state, training, draw):
        (self._x,) = xs
        y = self._y[: len(self._x)]
        np.matmul(self._x, weights["weight"].T, out=y)
        if "bias" in weights:
            y += weights["bias"]
        return y

    def backward_data(self, dy, weights):
        dx = self._dx[: len(dy)]
        np.matmul(dy, weights["weight"], out=dx)
        return (dx,)

    def backward_weights(self, dy, weights, gradients):
        np.matmul(dy.T, self._x, out=gradients["weight"])
        if "bias" in gradients:
            np.sum(dy, axis=0, out=gradients["bias"])
