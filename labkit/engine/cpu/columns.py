"""Convolution of any shape as a matrix product: each output pixel's window becomes a column of a matrix.

    outputs  y[k, pixel]  = sum over windows' places w[k, place] * columns[place, pixel]
    inputs   columns' gradient[place, pixel] = sum over k w[k, place] * dy[k, pixel], added back to where it came from
    weights  dw[place, k] = sum over pixels columns[place, pixel] * dy[pixel, k]

A place is a triple (c, r, s). The pixels of several samples stand one after the other, so that small maps fill whole
vectors, too. Every matrix is in panels (see `tile`).
"""

import numpy as np

from labkit.engine import threads
from labkit.engine.cpu.compiled import compiled
from labkit.engine.cpu.panels import blocks, maps_to_panel, panel_to_maps
from labkit.engine.cpu.scratch import scratch
from labkit.engine.cpu.tile import TALL, product, transposed_product
from labkit.engine.cpu.vectors import lanes, lanes_of, load, store
from labkit.network import Conv, Shape

COLUMNS_BYTES = 1 << 19  # of columns held at a time: half of a usual second-level cache
DEPTH = 512  # places multiplied at a time, so that a tile's rows stay in the first-level cache


class ColumnsConv:
    """The three phases of any convolution; arrays are flat, and the caller's own."""

    def __init__(self, layer: Conv, shape: Shape, dtype: np.dtype):
        output = layer.output_shape(shape)
        pixels = output[1] * output[2]
        self._dtype, self._groups, width = dtype, layer.groups, lanes_of(dtype)
        self._filters, self._places = layer.K // layer.groups, shape[0] // layer.groups * layer.R * layer.S
        self._padded = blocks(self._places, dtype) * width
        self._samples = max(1, COLUMNS_BYTES // (pixels * self._places * dtype.itemsize))
        self._pixels = blocks(self._samples * pixels, dtype) * width
        window = (layer.R, layer.S, *layer.stride, *layer.padding)
        self._plan = (*shape, *output, layer.groups, *window, self._samples)

    def forward(self, x: np.ndarray, n: int, weight: np.ndarray, bias: np.ndarray, y: np.ndarray) -> None:
        """y [N * K * P * Q] of n samples x [N * C * H * W]; bias [K], or empty."""
        parts = min(threads.current(), n)
        columns, outputs = self._places * self._pixels, self._filters * self._pixels
        *arrays, w = scratch(self._dtype, parts, columns, outputs, self._pixels, self._weights_size(parts))
        self._pack(weight, w)
        threads.spread(multiply, n, x, y, w.reshape(-1), bias, self._plan, *arrays)

    def backward_data(self, dy: np.ndarray, n: int, weight: np.ndarray, dx: np.ndarray) -> None:
        """dx [N * C * H * W]."""
        parts = min(threads.current(), n)
        columns, outputs = self._padded * self._pixels, self._filters * self._pixels
        *arrays, w = scratch(self._dtype, parts, columns, outputs, self._pixels, self._weights_size(parts))
        self._pack(weight, w)
        threads.spread(multiply_back, n, dy, dx, w.reshape(-1), self._plan, *arrays)

    def backward_weights(self, x: np.ndarray, dy: np.ndarray, n: int, dw: np.ndarray) -> None:
        """dw [K * C/groups * R * S]."""
        parts, width = min(threads.current(), n), lanes_of(self._dtype)
        padded = blocks(self._filters, self._dtype) * width
        sizes = (self._places * self._pixels, padded * self._pixels, self._pixels, width * width)
        *arrays, sums = scratch(self._dtype, parts, *sizes, self._groups * self._places * padded)
        threads.spread(gradients, n, x, dy, self._plan, *arrays, sums)
        unpack_gradients(sums, parts, self._groups, self._filters, self._places, dw, arrays[-1][0])

    def _weights_size(self, parts: int) -> int:
        return -(-self._groups * self._filters * self._padded // parts)

    def _pack(self, weight: np.ndarray, w: np.ndarray) -> None:
        rows = self._groups * self._filters
        pack_rows(weight, rows, self._filters, self._places, w.reshape(-1))


@compiled
def pack_rows(weight, rows, rows_of_group, places, w):
    """A row-major matrix of `rows` x `places` in panels, group of rows after group of rows."""
    width = lanes(weight)
    panels = -(-places // width)
    for row in range(rows):
        to = (row // rows_of_group * panels * rows_of_group + row % rows_of_group) * width
        for panel in range(panels):
            at, i = row * places + panel * width, 0
            if (panel + 1) * width <= places:
                store(w, to, load(weight, at))
            else:
                while i < width:
                    w[to + i] = weight[at + i] if panel * width + i < places else 0
                    i += 1
            to += rows_of_group * width


@compiled
def inside(size, outputs, step, shift):
    """The range of output positions i whose input position i * step + shift lies inside 0 to size - 1."""
    first = max(0, -(shift // step))  # the smallest i with i * step + shift >= 0
    end = min(outputs, (size - 1 - shift) // step + 1)
    return min(first, outputs), max(end, min(first, outputs))


@compiled
def gather(x, first, end, channel, place, plan, line):
    """line[pixel] = the value of x under one place of the window, for all pixels of samples first to end."""
    C, H, W, _, P, Q, _, R, S, step_h, step_w, pad_h, pad_w, _ = plan
    r, s = place // S % R, place % S
    p0, p1 = inside(H, P, step_h, r - pad_h)
    q0, q1 = inside(W, Q, step_w, s - pad_w)
    c = channel + place // (R * S)
    for n in range(first, end):
        to = (n - first) * P * Q
        if p0 > 0 or q0 > 0 or p1 < P or q1 < Q:
            line[to : to + P * Q] = 0
        for p in range(p0, p1):
            at = ((n * C + c) * H + p * step_h + r - pad_h) * W + s - pad_w
            if step_w == 1:
                for q in range(q0, q1):
                    line[to + p * Q + q] = x[at + q]
            else:
                for q in range(q0, q1):
                    line[to + p * Q + q] = x[at + q * step_w]


@compiled
def scatter(line, first, end, channel, place, plan, dx):
    """The reverse of `gather`: add each value of the line to the value of dx that it came from."""
    C, H, W, _, P, Q, _, R, S, step_h, step_w, pad_h, pad_w, _ = plan
    r, s = place // S % R, place % S
    p0, p1 = inside(H, P, step_h, r - pad_h)
    q0, q1 = inside(W, Q, step_w, s - pad_w)
    c = channel + place // (R * S)
    for n in range(first, end):
        at = (n - first) * P * Q
        for p in range(p0, p1):
            to = ((n * C + c) * H + p * step_h + r - pad_h) * W + s - pad_w
            if step_w == 1:
                for q in range(q0, q1):
                    dx[to + q] += line[at + p * Q + q]
            else:
                for q in range(q0, q1):
                    dx[to + q * step_w] += line[at + p * Q + q]


@compiled
def line_to_row(line, panels, rows, row, matrix):
    """Put a line of pixels into one row of a matrix in panels."""
    for panel in range(panels):
        store(matrix, (panel * rows + row) * lanes(line), load(line, panel * lanes(line)))


@compiled
def row_to_line(matrix, panels, rows, row, line):
    """Take one row of a matrix in panels out as a line."""
    for panel in range(panels):
        store(line, panel * lanes(line), load(matrix, (panel * rows + row) * lanes(line)))


@compiled
def fill_columns(x, start, stop, g, plan, line, columns):
    """The matrix of all places of group g by all pixels of samples start to stop; returns its panels and rows."""
    C, P, Q, groups, R, S = plan[0], plan[4], plan[5], plan[6], plan[7], plan[8]
    count, width = (stop - start) * P * Q, lanes(line)
    panels, places = -(-count // width), C // groups * R * S
    line[count : panels * width] = 0
    for place in range(places):
        gather(x, start, stop, g * (C // groups), place, plan, line)
        line_to_row(line, panels, places, place, columns)
    return panels, places


@compiled
def multiply(first, end, part, x, y, w, bias, plan, all_columns, all_outputs, all_lines):
    """y of samples first to end."""
    K, P, Q, groups, chunk = plan[3], plan[4], plan[5], plan[6], plan[-1]
    columns, outputs, line, width = all_columns[part], all_outputs[part], all_lines[part], lanes(x)
    filters, size = K // groups, P * Q
    for start in range(first, end, chunk):
        stop = min(start + chunk, end)
        for g in range(groups):
            panels, places = fill_columns(x, start, stop, g, plan, line, columns)
            base = g * filters * (-(-places // width)) * width
            for d in range(0, places, DEPTH):
                depth = min(DEPTH, places - d)
                for i in range(0, filters, TALL):
                    a, rows = base + (d // width * filters + i) * width, min(TALL, filters - i)
                    product(
                        w, a, filters * width, columns, d * width, places * width,
                        outputs, i * width, width, filters * width, rows, panels, depth, d > 0,
                    )  # fmt: skip
            for k in range(filters):
                row_to_line(outputs, panels, filters, k, line)
                shift = bias[g * filters + k] if bias.size else line[0] * 0
                for n in range(start, stop):
                    to, at = (n * K + g * filters + k) * size, (n - start) * size
                    for i in range(size):
                        y[to + i] = line[at + i] + shift


@compiled
def multiply_back(first, end, part, dy, dx, w, plan, all_columns, all_outputs, all_lines):
    """dx of samples first to end."""
    C, H, W, K, P, Q, groups, R, S = plan[:9]
    columns, outputs, line, width = all_columns[part], all_outputs[part], all_lines[part], lanes(dy)
    filters, places, size, chunk = K // groups, C // groups * R * S, P * Q, plan[-1]
    inner = -(-places // width)
    dx[first * C * H * W : end * C * H * W] = 0
    for start in range(first, end, chunk):
        stop = min(start + chunk, end)
        panels = -(-(stop - start) * size // width)
        for g in range(groups):
            line[:] = 0
            for k in range(filters):
                for n in range(start, stop):
                    at, to = (n * K + g * filters + k) * size, (n - start) * size
                    line[to : to + size] = dy[at : at + size]
                line_to_row(line, panels, filters, k, outputs)
            for block in range(inner):
                a, c = (g * inner + block) * filters * width, block * width * width
                transposed_product(
                    w, a, filters * width, outputs, 0, filters * width,
                    columns, c, width, inner * width * width, 1, panels, filters, False,
                )  # fmt: skip
            for place in range(places):
                row_to_line(columns, panels, inner * width, place, line)
                scatter(line, start, stop, g * (C // groups), place, plan, dx)


@compiled
def gradients(first, end, part, x, dy, plan, all_columns, all_outputs, all_lines, all_squares, all_sums):
    """sums[part, group, panel of filters, place, lane] of samples first to end."""
    K, P, Q, groups, chunk = plan[3], plan[4], plan[5], plan[6], plan[-1]
    columns, outputs, line = all_columns[part], all_outputs[part], all_lines[part]
    square, sums, width = all_squares[part], all_sums[part], lanes(x)
    filters, size = K // groups, P * Q
    for start in range(first, end, chunk):
        stop = min(start + chunk, end)
        count = (stop - start) * size
        for g in range(groups):
            _, places = fill_columns(x, start, stop, g, plan, line, columns)
            inner = -(-filters // width)
            for block in range(inner):
                valid = min(width, filters - block * width)
                for n in range(start, stop):
                    at = (n * K + g * filters + block * width) * size
                    to = (block * count + (n - start) * size) * width
                    maps_to_panel(dy, at, size, valid, 1, size, outputs, to, 0, square)
            product(
                columns, 0, places * width, outputs, 0, count * width,
                sums, g * inner * places * width, width, places * width, places, inner, count, start > first,
            )  # fmt: skip


@compiled
def unpack_gradients(sums, parts, groups, filters, places, dw, square):
    """dw[k, place] = the sum of all parts' sums."""
    width = lanes(dw)
    inner = -(-filters // width)
    total = sums[0]
    for other in range(1, parts):
        for i in range(groups * inner * places * width):
            total[i] += sums[other, i]
    for g in range(groups):
        for block in range(inner):
            at, to = (g * inner + block) * places * width, (g * filters + block * width) * places
            panel_to_maps(total, at, 0, min(width, filters - block * width), 1, places, dw, to, places, square)
