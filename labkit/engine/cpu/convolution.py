"""Convolution as matrix products over columns: each output pixel's window, copied into a column of a matrix."""

import numpy as np

from labkit.engine.cpu.compiled import compiled
from labkit.network import Conv, Shape


class ConvOps:
    """Per sample and group: y = W . columns(x); dcolumns = W^T . dy; dW = sum of dy . columns(x)^T."""

    def __init__(self, layer: Conv, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype):
        (shape,) = input_shapes
        K, P, Q = layer.output_shape(shape)
        self._layer, self._maps = layer, P * Q
        self._links = shape[0] // layer.groups * layer.R * layer.S  # length of a column
        self._y = np.empty((batch, K, P, Q), dtype)
        self._dx = np.empty((batch, *shape), dtype)
        self._columns = np.empty((layer.groups, self._links, P * Q), dtype)
        self._dense = np.zeros((K, shape[0], layer.R, layer.S), dtype) if layer.connections else None
        self._window = (layer.R, layer.S, *layer.stride, *layer.padding)
        self._x = None
        self.workspace_bytes = self._y.nbytes + self._dx.nbytes + self._columns.nbytes

    def forward(self, xs, weights, state, training, draw):
        (self._x,) = xs
        y = self._y[: len(self._x)]
        matrix = self._matrix(weights)
        for n, x in enumerate(self._x):
            gather(x, self._columns.reshape(-1, *y.shape[2:]), self._window)
            np.matmul(matrix, self._columns, out=y[n].reshape(self._layer.groups, -1, self._maps))
        if "bias" in weights:
            y += weights["bias"][:, None, None]
        return y

    def backward_data(self, dy, weights):
        dx = self._dx[: len(dy)]
        matrix = self._matrix(weights).transpose(0, 2, 1)
        for n in range(len(dy)):
            np.matmul(matrix, dy[n].reshape(self._layer.groups, -1, self._maps), out=self._columns)
            dx[n] = 0
            scatter(self._columns.reshape(-1, *dy.shape[2:]), dx[n], self._window)
        return (dx,)

    def backward_weights(self, dy, weights, gradients):
        total = np.zeros_like(self._matrix(weights))
        for n, x in enumerate(self._x):
            gather(x, self._columns.reshape(-1, *dy.shape[2:]), self._window)
            total += dy[n].reshape(self._layer.groups, -1, self._maps) @ self._columns.transpose(0, 2, 1)
        if self._dense is None:
            gradients["weight"][:] = total.reshape(gradients["weight"].shape)
        else:
            total = total.reshape(self._dense.shape)
            links = [(k, c) for k, row in enumerate(self._layer.connections) for c in row]
            gradients["weight"][:] = total[tuple(np.transpose(links))]
        if "bias" in gradients:
            np.sum(dy, axis=(0, 2, 3), out=gradients["bias"])

    def _matrix(self, weights: dict[str, np.ndarray]) -> np.ndarray:
        """The weights as [groups, K/groups, links of a filter]; those of missing connections are zero."""
        if self._dense is not None:
            links = [(k, c) for k, row in enumerate(self._layer.connections) for c in row]
            self._dense[tuple(np.transpose(links))] = weights["weight"]
            return self._dense.reshape(1, len(self._dense), -1)
        return weights["weight"].reshape(self._layer.groups, -1, self._links)


@compiled
def gather(x, columns, window):
    """columns[(c, r, s), p, q] = the value of x [C, H, W] under place (r, s) of output pixel (p, q)'s window."""
    R, S, step_h, step_w, pad_h, pad_w = window
    C, H, W = x.shape
    _, P, Q = columns.shape
    for row in range(C * R * S):
        c, r, s = row // (R * S), row // S % R, row % S
        for p in range(P):
            h = p * step_h + r - pad_h
            for q in range(Q):
                w = q * step_w + s - pad_w
                columns[row, p, q] = x[c, h, w] if 0 <= h < H and 0 <= w < W else 0


@compiled
def scatter(columns, dx, window):
    """The reverse of `gather`: adds each value of the columns to the value of dx [C, H, W] that it came from."""
    R, S, step_h, step_w, pad_h, pad_w = window
    C, H, W = dx.shape
    _, P, Q = columns.shape
    for row in range(C * R * S):
        c, r, s = row // (R * S), row // S % R, row % S
        for p in range(P):
            h = p * step_h + r - pad_h
            for q in range(Q):
                w = q * step_w + s - pad_w
                if 0 <= h < H and 0 <= w < W:
                    dx[c, h, w] += columns[row, p, q]
