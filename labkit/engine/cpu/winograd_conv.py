"""Convolutions with square 3x3 or 5x5 filters at stride 1, by Winograd's method (see `winograd`).

Two orders of work. *By samples*: the filters are transformed once, and all else is done for a few samples at a time,
whose transformed tiles stay in the cache. *By panels*, where the filters are large and the tiles few: all tiles are
transformed first, and then some filters at a time, which never leave the cache in their transformed, larger form.
"""

import numpy as np

from labkit.engine import threads
from labkit.engine.cpu import winograd_loops as loops
from labkit.engine.cpu.panels import blocks
from labkit.engine.cpu.scratch import scratch
from labkit.engine.cpu.vectors import lanes_of
from labkit.engine.cpu.winograd import SQUARE, TILE_OF, filters_to_points, points_to_filters, scratch_size
from labkit.engine.cpu.work import MACS, parts, run
from labkit.network import Conv, Shape

# Tiles transformed at a time: enough to use each transformed filter often, few enough to stay in the cache.
CHUNK_TILES = 64


def suits(layer: Conv, shape: Shape) -> bool:
    """Whether this method is possible, and likely to be faster than by shifted images."""
    if layer.connections or layer.R != layer.S or layer.R not in TILE_OF or layer.stride != (1, 1):
        return False
    if min(shape[0], layer.K) // layer.groups < 12 or max(layer.padding) >= layer.R:
        return False
    _, P, Q = layer.output_shape(shape)
    m = TILE_OF[layer.R]
    # Tiles stand over the edge of small maps; their transforms cost about half as much as the multiplications.
    return 1.5 * SQUARE * -(-P // m) * -(-Q // m) < P * Q * layer.R**2


class WinogradConv:
    """The three phases for a layer that `suits`; arrays are flat, and the caller's own."""

    def __init__(self, layer: Conv, shape: Shape, dtype: np.dtype):
        output = layer.output_shape(shape)
        R, (pad_h, pad_w) = layer.R, layer.padding
        self._layer, self._dtype, self._width = layer, dtype, lanes_of(dtype)
        self._shape, self._output = shape, output
        self._channels, self._filters = shape[0] // layer.groups, layer.K // layer.groups
        self._plan = _plan(layer, shape, output, (pad_h, pad_w))
        self._back = _plan(layer, output, shape, (R - 1 - pad_h, R - 1 - pad_w))
        self._work = layer.macs(shape) // MACS

    def forward(self, x: np.ndarray, n: int, weight: np.ndarray, bias: np.ndarray, y: np.ndarray) -> None:
        """y [N * K * P * Q] of n samples x [N * C * H * W]; bias [K], or empty."""
        taps = self._layer.R**2
        filters = (self._layer.R, self._filters, self._channels, self._channels * taps, taps)
        for g, w in enumerate(weight.reshape(self._layer.groups, -1)):
            source, target = self._maps(g)
            self._convolve((x, y, bias), n, (source, target, self._plan), w, filters, False)

    def backward_data(self, dy: np.ndarray, n: int, weight: np.ndarray, dx: np.ndarray) -> None:
        """dx: the convolution of dy with turned filters, channels and filters exchanged."""
        taps = self._layer.R**2
        filters = (self._layer.R, self._channels, self._filters, taps, self._channels * taps)
        for g, w in enumerate(weight.reshape(self._layer.groups, -1)):
            target, source = self._maps(g)
            self._convolve((dy, dx, dx[:0]), n, (source, target, self._back), w, filters, True)

    def backward_weights(self, x: np.ndarray, dy: np.ndarray, n: int, dw: np.ndarray) -> None:
        """dw [K * C/groups * R * R]: at each point the product of the transformed x and dy, summed over all tiles."""
        for g, dw_of_group in enumerate(dw.reshape(self._layer.groups, -1)):
            geometry = (*self._maps(g), self._plan)
            if self._few_tiles(n, self._plan):
                self._gradients_by_panels(x, dy, n, geometry, dw_of_group)
            else:
                self._gradients_by_samples(x, dy, n, geometry, dw_of_group)

    def _maps(self, g: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """(first map, how many, and the shape of all) of group g, for the inputs and for the outputs."""
        of_inputs = (g * self._channels, self._channels, *self._shape)
        return of_inputs, (g * self._filters, self._filters, *self._output)

    def _few_tiles(self, n: int, plan: tuple[int, ...]) -> bool:
        """Whether transformed tiles take less room than transformed filters."""
        return n * plan[4] * plan[5] <= min(self._channels, self._filters)

    def _convolve(self, arrays, n: int, geometry, w: np.ndarray, filters: tuple[int, ...], turned: bool) -> None:
        """Forward or backward: arrays (from, to, bias), geometry (maps of `from`, maps of `to`, plan)."""
        source, target, plan = geometry
        panels, work, rows = blocks(target[1], self._dtype), n * self._work, threads.current()
        few = self._few_tiles(n, plan)
        tiles = plan[4] * plan[5] * (n if few else min(n, plan[7]))
        points = self._points(source[1], tiles)
        step = (filters[2] + 1) * self._width  # `filter_step`
        sizes = (self._points(2 * self._width, tiles), *self._small(plan))
        if few:
            *locals_, u, shared = scratch(self._dtype, rows, *sizes, 2 * SQUARE * step, -(-points // rows))
            v = shared.reshape(-1)
            run(loops.transform, n, work // 4, arrays[0], n, source, plan, True, v, *locals_[1:])
            pairs = -(-panels // 2)
            run(loops.convolve_panels, pairs, work, n, arrays[1:], w, filters, turned, geometry, v, u, *locals_)
        else:
            u_size = SQUARE * panels * step
            *locals_, v, shared = scratch(self._dtype, rows, *sizes, points, -(-u_size // rows))
            u = shared.reshape(-1)
            run(filters_to_points, panels, u_size, 0, w, u, filters, turned, locals_[-1])
            run(loops.convolve_samples, n, work, arrays, geometry, u, v, *locals_)

    def _gradients_by_samples(self, x, dy, n: int, geometry, dw: np.ndarray) -> None:
        source, target, plan = geometry
        work, rows = n * self._work, threads.current()
        panel_step, step = self._gradient_steps(blocks(target[1], self._dtype))
        tiles = plan[4] * plan[5] * min(n, plan[7])
        sizes = (self._points(source[1], tiles), self._points(target[1], tiles), *self._small(plan), SQUARE * step)
        *locals_, du = scratch(self._dtype, rows, *sizes)
        run(loops.gradients_by_samples, n, work, x, dy, geometry, step, panel_step, du, *locals_)
        shape = (self._layer.R, self._filters, self._channels, step, panel_step)
        used = parts(n, work)
        run(points_to_filters, blocks(target[1], self._dtype), SQUARE * step, 0, du, 0, used, shape, dw, locals_[-1])

    def _gradients_by_panels(self, x, dy, n: int, geometry, dw: np.ndarray) -> None:
        source, target, plan = geometry
        work, rows, tiles = n * self._work, threads.current(), n * plan[4] * plan[5]
        panel_step, step = self._gradient_steps(2)
        v_size, z_size = self._points(source[1], tiles), self._points(target[1], tiles)
        shared = (-(-v_size // rows), -(-z_size // rows))
        *locals_, du, v, z = scratch(self._dtype, rows, *self._small(plan), SQUARE * step, *shared)
        v, z = v.reshape(-1), z.reshape(-1)
        run(loops.transform, n, work // 4, x, n, source, plan, True, v, *locals_)
        run(loops.transform, n, work // 4, dy, n, target, plan, False, z, *locals_)
        shape = (self._layer.R, self._filters, self._channels, step, panel_step)
        pairs = -(-blocks(target[1], self._dtype) // 2)
        run(loops.gradients_by_panels, pairs, work, v, z, tiles, shape, dw, du, locals_[-1])

    def _gradient_steps(self, panels: int) -> tuple[int, int]:
        """From panel to panel and from point to point of the gradients at the points, for so many panels."""
        panel_step = blocks(self._channels, self._dtype) * self._width**2
        return panel_step, panels * panel_step + self._width

    def _points(self, channels: int, tiles: int) -> int:
        """Values of the 36 matrices of so many tiles."""
        return SQUARE * (blocks(channels, self._dtype) * tiles + 1) * self._width

    def _small(self, plan: tuple[int, ...]) -> tuple[int, ...]:
        """Room for a panel of framed maps, one of tiled maps, a square of lanes, and the transforms of filters."""
        _, _, row, rows, down, across, m, _ = plan
        width = self._width
        return row * rows * width, down * m * across * m * width, width * width, scratch_size(self._layer.R, width)


def _plan(layer: Conv, source: Shape, target: Shape, padding: tuple[int, int]) -> tuple[int, ...]:
    """Frame (rows above, columns left, row length, rows), tiles (down, across, m) and samples at a time."""
    m = TILE_OF[layer.R]
    down, across = (-(-length // m) for length in target[1:])
    row = max(across * m + layer.R - 1, source[2] + padding[1])
    rows = max(down * m + layer.R - 1, source[1] + padding[0])
    return *padding, row, rows, down, across, m, max(1, CHUNK_TILES // (down * across))
