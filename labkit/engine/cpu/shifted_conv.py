"""Convolutions of any shape, by shifted images (see `shifted`)."""

import numpy as np

from labkit.engine import threads
from labkit.engine.cpu.compiled import compiled
from labkit.engine.cpu.panels import blocks, clear, copy, copy_plus, copy_to_every_second, maps_to_panel, panel_to_maps
from labkit.engine.cpu.product import TALL, picked_product, shifted_product
from labkit.engine.cpu.scratch import scratch
from labkit.engine.cpu.shifted import (
    Images,
    fill_images,
    gradient_images,
    gradient_phases,
    input_images,
    input_shifts,
    pack_filters,
    tap_targets,
)
from labkit.engine.cpu.vectors import lanes, lanes_of
from labkit.engine.cpu.work import MACS, parts, run
from labkit.network import Conv, Shape

CHUNK_BYTES = 1 << 19  # images and results held at a time: half of a usual second-level cache
SLACK = 1  # vectors of zeros behind the images of a chunk, which are read but not used
DEPTH = 256  # rows of filters multiplied at a time, so that those of a tile stay in the first-level cache


class ShiftedConv:
    """The three phases of any convolution; arrays are flat, and the caller's own."""

    def __init__(self, layer: Conv, shape: Shape, dtype: np.dtype):
        self._layer, self._dtype, self._width = layer, dtype, lanes_of(dtype)
        self._channels, self._filters = shape[0] // layer.groups, layer.K // layer.groups
        output = layer.output_shape(shape)
        self._maps = (*shape, *output, layer.groups)
        self._work = layer.K // layer.groups * output[1] * output[2] * shape[0] * layer.R * layer.S // MACS
        self._prepare_forward(output)
        self._prepare_backward(shape, output)

    def forward(self, x: np.ndarray, n: int, weight: np.ndarray, bias: np.ndarray, y: np.ndarray) -> None:
        """y [N * K * P * Q] of n samples x [N * C * H * W]; bias [K], or empty."""
        taps = self._layer.R * self._layer.S
        filters = (self._filters, self._channels, self._channels * taps, taps)
        lines = self._padded_filters * self._line
        w, *arrays = self._packed(weight, filters, self._targets, self._images_size, lines)
        run(multiply, n, n * self._work, x, y, w, bias, self._maps, *self._images, self._shifts, *arrays)

    def backward_data(self, dy: np.ndarray, n: int, weight: np.ndarray, dx: np.ndarray) -> None:
        """dx [N * C * H * W]; all 0 where the windows see nothing but padding."""
        if not self._reached:
            dx[:] = 0
            return
        taps = self._layer.R * self._layer.S
        filters = (self._channels, self._filters, taps, self._channels * taps)
        lines = self._padded_channels * self._back_line
        w, *arrays = self._packed(weight, filters, self._back_targets, self._back_images_size, lines)
        tables = (*self._back_images, self._layer.stride, self._back_phases, self._back_shifts)
        run(multiply_back, n, n * self._work, dy, dx, w, self._maps, *tables, *arrays)

    def backward_weights(self, x: np.ndarray, dy: np.ndarray, n: int, dw: np.ndarray) -> None:
        """dw [K * C/groups * R * S]."""
        work, width = n * self._work, self._width
        columns = blocks(self._filters, self._dtype) * width
        sums = self._layer.groups * columns * len(self._shifts)
        sizes = (self._images_size, columns * self._line, width * width, sums)
        arrays = scratch(self._dtype, threads.current(), *sizes)
        run(gradients, n, work, x, dy, self._maps, *self._images, self._shifts, *arrays)
        places = self._channels * self._layer.R * self._layer.S
        sizes = (self._layer.groups, self._filters, places, len(self._shifts))
        unpack_gradients(arrays[-1], parts(n, work), sizes, dw, arrays[-2][0])

    def _prepare_forward(self, output: Shape) -> None:
        images = input_images(self._layer, output)
        panels = blocks(self._filters, self._dtype)
        self._padded_filters = panels * self._width
        chunk = self._chunk(images, self._channels, self._padded_filters)
        step = self._image_step(images, chunk)
        self._line = step
        self._images = (np.array(images.phases), (*images.layout, step), chunk)
        self._images_size = self._channels * len(images.phases) * step
        self._shifts = input_shifts(self._layer, self._channels, images, step, TALL)
        all_taps = tuple(range(self._layer.R * self._layer.S))
        self._targets = tap_targets([all_taps], self._channels, panels, self._dtype)

    def _prepare_backward(self, shape: Shape, output: Shape) -> None:
        images = gradient_images(self._layer, shape, output)
        panels = blocks(self._channels, self._dtype)
        self._padded_channels = panels * self._width
        chunk = self._chunk(images, self._filters, self._padded_channels)
        step = self._image_step(images, chunk)
        self._back_line = step
        self._back_images = (np.array(images.phases), (*images.layout, step), chunk)
        self._back_images_size = self._filters * step
        phases = gradient_phases(self._layer, shape, images, step)
        self._reached = bool(phases)
        if not phases:
            return
        reached = [phase.taps for phase in phases]
        # Taps that meet nothing but padding are packed, too, behind the others; nobody reads them.
        missed = tuple(set(range(self._layer.R * self._layer.S)).difference(*reached))
        self._back_targets = tap_targets([*reached, missed], self._filters, panels, self._dtype)
        self._back_phases = np.array([(*p.first, p.rows, p.columns, p.base, len(p.taps)) for p in phases])
        self._back_shifts = np.concatenate([phase.shifts for phase in phases])

    def _chunk(self, images: Images, channels: int, others: int) -> int:
        """Samples whose images, and the `others` channels that are computed from them, are held at a time."""
        values = images.size * (channels * len(images.phases) + others)
        return max(1, CHUNK_BYTES // (values * self._dtype.itemsize))

    def _image_step(self, images: Images, chunk: int) -> int:
        """From image to image: those of all samples of a chunk, and zeros for the vectors at the end."""
        return (blocks(chunk * images.size, self._dtype) + SLACK) * self._width

    def _packed(self, weight: np.ndarray, filters: tuple, targets: np.ndarray, *sizes: int) -> tuple:
        """The filters of all groups as panels [groups, values], and scratch of `sizes` for each part."""
        groups, rows = self._layer.groups, threads.current()
        panels = blocks(filters[0], self._dtype)
        per_group = panels * filters[1] * len(targets) * self._width
        taps = (blocks(len(targets), self._dtype) + 1) * self._width**2
        *arrays, scraps, w = scratch(self._dtype, rows, *sizes, taps, -(-groups * per_group // rows))
        w = w.reshape(-1)[: groups * per_group].reshape(groups, per_group)
        flat = weight.reshape(groups, -1)
        for g in range(groups):
            run(pack_filters, panels, per_group * 4, flat[g], w[g], filters, targets, scraps)
        return w, *arrays


@compiled
def multiply(first, end, part, x, y, w, bias, maps, phases, layout, chunk, shifts, all_images, all_lines):
    """y of samples first to end."""
    C, H, W, K, P, Q, groups = maps
    _, _, _, _, rows, row, step = layout
    images, lines, width = all_images[part], all_lines[part], lanes(x)
    channels, filters, size = C // groups, K // groups, rows * row
    places = w.shape[1] // (-(-filters // width) * width)
    for start in range(first, end, chunk):
        stop = min(start + chunk, end)
        vectors = -(-((stop - start - 1) * size + (P - 1) * row + Q) // width)
        for g in range(groups):
            fill_images(x, start, stop, (g * channels, channels, C, H, W), phases, layout, images)
            for d in range(0, places, DEPTH):
                depth = min(DEPTH, places - d)
                shifted_product(
                    w[g], d * width, places * width, images, 0, shifts, d,
                    lines, 0, step, filters, vectors, depth, d > 0,
                )  # fmt: skip
            for k in range(filters):
                shift = bias[g * filters + k] if bias.size else bias.dtype.type(0)
                for n in range(start, stop):
                    to, at = (n * K + g * filters + k) * P * Q, k * step + (n - start) * size
                    for p in range(P):
                        copy_plus(lines, at + p * row, Q, y, to + p * Q, shift)


@compiled
def multiply_back(first, end, part, dy, dx, w, maps, zero, layout, chunk, stride, table, shifts, all_images, all_lines):
    """dx of samples first to end, phase by phase; `table` holds (row, column, rows, columns, base, taps) of each."""
    C, H, W, K, P, Q, groups = maps
    _, _, _, _, image_rows, row, step = layout
    images, lines, width = all_images[part], all_lines[part], lanes(dy)
    channels, filters, size = C // groups, K // groups, image_rows * row
    clear(dx, first * C * H * W, (end - first) * C * H * W)
    for start in range(first, end, chunk):
        stop = min(start + chunk, end)
        for g in range(groups):
            fill_images(dy, start, stop, (g * filters, filters, K, P, Q), zero, layout, images)
            a, st = 0, 0
            for phase in range(len(table)):
                h0, w0, rows, columns, base, taps = table[phase]
                vectors, depth = -(-((stop - start - 1) * size + (rows - 1) * row + columns) // width), filters * taps
                for d in range(0, depth, DEPTH):
                    shifted_product(
                        w[g], a + d * width, depth * width, images, base, shifts, st + d,
                        lines, 0, step, channels, vectors, min(DEPTH, depth - d), d > 0,
                    )  # fmt: skip
                for c in range(channels):
                    for n in range(start, stop):
                        to = ((n * C + g * channels + c) * H + h0) * W + w0
                        at = c * step + (n - start) * size
                        for u in range(rows):
                            line = to + u * stride[0] * W
                            if stride[1] == 1:
                                copy(lines, at + u * row, columns, dx, line)
                            elif stride[1] == 2:
                                copy_to_every_second(lines, at + u * row, columns, dx, line)
                            else:
                                for v in range(columns):
                                    dx[line + v * stride[1]] = lines[at + u * row + v]
                a += -(-channels // width) * depth * width
                st += depth


@compiled
def gradients(
    first, end, part, x, dy, maps, phases, layout, chunk, shifts, all_images, all_columns, all_squares, all_sums
):
    """sums[part, group, panel of filters, place, lane] of samples first to end."""
    C, H, W, K, P, Q, groups = maps
    _, _, _, _, rows, row, step = layout
    images, columns, sums, width = all_images[part], all_columns[part], all_sums[part], lanes(x)
    channels, filters, size, places = C // groups, K // groups, rows * row, len(shifts)
    panels = -(-filters // width)
    for start in range(first, end, chunk):
        stop = min(start + chunk, end)
        depth = (stop - start - 1) * size + (P - 1) * row + Q
        for g in range(groups):
            fill_images(x, start, stop, (g * channels, channels, C, H, W), phases, layout, images)
            clear(columns, 0, panels * step * width)  # between the rows of outputs, too
            for panel in range(panels):
                valid = min(width, filters - panel * width)
                for n in range(start, stop):
                    at = (n * K + g * filters + panel * width) * P * Q
                    to = (panel * step + (n - start) * size) * width
                    maps_to_panel(dy, at, P * Q, valid, P, Q, columns, to, row * width, all_squares[part])
            c, c_step = g * panels * places * width, places * width
            picked_product(
                images, 0, shifts, columns, 0, step * width, sums, c, c_step, places, panels, depth, start > first
            )


@compiled
def unpack_gradients(sums, parts, sizes, dw, square):
    """dw[k, place] = the sum of all parts' sums. sizes: (groups, filters, places, places with those added)."""
    groups, filters, places, padded = sizes
    width = lanes(dw)
    inner = -(-filters // width)
    total = sums[0]
    for other in range(1, parts):
        for i in range(groups * inner * padded * width):
            total[i] += sums[other, i]
    for g in range(groups):
        for block in range(inner):
            at, to = (g * inner + block) * padded * width, (g * filters + block * width) * places
            panel_to_maps(total, at, 0, min(width, filters - block * width), 1, places, dw, to, places, square)
