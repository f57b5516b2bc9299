"""Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3)."""

import numpy as np

from labkit.engine.cpu.compiled import compiled
from labkit.engine.cpu.work import run
from labkit.network import LRN, Shape


class LRNOps:
    """y[c] = x[c] * d[c]^-beta with d[c] = k + alpha * sum of x[j]^2 over the neighbours j; keeps d and its power."""

    def __init__(self, layer: LRN, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype):
        (shape,) = input_shapes
        self._y, self._dx, self._d, self._power = (np.empty((batch, *shape), dtype) for _ in range(4))
        self._constants = (layer.size // 2, *map(dtype.type, (layer.alpha, layer.beta, layer.k)))
        self._x = None
        self.workspace_bytes = 4 * self._y.nbytes

    def forward(self, xs, weights, state, training, draw):
        (self._x,) = xs
        y = self._y[: len(self._x)]
        run(lrn, len(y), y.size * 20, self._x, y, self._d, self._power, *self._constants)
        return y

    def backward_data(self, dy, weights):
        dx = self._dx[: len(dy)]
        run(lrn_backward, len(dy), dx.size * 5, self._x, dy, self._d, self._power, dx, *self._constants)
        return (dx,)

    def backward_weights(self, dy, weights, gradients):
        """Nothing to learn."""


@compiled
def lrn(first, end, part, x, y, d, power, half, alpha, beta, k):
    _, C, H, W = x.shape
    for n in range(first, end):
        for c in range(C):
            for h in range(H):
                for w in range(W):
                    d[n, c, h, w] = k
                for j in range(max(c - half, 0), min(c + half + 1, C)):
                    for w in range(W):
                        d[n, c, h, w] += alpha * x[n, j, h, w] * x[n, j, h, w]
                for w in range(W):
                    power[n, c, h, w] = d[n, c, h, w] ** -beta
                    y[n, c, h, w] = x[n, c, h, w] * power[n, c, h, w]


@compiled
def lrn_backward(first, end, part, x, dy, d, power, dx, half, alpha, beta, k):
    """dx[j] = dy[j] d[j]^-beta - 2 alpha beta x[j] * sum over c near j of dy[c] x[c] d[c]^(-beta - 1)."""
    _, C, H, W = x.shape
    factor = -2 * alpha * beta
    for n in range(first, end):
        for j in range(C):
            for h in range(H):
                for w in range(W):
                    dx[n, j, h, w] = 0
                for c in range(max(j - half, 0), min(j + half + 1, C)):
                    for w in range(W):
                        dx[n, j, h, w] += dy[n, c, h, w] * x[n, c, h, w] * power[n, c, h, w] / d[n, c, h, w]
                for w in range(W):
                    own = dy[n, j, h, w] * power[n, j, h, w]
                    dx[n, j, h, w] = own + factor * x[n, j, h, w] * dx[n, j, h, w]
