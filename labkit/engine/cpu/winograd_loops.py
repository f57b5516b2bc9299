"""The loops of `winograd_conv`, each for one group of a convolution.

Arguments that they share. x, y, dy: maps of the whole batch, flat. geometry: (source maps, target maps, plan), maps as
(first map, how many, all maps, height, width), and plan as (rows of zeros above, columns of zeros left, row length,
rows, tiles down, tiles across, outputs m of a tile, samples at a time). v, z: tiles of inputs and of gradients at the
points; u, du: filters and their gradients there. Arrays called all_* have one row for each part.
"""

from labkit.engine.cpu.compiled import compiled
from labkit.engine.cpu.panels import clear
from labkit.engine.cpu.product import product, transposed_product
from labkit.engine.cpu.vectors import lanes
from labkit.engine.cpu.winograd import (
    filter_step,
    filters_to_points,
    maps_to_points,
    points_step,
    points_to_filters,
    points_to_maps,
    products_step,
)


@compiled
def transform(first, end, part, x, samples, maps, plan, overlapping, v, all_framed, all_tiled, all_squares, all_work):
    """Tiles of samples first to end, of `samples` in all: inputs (overlapping), or gradients of outputs."""
    above, left, row, _, down, across, m, _ = plan
    framed, grid, count = all_framed[part], (down, across, m, overlapping), samples * down * across
    frame = (above, left, row) if overlapping else (0, 0, across * m)
    if not overlapping:
        framed = all_tiled[part]
    clear(framed, 0, framed.size)
    maps_to_points(x, first, end, 0, count, maps, frame, grid, v, all_squares[part], all_work[part], framed)


@compiled
def convolve_samples(
    first, end, part, arrays, geometry, u, all_v, all_products, all_framed, all_tiled, all_squares, all_work
):
    """Samples first to end, some at a time: transform, multiply with all filters at each point, transform back."""
    x, y, bias = arrays
    source, target, plan = geometry
    above, left, row, _, down, across, m, chunk = plan
    v, products, framed, tiled = all_v[part], all_products[part], all_framed[part], all_tiled[part]
    square, work, width = all_squares[part], all_work[part], lanes(x)
    grid, channels, panels = (down, across, m, True), source[1], -(-target[1] // width)
    clear(framed, 0, framed.size)
    for start in range(first, end, chunk):
        stop = min(start + chunk, end)
        count = (stop - start) * down * across
        maps_to_points(x, start, stop, start, count, source, (above, left, row), grid, v, square, work, framed)
        for panel in range(0, panels, 2):
            wide = min(2, panels - panel)
            at = panel * 36 * filter_step(channels, width)
            multiply_points(v, u, at, products, count, channels, wide)
            some = min(wide * width, target[1] - panel * width)
            maps = (target[0] + panel * width, some, target[2], target[3], target[4])
            points_to_maps(products, start, stop, maps, grid, y, bias, square, work, tiled)


@compiled
def convolve_panels(
    first, end, part, samples, arrays, w, filters, turned, geometry, v, all_u, all_products, all_framed, all_tiled,
    all_squares, all_work,
):  # fmt: skip
    """Pairs of panels first to end of the outputs, for all samples at once."""
    y, bias = arrays
    source, target, plan = geometry
    _, _, _, _, down, across, m, _ = plan
    u, products, tiled, width = all_u[part], all_products[part], all_tiled[part], lanes(y)
    grid, panels = (down, across, m, True), -(-target[1] // width)
    for panel in range(2 * first, min(2 * end, panels), 2):
        wide = min(2, panels - panel)
        filters_to_points(panel, panel + wide, part, panel, w, u, filters, turned, all_work)
        multiply_points(v, u, 0, products, samples * down * across, source[1], wide)
        some = min(wide * width, target[1] - panel * width)
        maps = (target[0] + panel * width, some, target[2], target[3], target[4])
        points_to_maps(products, 0, samples, maps, grid, y, bias, all_squares[part], all_work[part], tiled)


@compiled
def multiply_points(v, u, at, products, tiles, channels, wide):
    """At each point, all tiles times one or two (`wide`) panels of filters, which start at u[at]."""
    width = lanes(v)
    step, u_step, block = points_step(channels, tiles, width), filter_step(channels, width), tiles * width
    for f in range(36):
        product(
            v, f * step, block, u, at + f * u_step, 36 * u_step,
            products, f * products_step(tiles, width), width, block, tiles, wide, channels, False,
        )  # fmt: skip


@compiled
def gradients_by_samples(
    first, end, part, x, dy, geometry, step, panel_step, all_du, all_v, all_z, all_framed, all_tiled, all_squares,
    all_work,
):  # fmt: skip
    """du[part][f, panel, channel, lane] = sum over the tiles of samples first to end; points are `step` apart."""
    source, target, plan = geometry
    above, left, row, _, down, across, m, chunk = plan
    v, z, framed, tiled = all_v[part], all_z[part], all_framed[part], all_tiled[part]
    square, work, du, width = all_squares[part], all_work[part], all_du[part], lanes(x)
    clear(framed, 0, framed.size)
    clear(tiled, 0, tiled.size)
    for start in range(first, end, chunk):
        stop = min(start + chunk, end)
        count = (stop - start) * down * across
        grid = (down, across, m, True)
        maps_to_points(x, start, stop, start, count, source, (above, left, row), grid, v, square, work, framed)
        grid = (down, across, m, False)
        maps_to_points(dy, start, stop, start, count, target, (0, 0, across * m), grid, z, square, work, tiled)
        step_v, step_z = points_step(source[1], count, width), points_step(target[1], count, width)
        for f in range(36):
            transposed_product(
                v, f * step_v, count * width, z, f * step_z, count * width, du, f * step, width, panel_step,
                -(-source[1] // width), -(-target[1] // width), count, start > first,
            )  # fmt: skip


@compiled
def gradients_by_panels(first, end, part, v, z, tiles, shape, dw, all_du, all_work):
    """Gradients of the filters of pairs of panels first to end, from all tiles at once; shape: `points_to_filters`."""
    _, filters, channels, step, panel_step = shape
    width = lanes(v)
    panels, block = -(-filters // width), tiles * width
    step_v, step_z = points_step(channels, tiles, width), points_step(filters, tiles, width)
    for panel in range(2 * first, min(2 * end, panels), 2):
        wide = min(2, panels - panel)
        for f in range(36):
            transposed_product(
                v, f * step_v, block, z, f * step_z + panel * block, block, all_du[part], f * step, width, panel_step,
                -(-channels // width), wide, tiles, False,
            )  # fmt: skip
        points_to_filters(panel, panel + wide, part, panel, all_du, part, part + 1, shape, dw, all_work)
