"""Winograd's convolution: 36 multiplications for 4x4 outputs of a 3x3 filter, or 2x2 of a 5x5, instead of 144 or 100.

A convolution of short rows is a product of polynomials: evaluate both at six points, multiply the values, and go back
to coefficients (Winograd 1980; Lavin and Gray 2016). With the products at one point collected over all tiles and
channels, each point is a matrix product, which is what processors do best. An m x m tile of outputs and an r x r filter
need m + r - 1 = 6 points per direction: 0, the two pairs +-a and +-1/a, and infinity. With a = 2/3 the rounding errors
are the least of the simple choices: about 1e-6 of the result in float32, against 3e-7 of a direct convolution.

    outputs  y  = collect( evaluate(g) * interpolate(d) )     d: 6x6 inputs, g: filter
    weights  dg = collect( evaluate(dy) * interpolate(d) )    the same sum read the other way
    inputs   dx = the convolution of dy with the filters turned by 180 degrees

Each of the three is applied along the columns of a small square and then along its rows ("lines").
"""

from labkit.engine.cpu.compiled import compiled, inlined
from labkit.engine.cpu.panels import add_number, filters_to_lanes, maps_to_panel, panel_to_maps
from labkit.engine.cpu.vectors import lanes, load, store

POINTS = 6
SQUARE = POINTS * POINTS
TILE_OF = {3: 4, 5: 2}  # outputs per direction of a tile, for each size of filter

_A, _B = 2 / 3, 3 / 2
_A2, _B2 = _A * _A, _B * _B
_SUM = _A2 + _B2
# 1 / product of a point's distances from the other four finite ones: the same for a point and its negative.
_SCALE_A = 1 / (2 * _A2 * (_A2 - _B2))
_SCALE_B = 1 / (2 * _B2 * (_B2 - _A2))


@inlined
def interpolate(source, at, step, target, to, step2):
    """Six inputs to six points: row i of the result is the product of (x - p) over all finite points p but the i-th."""
    d0, d1, d2 = load(source, at), load(source, at + step), load(source, at + 2 * step)
    d3, d4, d5 = load(source, at + 3 * step), load(source, at + 4 * step), load(source, at + 5 * step)
    store(target, to, d0 + d4 - _SUM * d2)
    even, odd = d4 - _B2 * d2, _A * d3 - _B * d1
    store(target, to + step2, even + odd)
    store(target, to + 2 * step2, even - odd)
    even, odd = d4 - _A2 * d2, _B * d3 - _A * d1
    store(target, to + 3 * step2, even + odd)
    store(target, to + 4 * step2, even - odd)
    store(target, to + 5 * step2, d1 + d5 - _SUM * d3)


@inlined
def evaluate(source, at, step, length, target, to, step2, scale_a, scale_b):
    """The polynomial with `length` coefficients (2 to 5) at the six points; its values at +-a, +-1/a are scaled."""
    c0, c1 = load(source, at), load(source, at + step)
    last = load(source, at + (length - 1) * step)
    even_a, even_b, odd_a, odd_b = c0, c0, _A * c1, _B * c1
    if length > 2:
        c2 = load(source, at + 2 * step)
        even_a, even_b = even_a + _A2 * c2, even_b + _B2 * c2
    if length > 3:
        c3 = load(source, at + 3 * step)
        odd_a, odd_b = odd_a + (_A2 * _A) * c3, odd_b + (_B2 * _B) * c3
    if length > 4:
        even_a, even_b = even_a + (_A2 * _A2) * last, even_b + (_B2 * _B2) * last
    store(target, to, c0)
    store(target, to + step2, scale_a * (even_a + odd_a))
    store(target, to + 2 * step2, scale_a * (even_a - odd_a))
    store(target, to + 3 * step2, scale_b * (even_b + odd_b))
    store(target, to + 4 * step2, scale_b * (even_b - odd_b))
    store(target, to + 5 * step2, last)


@inlined
def collect(source, at, step, length, target, to, step2, scale_a, scale_b):
    """Six points to `length` values (2 to 5): value i is the sum of p^i times the scaled value at each point p."""
    v0, v5 = load(source, at), load(source, at + 5 * step)
    v1, v2 = load(source, at + step), load(source, at + 2 * step)
    v3, v4 = load(source, at + 3 * step), load(source, at + 4 * step)
    even_a, odd_a = scale_a * (v1 + v2), scale_a * (v1 - v2)
    even_b, odd_b = scale_b * (v3 + v4), scale_b * (v3 - v4)
    store(target, to, v0 + even_a + even_b)
    one = _A * odd_a + _B * odd_b
    two = _A2 * even_a + _B2 * even_b
    three = (_A2 * _A) * odd_a + (_B2 * _B) * odd_b
    if length == 2:
        one = one + v5
    elif length == 3:
        two = two + v5
    elif length == 4:
        three = three + v5
    store(target, to + step2, one)
    if length > 2:
        store(target, to + 2 * step2, two)
    if length > 3:
        store(target, to + 3 * step2, three)
    if length > 4:
        store(target, to + 4 * step2, (_A2 * _A2) * even_a + (_B2 * _B2) * even_b + v5)


