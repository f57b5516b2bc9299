"""Max and average pooling. The maximum remembers where it stood, so that BP is one pass over the outputs."""

import numpy as np

from labkit.engine.cpu.compiled import compiled, compiled_exactly
from labkit.engine.cpu.work import run
from labkit.network import AvgPool, MaxPool, Shape

PAIRS = (2, 2, 2, 2, 0, 0)  # the commonest window, for which there are loops of its own


class MaxPoolOps:
    """Largest value of each window; the first one where several are equal."""

    def __init__(self, layer: MaxPool, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype):
        (shape,) = input_shapes
        output = layer.output_shape(shape)
        self._y = np.empty((batch, *output), dtype)
        self._where = np.empty((batch, *output), np.int32)  # index within the H*W values of the map
        self._dx = np.empty((batch, *shape), dtype)
        self._window = (layer.R, layer.S, *layer.stride, *layer.padding)
        self._pairs = self._window == PAIRS
        self.workspace_bytes = self._y.nbytes + self._where.nbytes + self._dx.nbytes

    def forward(self, xs, weights, state, training, draw):
        (x,) = xs
        y = self._y[: len(x)]
        run(pair_max if self._pairs else max_pool, len(x), x.size, x, y, self._where, self._window)
        return y

    def backward_data(self, dy, weights):
        dx = self._dx[: len(dy)]
        run(max_pool_backward, len(dy), dx.size, dy, self._where, dx.reshape(*dx.shape[:2], -1))
        return (dx,)

    def backward_weights(self, dy, weights, gradients):
        """Nothing to learn."""


class AvgPoolOps:
    """Sum of each window over R*S, zeros of the padding counted in."""

    def __init__(self, layer: AvgPool, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype):
        (shape,) = input_shapes
        self._y = np.empty((batch, *layer.output_shape(shape)), dtype)
        self._dx = np.empty((batch, *shape), dtype)
        self._window = (layer.R, layer.S, *layer.stride, *layer.padding)
        self._scale = dtype.type(1 / (layer.R * layer.S))
        self._pairs = self._window == PAIRS
        self.workspace_bytes = self._y.nbytes + self._dx.nbytes

    def forward(self, xs, weights, state, training, draw):
        (x,) = xs
        y = self._y[: len(x)]
        run(pair_sum if self._pairs else window_sum, len(x), x.size, x, y, self._window, self._scale)
        return y

    def backward_data(self, dy, weights):
        dx = self._dx[: len(dy)]
        run(pair_spread if self._pairs else window_spread, len(dy), dx.size, dy, dx, self._window, self._scale)
        return (dx,)

    def backward_weights(self, dy, weights, gradients):
        """Nothing to learn."""


@compiled_exactly
def max_pool(first, end, part, x, y, where, window):
    R, S, step_h, step_w, pad_h, pad_w = window
    _, C, H, W = x.shape
    for n in range(first, end):
        for c in range(C):
            for p in range(y.shape[2]):
                for q in range(y.shape[3]):
                    h0, w0 = p * step_h - pad_h, q * step_w - pad_w
                    best, at = x.dtype.type(-np.inf), max(h0, 0) * W + max(w0, 0)
                    for h in range(max(h0, 0), min(h0 + R, H)):
                        for w in range(max(w0, 0), min(w0 + S, W)):
                            value = x[n, c, h, w]
                            if value > best or value != value:  # NaN wins, so that it is noticed
                                best, at = value, h * W + w
                    y[n, c, p, q] = best
                    where[n, c, p, q] = at


@compiled
def max_pool_backward(first, end, part, dy, where, dx):
    for n in range(first, end):
        for c in range(dx.shape[1]):
            for i in range(dx.shape[2]):
                dx[n, c, i] = 0
            for p in range(dy.shape[2]):
                for q in range(dy.shape[3]):
                    dx[n, c, where[n, c, p, q]] += dy[n, c, p, q]


@compiled
def window_sum(first, end, part, x, y, window, scale):
    """y = scale * sum of each window's values that lie inside the map."""
    R, S, step_h, step_w, pad_h, pad_w = window
    _, C, H, W = x.shape
    for n in range(first, end):
        for c in range(C):
            for p in range(y.shape[2]):
                for q in range(y.shape[3]):
                    h0, w0 = p * step_h - pad_h, q * step_w - pad_w
                    total = scale * 0
                    for h in range(max(h0, 0), min(h0 + R, H)):
                        for w in range(max(w0, 0), min(w0 + S, W)):
                            total += x[n, c, h, w]
                    y[n, c, p, q] = scale * total


@compiled
def window_spread(first, end, part, dy, dx, window, scale):
    """dx = for each value, scale * sum of dy over the windows that it lies in."""
    R, S, step_h, step_w, pad_h, pad_w = window
    _, C, H, W = dx.shape
    for n in range(first, end):
        for c in range(C):
            dx[n, c] = 0
            for p in range(dy.shape[2]):
                for q in range(dy.shape[3]):
                    h0, w0 = p * step_h - pad_h, q * step_w - pad_w
                    share = scale * dy[n, c, p, q]
                    for h in range(max(h0, 0), min(h0 + R, H)):
                        for w in range(max(w0, 0), min(w0 + S, W)):
                            dx[n, c, h, w] += share


@compiled_exactly
def pair_max(first, end, part, x, y, where, window):
    """`max_pool` for windows of 2 x 2 side by side."""
    W = x.shape[3]
    for n in range(first, end):
        for c in range(y.shape[1]):
            for p in range(y.shape[2]):
                above, below = x[n, c, 2 * p], x[n, c, 2 * p + 1]
                for q in range(y.shape[3]):
                    best, at = above[2 * q], np.int32(2 * p * W + 2 * q)
                    value = above[2 * q + 1]
                    later = (value > best) | (value != value)
                    best, at = value if later else best, np.int32(2 * p * W + 2 * q + 1) if later else at
                    value = below[2 * q]
                    later = (value > best) | (value != value)
                    best, at = value if later else best, np.int32((2 * p + 1) * W + 2 * q) if later else at
                    value = below[2 * q + 1]
                    later = (value > best) | (value != value)
                    y[n, c, p, q] = value if later else best
                    where[n, c, p, q] = np.int32((2 * p + 1) * W + 2 * q + 1) if later else at


@compiled
def pair_sum(first, end, part, x, y, window, scale):
    """`window_sum` for windows of 2 x 2 side by side."""
    for n in range(first, end):
        for c in range(y.shape[1]):
            for p in range(y.shape[2]):
                above, below = x[n, c, 2 * p], x[n, c, 2 * p + 1]
                for q in range(y.shape[3]):
                    y[n, c, p, q] = scale * (above[2 * q] + above[2 * q + 1] + below[2 * q] + below[2 * q + 1])


@compiled
def pair_spread(first, end, part, dy, dx, window, scale):
    """`window_spread` for windows of 2 x 2 side by side."""
    for n in range(first, end):
        for c in range(dy.shape[1]):
            if dx.shape[2] % 2 or dx.shape[3] % 2:
                dx[n, c] = 0
            for p in range(dy.shape[2]):
                above, below = dx[n, c, 2 * p], dx[n, c, 2 * p + 1]
                for q in range(dy.shape[3]):
                    share = scale * dy[n, c, p, q]
                    above[2 * q], above[2 * q + 1] = share, share
                    below[2 * q], below[2 * q + 1] = share, share
