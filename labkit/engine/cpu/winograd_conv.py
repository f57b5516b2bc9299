"""Convolutions with square 3x3 or 5x5 filters at stride 1, by Winograd's method (see `winograd`)."""

import numpy as np

from labkit.engine import threads
from labkit.engine.cpu.compiled import compiled
from labkit.engine.cpu.panels import blocks, panel_to_maps
from labkit.engine.cpu.product import product, transposed_product
from labkit.engine.cpu.scratch import scratch
from labkit.engine.cpu.vectors import lanes, lanes_of
from labkit.engine.cpu.winograd import (
    SQUARE,
    TILE_OF,
    collect,
    filter_step,
    filters_to_points,
    maps_to_points,
    points_step,
    points_to_filters,
    scratch_size,
)
from labkit.engine.cpu.work import run
from labkit.network import Conv, Shape

# Tiles transformed at a time: enough to use each transformed filter often, few enough to stay in the cache.
CHUNK_TILES = 64


def suits(layer: Conv, shape: Shape) -> bool:
    """Whether this method is possible, and likely to be faster than a product over columns."""
    if layer.connections or layer.R != layer.S or layer.R not in TILE_OF or layer.stride != (1, 1):
        return False
    if min(shape[0], layer.K) // layer.groups < 12 or max(layer.padding) >= layer.R:
        return False
    _, P, Q = layer.output_shape(shape)
    m = TILE_OF[layer.R]
    # Tiles stand over the edge of small maps; their transforms cost about as much as a third of the multiplications.
    return 1.5 * SQUARE * -(-P // m) * -(-Q // m) < P * Q * layer.R**2


class WinogradConv:
    """The three phases for a layer that `suits`; arrays are flat, and the caller's own."""

    def __init__(self, layer: Conv, shape: Shape, dtype: np.dtype):
        K, P, Q = layer.output_shape(shape)
        C, H, W = shape
        R, (pad_h, pad_w) = layer.R, layer.padding
        self._layer, self._dtype = layer, dtype
        self._channels, self._filters = C // layer.groups, K // layer.groups
        self._plan = _plan(layer, (C, H, W), (K, P, Q), (pad_h, pad_w))
        self._back = _plan(layer, (K, P, Q), (C, H, W), (R - 1 - pad_h, R - 1 - pad_w))

    def forward(self, x: np.ndarray, n: int, weight: np.ndarray, bias: np.ndarray, y: np.ndarray) -> None:
        """y [N * K * P * Q] of n samples x [N * C * H * W]; bias [K], or empty."""
        taps = self._layer.R**2
        filters = (self._layer.R, self._filters, self._channels, self._channels * taps, taps)
        self._convolve(x, n, weight, filters, False, bias, y, self._plan)

    def backward_data(self, dy: np.ndarray, n: int, weight: np.ndarray, dx: np.ndarray) -> None:
        """dx: the convolution of dy with turned filters, channels and filters exchanged."""
        taps = self._layer.R**2
        filters = (self._layer.R, self._channels, self._filters, taps, self._channels * taps)
        self._convolve(dy, n, weight, filters, True, dx[:0], dx, self._back)

    def backward_weights(self, x: np.ndarray, dy: np.ndarray, n: int, dw: np.ndarray) -> None:
        """dw [K * C/groups * R * R]: at each point the product of the transformed x and dy, summed over all tiles."""
        groups, parts, width = self._layer.groups, min(threads.current(), n), lanes_of(self._dtype)
        panels, inner = blocks(self._filters, self._dtype), blocks(self._channels, self._dtype)
        panel_step = inner * width * width
        step = panels * panel_step + width
        points = _points_size(self._plan, inner * width)
        gradients = _points_size(self._plan, panels * width)
        small = (width * width, scratch_size(self._layer.R, width))
        sizes = (points, gradients, _frame_size(self._plan, width), *small, groups * SQUARE * step)
        *arrays, du = scratch(self._dtype, parts, *sizes)
        threads.spread(gradients_at_points, n, x, dy, self._plan, *arrays, du)
        shape = (self._layer.R, self._filters, self._channels, step, panel_step)
        flat = dw.reshape(groups, -1)
        for g in range(groups):
            at = g * SQUARE * step
            run(points_to_filters, panels, SQUARE * step, du, at, parts, shape, flat[g], arrays[-1])

    def _convolve(self, x, n, weight, filters, turned, bias, y, plan) -> None:
        groups, parts, width = self._layer.groups, threads.current(), lanes_of(self._dtype)
        R, outputs, depth, _, _ = filters
        panels = blocks(outputs, self._dtype)
        per_group = SQUARE * panels * filter_step.py_func(depth, width)
        points = _points_size(plan, blocks(depth, self._dtype) * width)
        products = _points_size(plan, 2 * width)
        small = (width * width, scratch_size(R, width))
        sizes = (points, products, _frame_size(plan, width), *small, groups * per_group)
        *arrays, u = scratch(self._dtype, parts, *sizes)
        u, flat = u.reshape(-1), weight.reshape(groups, -1)
        for g in range(groups):
            part = u[g * per_group : (g + 1) * per_group]
            run(filters_to_points, panels, part.size * 4, flat[g], part, filters, turned, arrays[-1])
        threads.spread(convolve, n, x, y, u, bias, plan, *arrays)


def _plan(layer: Conv, source: Shape, target: Shape, padding: tuple[int, int]) -> tuple[int, ...]:
    """All that the loops need to know of one direction: source and target maps, groups, frame, tiles, samples."""
    m = TILE_OF[layer.R]
    down, across = (-(-length // m) for length in target[1:])
    row = max(across * m + layer.R - 1, source[2] + padding[1])
    rows = max(down * m + layer.R - 1, source[1] + padding[0])
    chunk = max(1, CHUNK_TILES // (down * across))
    return (*source, *target, layer.groups, *padding, row, rows, down, across, m, chunk)


def _points_size(plan: tuple[int, ...], channels: int) -> int:
    """Values of the 36 matrices of all tiles of a chunk, for so many channels."""
    *_, down, across, _, chunk = plan
    return SQUARE * (channels * chunk * down * across + 64)


def _frame_size(plan: tuple[int, ...], width: int) -> int:
    row, rows = plan[9:11]
    return row * rows * width


@compiled
def convolve(first, end, part, x, y, u, bias, plan, all_points, all_products, all_framed, all_squares, all_work):
    """Samples first to end: transform, multiply with the filters at each point, transform back."""
    C, H, W, K, P, Q, groups, above, left, row, _, down, across, m, chunk = plan
    points, products, framed = all_points[part], all_products[part], all_framed[part]
    square, work, width = all_squares[part], all_work[part], lanes(x)
    channels, filters, tiles = C // groups, K // groups, down * across
    panels = -(-filters // width)
    for start in range(first, end, chunk):
        stop = min(start + chunk, end)
        count = (stop - start) * tiles
        step = points_step(channels, count, width)
        for g in range(groups):
            framed[:] = 0
            frame, grid = (above, left, row), (down, across, m, True)
            maps = (g * channels, channels, C, H, W)
            maps_to_points(x, start, stop, maps, frame, grid, points, square, work, framed)
            for panel in range(0, panels, 2):
                wide = min(2, panels - panel)
                b_step, block = 36 * filter_step(channels, width), count * width
                for f in range(36):
                    a, b = f * step, (g * panels + panel) * b_step + f * filter_step(channels, width)
                    c = f * (2 * block + width)
                    product(points, a, block, u, b, b_step, products, c, width, block, count, wide, channels, False)
                maps = (g * filters + panel * width, min(wide * width, filters - panel * width), K, P, Q)
                points_to_maps(products, start, stop, maps, grid, y, bias, square, work, framed)


@compiled
def points_to_maps(products, first, end, maps, grid, y, bias, square, work, pixels):
    """Transform products [36, panel, tile, lane] of a run of samples back into maps of y, and add the bias."""
    channel, channels, K, P, Q = maps
    down, across, m, _ = grid
    width = lanes(y)
    count, row = (end - first) * down * across, across * m * width
    step = (2 * count + 1) * width
    for k in range(0, channels, width):
        valid = min(width, channels - k)
        for n in range(first, end):
            at = (k // width * count + (n - first) * down * across) * width
            for t in range(down * across):
                corner = t // across * m * row + t % across * m * width
                for j in range(6):
                    collect(products, at + j * step, 6 * step, m, work, j * width, 6 * width, 1.0, 1.0)
                for i in range(m):
                    collect(work, i * 6 * width, width, m, pixels, corner + i * row, width, 1.0, 1.0)
                at += width
            place = (n * K + channel + k) * P * Q
            panel_to_maps(pixels, 0, row, valid, P, Q, y, place, P * Q, square)
            if bias.size:
                for c in range(valid):
                    for i in range(place + c * P * Q, place + (c + 1) * P * Q):
                        y[i] += bias[channel + k + c]


@compiled
def gradients_at_points(
    first, end, part, x, dy, plan, all_points, all_gradients, all_framed, all_squares, all_work, all_du
):
    """Samples first to end: du[f, panel, channel, lane] = sum over tiles of transformed x times transformed dy."""
    C, H, W, K, P, Q, groups, above, left, row, _, down, across, m, chunk = plan
    points, gradients, framed = all_points[part], all_gradients[part], all_framed[part]
    square, work, du, width = all_squares[part], all_work[part], all_du[part], lanes(x)
    channels, filters = C // groups, K // groups
    inner, panels = -(-channels // width), -(-filters // width)
    for start in range(first, end, chunk):
        stop = min(start + chunk, end)
        count = (stop - start) * down * across
        block = count * width
        step, step2 = points_step(channels, count, width), points_step(filters, count, width)
        for g in range(groups):
            framed[:] = 0
            maps = (g * channels, channels, C, H, W)
            maps_to_points(
                x, start, stop, maps, (above, left, row), (down, across, m, True), points, square, work, framed
            )
            framed[:] = 0
            maps = (g * filters, filters, K, P, Q)
            frame = (0, 0, across * m)
            maps_to_points(dy, start, stop, maps, frame, (down, across, m, False), gradients, square, work, framed)
            for f in range(36):
                c_step = inner * width * width
                c = (g * 36 + f) * (panels * c_step + width)
                transposed_product(
                    points, f * step, block, gradients, f * step2, block, du, c, width, c_step,
                    inner, panels, count, start > first,
                )  # fmt: skip