@compiled
def maps_to_points(x, first, end, origin, count, maps, frame, grid, points, square, work, framed):
    """Transform tiles of maps of x [N, C, H, W] (flat), samples first to end, into 36 matrices with a row per tile.

    origin: the sample whose tiles are the first rows; count: rows in all. maps: (first channel, how many, C, H, W).
    frame: (rows of zeros above, columns of zeros left, values in a row with its frame); framed: zeros for one panel of
    framed maps. grid: (tiles down, tiles across, outputs m of a tile, True for inputs, which are 6x6 and overlap, or
    False for gradients of outputs, which are m x m). points[f, block, tile, lane] for f < 36, `points_step` apart.
    """
    channel, channels, C, H, W = maps
    above, left, row = frame
    down, across, m, overlapping = grid
    width = lanes(x)
    step, row = points_step(channels, count, width), row * width
    for n in range(first, end):
        for c in range(0, channels, width):
            place = (n * C + channel + c) * H * W
            corner = above * row + left * width
            maps_to_panel(x, place, H * W, min(width, channels - c), H, W, framed, corner, row, square)
            to = ((c // width) * count + (n - origin) * down * across) * width
            for t in range(down * across):
                corner = t // across * m * row + t % across * m * width
                if overlapping:
                    for j in range(6):
                        interpolate(framed, corner + j * width, row, work, j * width, 6 * width)
                    for i in range(6):
                        interpolate(work, i * 6 * width, width, points, to + i * 6 * step, step)
                else:
                    for j in range(m):
                        evaluate(framed, corner + j * width, row, m, work, j * width, m * width, 1.0, 1.0)
                    for i in range(6):
                        evaluate(work, i * m * width, width, m, points, to + i * 6 * step, step, 1.0, 1.0)
                to += width


@compiled
def points_to_maps(products, first, end, maps, grid, y, bias, square, work, pixels):
    """Transform products [36, panel, tile, lane] of a run of samples back into maps of y, and add the bias.

    maps: (first map, how many, K, P, Q); grid: see `maps_to_points`; pixels: room for one panel of maps.
    """
    channel, channels, K, P, Q = maps
    down, across, m, _ = grid
    width = lanes(y)
    count, row = (end - first) * down * across, across * m * width
    step = products_step(count, width)
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
                    add_number(y, place + c * P * Q, P * Q, bias[channel + k + c])


@compiled
def points_step(channels, tiles, width):
    """Values from one point's matrix to the next; one vector more than it holds, lest all meet in one cache set."""
    return (-(-channels // width) * tiles + 1) * width


@compiled
def products_step(tiles, width):
    """From one point's products of two panels to the next; see `points_step`."""
    return (2 * tiles + 1) * width


@compiled
def filters_to_points(first, end, part, origin, w, u, filters, turned, scratch):
    """Transform the filters of panels first to end: u[panel, f, depth, lane], points `filter_step` apart.

    u starts with panel `origin`. filters: (r, number of lanes in all, depth, from lane to lane in w, from depth to
    depth in w); w holds filters of r x r values (flat). turned: by 180 degrees, as BP wants them. scratch: per part,
    `scratch_size` values.
    """
    r, all_lanes, depth, lane_step, depth_step = filters
    width, count = lanes(w), r * r
    taps, work = scratch[part, : 36 * width + width * width], scratch[part, 36 * width + width * width :]
    start, direction = (width + count - 1, -1) if turned else (0, 1)
    least = start - (count - 1) if turned else start
    step = filter_step(depth, width)
    for panel in range(first, end):
        valid = min(width, all_lanes - panel * width)
        for d in range(depth):
            place = panel * width * lane_step + d * depth_step
            filters_to_lanes(w, place, lane_step, count, valid, taps, start, direction)
            for j in range(r):
                at = (least + j) * width
                evaluate(taps, at, r * width, r, work, j * width, r * width, _SCALE_A, _SCALE_B)
            to = (panel - origin) * 36 * step + d * width
            for i in range(6):
                evaluate(work, i * r * width, width, r, u, to + i * 6 * step, step, _SCALE_A, _SCALE_B)


@compiled
def filter_step(depth, width):
    """Values from one point's matrix of filters to the next; one vector more than it holds, as in `points_step`."""
    return (depth + 1) * width


@compiled
def points_to_filters(first, end, part, origin, du, start, stop, shape, dw, scratch):
    """Gradients of filters from those at the points, summed over du[start] to du[stop] -> dw[k, c, r, r] (flat).

    du[.] is [f, panel, channel, lane] and starts with panel `origin`. shape: (r, K, C, from point to point of du, from
    panel to panel) of one group. scratch: per part, `scratch_size` values.
    """
    r, K, C, step, panel_step = shape
    width, count = lanes(dw), r * r
    total, work = scratch[part, : 36 * width], scratch[part, 36 * width : 72 * width]
    square, taps = scratch[part, 72 * width :], scratch[part, (72 + width) * width :]
    for panel in range(first, end):
        valid = min(width, K - panel * width)
        for c in range(C):
            place = (panel - origin) * panel_step + c * width
            for f in range(36):
                value = load(du[start], place + f * step)
                for other in range(start + 1, stop):
                    value = value + load(du[other], place + f * step)
                store(total, f * width, value)
            for j in range(6):
                collect(total, j * width, 6 * width, r, work, j * width, 6 * width, _SCALE_A, _SCALE_B)
            ready = c % width * count * width
            for i in range(r):
                collect(work, i * 6 * width, width, r, taps, ready + i * r * width, width, _SCALE_A, _SCALE_B)
            if c % width == width - 1 or c == C - 1:
                first_c = c // width * width
                to = (panel * width * C + first_c) * count
                panel_to_maps(taps, 0, 0, valid, 1, (c + 1 - first_c) * count, dw, to, C * count, square)


def scratch_size(r: int, width: int) -> int:
    """Values of scratch that the transforms of filters of r x r need with `width` lanes."""
    return (72 + width) * width + width * r * r * width
