"""Fully connected layers: matrix products that read or write the weights once, in the order in which they are stored.

With few samples these layers take as long as it takes to fetch their weights from memory; so each phase walks through
the weights along their rows, and copies no more of them than fits into the first-level cache.
"""

import numpy as np

from labkit.engine import threads
from labkit.engine.cpu.compiled import compiled
from labkit.engine.cpu.panels import aligned, blocks, maps_to_panel, panel_to_maps
from labkit.engine.cpu.product import ACROSS, TALL, product, shifted_product
from labkit.engine.cpu.scratch import scratch
from labkit.engine.cpu.vectors import lanes, lanes_of, load_some, store
from labkit.network import Dense, Shape

DEPTH = 512  # features multiplied at a time in FP: TALL rows of weights that long stay in the first-level cache
SHALLOW, DEEP = 32, 128  # rows of weights multiplied at a time in BP, with few and with many samples
STRIP = 3  # vectors of a row of weights that BP works on at a time
LEAST_WORK = 1 << 21  # multiplications from which on several threads are faster than one


class DenseOps:
    """y = x . W^T + b; dx = dy . W; dW = dy^T . x; db = sum of dy over the batch.

    Rows of features are padded to whole vectors where they are not; x, W and dW are then copied to and fro.
    """

    def __init__(self, layer: Dense, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype):
        ((self._features,),) = input_shapes
        self._K, self._dtype, self._width = layer.K, dtype, lanes_of(dtype)
        self._row = blocks(self._features, dtype) * self._width
        self._y = aligned(batch * layer.K, dtype).reshape(batch, layer.K)
        rows = blocks(batch, dtype) * self._width
        self._dx = aligned(rows * self._row, dtype).reshape(rows, self._row)
        # In BP the gradient has to be contiguous, without the padding.
        self._padded = self._row != self._features
        self._narrow_dx = np.empty((batch if self._padded else 0, self._features), dtype)
        self._x = None
        self.workspace_bytes = self._y.nbytes + self._dx.nbytes + self._narrow_dx.nbytes

    def forward(self, xs, weights, state, training, draw):
        (self._x,) = xs
        n, K, features, parts = len(self._x), self._K, self._features, self._parts(len(self._x))
        panels = blocks(n, self._dtype) * self._width
        sizes = (TALL * DEPTH, self._width**2, -(-panels * features // parts), -(-panels * K // parts))
        rows, square, x_panels, y_panels = scratch(self._dtype, parts, *sizes)
        x_panels, y_panels = x_panels.reshape(-1), y_panels.reshape(-1)
        to_panels(self._x.reshape(-1), n, features, x_panels, square[0])
        flat = (weights["weight"].reshape(-1), x_panels, y_panels)
        self._spread(multiply, -(-K // TALL), n, *flat, n, features, K, rows)
        y = self._y[:n]
        from_panels(y_panels, n, K, y.reshape(-1), square[0])
        if "bias" in weights:
            y += weights["bias"]
        return y

    def backward_weights(self, dy, weights, gradients):
        n, K, row = len(dy), self._K, self._row
        panels = blocks(K, self._dtype)
        dw = gradients["weight"]
        direct = not self._padded and K % ACROSS == 0
        copied = (0 if direct else panels * self._width * row, n * row if self._padded else 0)
        dy_panels, wide_dw, wide_x = scratch(self._dtype, 1, panels * n * self._width, *copied)
        pack_rows(dy.reshape(-1), n, K, dy_panels[0])
        x = self._widened(self._x, wide_x[0])
        target = dw.reshape(-1) if direct else wide_dw[0]
        self._spread(multiply_gradients, panels, n, dy_panels[0], x, target, n, K, row, np.arange(n) * row)
        if not direct:
            dw[:] = target[: K * row].reshape(K, row)[:, : self._features]
        if "bias" in gradients:
            np.sum(dy, axis=0, out=gradients["bias"])

    def backward_data(self, dy, weights):
        n, K, row = len(dy), self._K, self._row
        panels = blocks(n, self._dtype) * self._width
        sizes = (panels * K, self._width**2, K * row if self._padded else 0)
        dy_panels, square, wide_w = scratch(self._dtype, 1, *sizes)
        to_panels(dy.reshape(-1), n, K, dy_panels[0], square[0])
        w = self._widened(weights["weight"], wide_w[0])
        shifts = np.arange(DEEP if n > 2 * ACROSS else SHALLOW) * row
        strips = -(-row // (STRIP * self._width))
        self._spread(multiply_back, strips, n, dy_panels[0], w, self._dx.reshape(-1), n, K, row, shifts)
        if not self._padded:
            return (self._dx[:n],)
        self._narrow_dx[:n] = self._dx[:n, : self._features]
        return (self._narrow_dx[:n],)

    def _widened(self, matrix: np.ndarray, room: np.ndarray) -> np.ndarray:
        """The matrix [rows, features], flat; in `room` and padded with zeros where rows are no whole vectors."""
        if not self._padded:
            return matrix.reshape(-1)
        wide = room[: len(matrix) * self._row].reshape(len(matrix), self._row)
        wide[:, : self._features] = matrix
        wide[:, self._features :] = 0
        return wide.reshape(-1)

    def _parts(self, n: int) -> int:
        return threads.current() if n * self._features * self._K >= LEAST_WORK else 1

    def _spread(self, loop, count: int, n: int, *arguments) -> None:
        if self._parts(n) == 1:
            loop(0, count, 0, *arguments)
        else:
            threads.spread(loop, count, *arguments)


@compiled
def to_panels(x, n, columns, panels, square):
    """panels[block, column, lane] = x[block * lanes + lane, column] of a matrix x [n, columns] (flat): transposed."""
    width = lanes(x)
    for i in range(0, n, width):
        maps_to_panel(x, i * columns, columns, min(width, n - i), 1, columns, panels, i * columns, 0, square)


@compiled
def from_panels(panels, n, columns, y, square):
    """The reverse of `to_panels`."""
    width = lanes(y)
    for i in range(0, n, width):
        panel_to_maps(panels, i * columns, 0, min(width, n - i), 1, columns, y, i * columns, columns, square)


@compiled
def pack_rows(x, n, columns, panels):
    """panels[block, row, lane] = x[row, block * lanes + lane] of a matrix x [n, columns] (flat)."""
    width = lanes(x)
    for i in range(n):
        for j in range(0, columns, width):
            store(panels, (j * n) + i * width, load_some(x, i * columns + j, min(width, columns - j)))


@compiled
def multiply(first, end, part, w, x_panels, y_panels, n, features, K, all_rows):
    """Rows first * TALL to end * TALL of y^T = W . x^T."""
    rows, width = all_rows[part], lanes(w)
    panels = -(-n // width)
    for i in range(first * TALL, min(end * TALL, K), TALL):
        count = min(TALL, K - i)
        for d in range(0, features, DEPTH):
            depth = min(DEPTH, features - d)
            for k in range(count):
                for j in range(0, depth, width):
                    place = (i + k) * features + d + j
                    store(rows, j * count + k * width, load_some(w, place, min(width, depth - j)))
            product(
                rows, 0, count * width, x_panels, d * width, features * width,
                y_panels, i * width, width, K * width, count, panels, depth, d > 0,
            )  # fmt: skip


@compiled
def multiply_back(first, end, part, dy_panels, w, dx, n, K, row, shifts):
    """Strips first to end (of STRIP vectors each) of dx = dy . W."""
    width = lanes(w)
    start, stop = first * STRIP, min(end * STRIP, row // width)
    for d in range(0, K, len(shifts)):
        depth, at = min(len(shifts), K - d), d * row + start * width
        shifted_product(
            dy_panels, d * width, K * width, w, at, shifts, 0, dx, start * width, row, n, stop - start, depth, d > 0
        )


@compiled
def multiply_gradients(first, end, part, dy_panels, x, dw, n, K, row, shifts):
    """Rows of panels first to end (`lanes` rows each) of dW = dy^T . x."""
    width = lanes(x)
    for panel in range(first, end):
        place, rows = panel * width * row, min(width, K - panel * width)
        at = panel * n * width
        shifted_product(dy_panels, at, 0, x, 0, shifts, 0, dw, place, row, rows, row // width, n, False)
