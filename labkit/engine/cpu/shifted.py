"""How a convolution of any shape reads its images as matrices without copying each window: by shifting whole images.

The zero-padded image is stored once, rows of `row` values one after the other. The value under place (r, s) of the
window of output pixel (p, q) then stands r * row + s behind the pixel's own place p * row + q: for all pixels at once,
a place is the whole image, shifted. Lanes between the end of one row of outputs and the next compute nothing of use;
they are few if rows are long. With a stride, the image is first dealt out into one image for each remainder of the
pixel's row and column (a *phase*), within which neighbours are a stride apart.

    outputs  y[k, pixel]  = sum over (c, r, s) of w[k, c, r, s] * image[c, pixel shifted by (r, s)]
    inputs   dx[c, pixel] = the same with dy and turned filters, phase by phase
    weights  dw[c, r, s, k] = sum over pixels of image[c, pixel shifted by (r, s)] * dy[k, pixel]
"""

from dataclasses import dataclass
from itertools import product as pairs

import numpy as np

from labkit.engine.cpu.compiled import compiled
from labkit.engine.cpu.panels import clear, copy, copy_every_second, filters_to_lanes
from labkit.engine.cpu.vectors import lanes, lanes_of, load, store
from labkit.network import Conv, Shape


@dataclass(frozen=True)
class Images:
    """How the maps of one tensor are stored as shifted images.

    phases: (row, column) remainders, in order. step: the strides that deal pixels out. start: pixels (of the map)
    before the first one stored, negative for padding. rows, row: size of one phase's image.
    """

    phases: tuple[tuple[int, int], ...]
    step: tuple[int, int]
    start: tuple[int, int]
    rows: int
    row: int

    @property
    def size(self) -> int:
        """Values of one image."""
        return self.rows * self.row

    @property
    def layout(self) -> tuple[int, ...]:
        """What `fill_images` takes, but for the distance from image to image."""
        return (*self.step, *self.start, self.rows, self.row)


