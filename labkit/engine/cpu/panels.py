"""Between images and panels: the values of `lanes` channels at one pixel side by side, as vectors want them."""

import numpy as np

from labkit.engine.cpu.compiled import compiled, inlined
from labkit.engine.cpu.vectors import (
    every_second,
    filled,
    lanes,
    lanes_of,
    load,
    load_some,
    store,
    store_some,
    transpose,
    weave_first,
    weave_last,
)

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
        some = min(width_l, count - i)
        for k in range(valid):
            store(square, k * width_l, load_some(x, at + k * step + i, some))
        for k in range(valid, width_l):
            store(square, k * width_l, filled(square, 0))
        transpose(square, 0, width_l, square, 0, width_l)
        for k in range(some):
            store(panel, to + h * row_step + w * width_l, load(square, k * width_l))
            w += 1
            if w == width:
                h, w = h + 1, 0
        i += some


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
        some = min(width_l, count - i)
        for k in range(some):
            store(square, k * width_l, load(panel, at + h * row_step + w * width_l))
            w += 1
            if w == width:
                h, w = h + 1, 0
        transpose(square, 0, width_l, square, 0, width_l)
        for k in range(valid):
            store_some(y, to + k * step + i, load(square, k * width_l), some)
        i += some


@inlined
def filters_to_lanes(w, place, lane_step, count, valid, taps, start, direction):
    """Copy the `count` values of each of `valid` filters, `lane_step` apart from w[place] on, side by side.

    Value `tap` of all of them becomes the vector at start + tap * direction (in vectors) of `taps`; missing lanes are
    zero. Whole squares of values are transposed, so `lanes` vectors beyond the last one have to be there, too.
    """
    width = lanes(w)
    if valid == width and place + (width - 1) * lane_step + (count + width - 1) // width * width <= w.size:
        for tap in range(0, count, width):
            transpose(w, place + tap, lane_step, taps, (start + tap * direction) * width, direction * width)
    else:
        for tap in range(count):
            to = (start + tap * direction) * width
            for k in range(width):
                taps[to + k] = w[place + k * lane_step + tap] if k < valid else 0


@inlined
def copy(source, at, count, target, to):
    """target[to : to + count] = source[at : at + count], where the two do not overlap."""
    width = lanes(source)
    for i in range(0, count - width + 1, width):
        store(target, to + i, load(source, at + i))
    rest = count % width
    if rest:
        i = count - rest
        store_some(target, to + i, load_some(source, at + i, rest), rest)


@inlined
def copy_plus(source, at, count, target, to, number):
    """target[to : to + count] = source[at : at + count] + number, where the two do not overlap."""
    width, shift = lanes(source), filled(source, number)
    for i in range(0, count - width + 1, width):
        store(target, to + i, load(source, at + i) + shift)
    rest = count % width
    if rest:
        i = count - rest
        store_some(target, to + i, load_some(source, at + i, rest) + shift, rest)


@inlined
def add_number(target, to, count, number):
    """target[to : to + count] += number."""
    width, shift = lanes(target), filled(target, number)
    for i in range(to, to + count - width + 1, width):
        store(target, i, load(target, i) + shift)
    rest = count % width
    if rest:
        i = to + count - rest
        store_some(target, i, load_some(target, i, rest) + shift, rest)


@inlined
def copy_every_second(source, at, count, target, to):
    """target[to + i] = source[at + 2 * i] for i < count."""
    width = lanes(source)
    for i in range(0, count, width):
        some = min(width, count - i)
        first = load_some(source, at + 2 * i, min(width, 2 * some - 1))
        last = load_some(source, at + 2 * i + width, max(0, 2 * some - 1 - width))
        store_some(target, to + i, every_second(first, last), some)


@inlined
def copy_to_every_second(source, at, count, target, to):
    """target[to + 2 * i] = source[at + i] for i < count."""
    width = lanes(source)
    for i in range(0, count, width):
        some = min(width, count - i)
        v = load_some(source, at + i, some)
        first, last = min(width, 2 * some - 1), max(0, 2 * some - 1 - width)
        place = to + 2 * i
        store_some(target, place, weave_first(v, load_some(target, place, first)), first)
        store_some(target, place + width, weave_last(v, load_some(target, place + width, last)), last)


@inlined
def clear(target, to, count):
    """target[to : to + count] = 0."""
    width, zeros = lanes(target), filled(target, 0)
    for i in range(to, to + count - width + 1, width):
        store(target, i, zeros)
    rest = count % width
    if rest:
        store_some(target, to + count - rest, zeros, rest)
