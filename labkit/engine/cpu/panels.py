"""Between images and panels: the values of `lanes` channels at one pixel side by side, as vectors want them."""

import numpy as np

from labkit.engine.cpu.compiled import compiled
from labkit.engine.cpu.vectors import lanes, lanes_of, load, store, transpose

LINE_BYTES = 64  # a vector that straddles two cache lines takes twice as long to load


def aligned(size: int, dtype: np.dtype, rows: int | None = None) -> np.ndarray:
    """Zeros, 1-D of `size` values or [rows, size], every row of which starts on a cache line."""
    itemsize = np.dtype(dtype).itemsize
    per_line = LINE_BYTES // itemsize
    length = -(-size // per_line) * per_line
    raw = np.zeros((rows or 1) * length + per_line, dtype)
    start = -raw.ctypes.data // itemsize % per_line
    whole = raw[start : start + (rows or 1) * length]
    return whole[:size] if rows is None else whole.reshape(rows, length)


def blocks(channels: int, dtype: np.dtype) -> int:
    """Vectors that it takes to hold one value of each channel."""
    return -(-channels // lanes_of(dtype))


@compiled
def maps_to_panel(x, at, step, valid, height, width, panel, to, row_step, square):
    """Copy `valid` (at most `lanes`) maps of x that start at `at`, `step` apart, into one panel.

    Pixel (h, w) of all of them lands at to + h * row_step + w * lanes; missing lanes are zero. square: a scratch of
    lanes * lanes values.
    """
    count, i, h, w, width_l = height * width, 0, 0, 0, lanes(x)
    while valid == width_l and i + width_l <= count:
        if w + width_l <= width:
            transpose(x, at + i, step, panel, to + h * row_step + w * width_l, width_l)
            w += width_l
        else:
            transpose(x, at + i, step, square, 0, width_l)
            for k in range(width_l):
                if w == width:
                    h, w = h + 1, 0
                store(panel, to + h * row_step + w * width_l, load(square, k * width_l))
                w += 1
        if w == width:
            h, w = h + 1, 0
        i += width_l
    while i < count:
        place = to + h * row_step + w * width_l
        for k in range(valid):
            panel[place + k] = x[at + k * step + i]
        for k in range(valid, width_l):
            panel[place + k] = 0
        i, w = i + 1, w + 1
        if w == width:
            h, w = h + 1, 0


@compiled
def panel_to_maps(panel, at, row_step, valid, height, width, y, to, step, square):
    """The reverse of `maps_to_panel`: spread one panel over `valid` maps of y."""
    count, i, h, w, width_l = height * width, 0, 0, 0, lanes(y)
    while valid == width_l and i + width_l <= count:
        if w + width_l <= width:
            transpose(panel, at + h * row_step + w * width_l, width_l, y, to + i, step)
            w += width_l
        else:
            for k in range(width_l):
                if w == width:
                    h, w = h + 1, 0
                store(square, k * width_l, load(panel, at + h * row_step + w * width_l))
                w += 1
            transpose(square, 0, width_l, y, to + i, step)
        if w == width:
            h, w = h + 1, 0
        i += width_l
    while i < count:
        place = at + h * row_step + w * width_l
        for k in range(valid):
            y[to + k * step + i] = panel[place + k]
        i, w = i + 1, w + 1
        if w == width:
            h, w = h + 1, 0