def input_images(layer: Conv, output: Shape) -> Images:
    """Images of the inputs: a phase for each remainder of a window's place by the stride."""
    (sh, sw), (_, P, Q) = layer.stride, output
    phases = tuple(pairs(range(min(sh, layer.R)), range(min(sw, layer.S))))
    start = (-layer.padding[0], -layer.padding[1])
    return Images(phases, layer.stride, start, P + (layer.R - 1) // sh, Q + (layer.S - 1) // sw)


def input_shifts(layer: Conv, channels: int, images: Images, image_step: int, multiple: int) -> np.ndarray:
    """Where the pixel under each place (c, r, s) stands, for output pixel 0; repeated to a `multiple` of places."""
    sh, sw = layer.stride
    shifts = [
        (c * len(images.phases) + images.phases.index((r % sh, s % sw))) * image_step + r // sh * images.row + s // sw
        for c, r, s in pairs(range(channels), range(layer.R), range(layer.S))
    ]
    return np.array(shifts + shifts[-1:] * (-len(shifts) % multiple))


@dataclass(frozen=True)
class Phase:
    """Pixels of dx with one remainder by the stride: those whose gradient comes from the same taps.

    first: (row, column) of the first of them in dx. rows, columns: how many. base: where dy's pixel stands for tap 0
    of that first one. taps: numbers (r * S + s). shifts: per filter k and tap, from `base` on.
    """

    first: tuple[int, int]
    rows: int
    columns: int
    base: int
    taps: tuple[int, ...]
    shifts: np.ndarray


def gradient_images(layer: Conv, shape: Shape, output: Shape) -> Images:
    """Images of dy, framed with as many zeros as there are taps of one phase."""
    (sh, sw), (_, H, W), (_, P, Q) = layer.stride, shape, output
    down, across = -(-layer.R // sh) - 1, -(-layer.S // sw) - 1
    rows = max((layer.padding[0] + H - 1) // sh + 1, P) + down
    row = max((layer.padding[1] + W - 1) // sw + 1, Q) + across
    return Images(((0, 0),), (1, 1), (-down, -across), rows, row)


def gradient_phases(layer: Conv, shape: Shape, images: Images, image_step: int) -> list[Phase]:
    """The phases of dx that some tap reaches; with padded row h' = h + padding, they are the remainders of h'."""
    found = []
    for phase in pairs(range(min(layer.stride[0], layer.R)), range(min(layer.stride[1], layer.S))):
        reach = [_reach(*v) for v in zip(phase, layer.stride, layer.padding, shape[1:], strict=True)]
        if all(count > 0 for _, _, count in reach):
            found.append(_phase(layer, phase, reach, images, image_step))
    return found


def _reach(remainder: int, step: int, padding: int, size: int) -> tuple[int, int, int]:
    """Along one axis: (first padded position / step, its position in dx, how many) of a remainder."""
    first = -(-(padding - remainder) // step)
    first = max(first, 0)
    position = first * step + remainder - padding
    return first, position, max(0, -(-(size - position) // step))


def _phase(layer: Conv, phase: tuple[int, int], reach: list[tuple], images: Images, image_step: int) -> Phase:
    (u, h, rows), (v, w, columns) = reach
    taps = [
        (r, s) for r, s in pairs(range(phase[0], layer.R, layer.stride[0]), range(phase[1], layer.S, layer.stride[1]))
    ]
    down, across = -images.start[0], -images.start[1]
    base = (u + down) * images.row + v + across
    shifts = [
        k * image_step - r // layer.stride[0] * images.row - s // layer.stride[1]
        for k, (r, s) in pairs(range(layer.K // layer.groups), taps)
    ]
    return Phase((h, w), rows, columns, base, tuple(r * layer.S + s for r, s in taps), np.array(shifts))


def tap_targets(taps: list[tuple[int, ...]], depth: int, panels: int, dtype: np.dtype) -> np.ndarray:
    """Where `pack_filters` puts each tap: [number of the tap] -> (start, from panel to panel, from depth to depth).

    taps: for each matrix, the taps that are its rows, depth after depth; matrices stand one after the other.
    """
    width = lanes_of(dtype)
    targets = np.zeros((sum(map(len, taps)), 3), np.int64)
    start = 0
    for of_matrix in taps:
        for i, tap in enumerate(of_matrix):
            targets[tap] = (start + i * width, depth * len(of_matrix) * width, len(of_matrix) * width)
        start += panels * depth * len(of_matrix) * width
    return targets


@compiled
def pack_filters(first, end, part, w, panels, filters, targets, scratch):
    """Panels first to end of the matrices of filters: a row for each depth and tap, a lane for each filter.

    filters: (lanes in all, depth, from lane to lane of w, from depth to depth). targets: see `tap_targets`. scratch:
    per part, room for the taps of `lanes` filters and `lanes` vectors more.
    """
    all_lanes, depth, lane_step, depth_step = filters
    width, count, taps = lanes(w), targets.shape[0], scratch[part]
    for panel in range(first, end):
        valid = min(width, all_lanes - panel * width)
        for d in range(depth):
            filters_to_lanes(w, panel * width * lane_step + d * depth_step, lane_step, count, valid, taps, 0, 1)
            for tap in range(count):
                to = targets[tap, 0] + panel * targets[tap, 1] + d * targets[tap, 2]
                store(panels, to, load(taps, tap * width))


@compiled
def fill_images(x, first, end, maps, phases, layout, images):
    """Store maps of samples first to end of x [N, C, H, W] (flat) as images.

    maps: (first channel, how many, C, H, W). phases [number, 2]. layout: (step down, step across, first row, first
    column, rows, values of a row, from image to image). The samples of a channel's phase follow each other.
    """
    channel, channels, C, H, W = maps
    step_h, step_w, first_h, first_w, rows, row, image_step = layout
    for c in range(channels):
        for phase in range(len(phases)):
            to = (c * len(phases) + phase) * image_step
            top, left = first_h + phases[phase, 0], first_w + phases[phase, 1]
            # Columns v0 to v1 of the image lie inside the map.
            v0 = min(max(0, -(left // step_w)), row)
            v1 = max(v0, min(row, (W - 1 - left) // step_w + 1))
            for n in range(first, end):
                for u in range(rows):
                    h = top + u * step_h
                    at = ((n * C + channel + c) * H + h) * W + left
                    if h < 0 or h >= H:
                        clear(images, to, row)
                    else:
                        clear(images, to, v0)
                        clear(images, to + v1, row - v1)
                        if step_w == 1:
                            copy(x, at + v0, v1 - v0, images, to + v0)
                        elif step_w == 2:
                            copy_every_second(x, at + 2 * v0, v1 - v0, images, to + v0)
                        else:
                            for v in range(v0, v1):
                                images[to + v] = x[at + v * step_w]
                    to += row
            clear(images, to, lanes(x))  # read by the last, partly filled vector
