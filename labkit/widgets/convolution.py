"""Convolution walk-through: the window over the image, the products it adds up, and where each gradient flows.

As in every framework and in krishna-gupta-nayak equation (1) the filter is not flipped (strictly: a cross-correlation).
"""

import anywidget
import numpy as np
import traitlets

from labkit.errors import LabError
from labkit.widgets._base import css, decode, encode, esm, one_of, within

KIND = "convolution_walk"
YOURS = "yours"
IMAGES = {
    "seven": ["0000000", "0555550", "0000050", "0000500", "0005000", "0050000", "0050000"],
    "box": ["0000000", "0444440", "0400040", "0400040", "0400040", "0444440", "0000000"],
    "slope": ["0123456", "1234567", "2345678", "3456789", "4567898", "5678987", "6789876"],
}
FILTERS = {
    "vertical edge": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "diagonal": [[2, 1, 0], [1, 0, -1], [0, -1, -2]],
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "sum of 2 × 2": [[1, 1], [1, 1]],
}
LIMITS = (("stride", 1, 4), ("padding", 0, 3), ("cell", 0, 10_000), ("reached", 0, 10_000), ("speed", 1, 30))
MODES = ("forward", "dX", "dW")
DEFAULTS = {
    "mode": "forward",
    "image": "seven",
    "filter": "vertical edge",
    "stride": 1,
    "padding": 0,
    "cell": 0,
    "reached": 0,
    "speed": 4,
    "image_values": [],
    "filter_values": [],
}


class ConvolutionWalk(anywidget.AnyWidget):
    """Image, filter and output as grids; make one with `convolution_walk`.

    images, filters: name -> rows of numbers. state: mode ("forward", "dX", "dW"), image, filter, stride, padding, cell
    (the chosen cell of the grid that is computed, counted from 0 along the rows), reached (cells filled), speed.
    """

    _esm = esm("choice.js", "player.js", "convolution.js")
    _css = css()
    title = traitlets.Unicode("A convolution, cell by cell").tag(sync=True)
    images = traitlets.Dict().tag(sync=True)
    filters = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def state_string(self) -> str:
        """The settings, with your own image and filter if you gave them, as a line for `from_state`."""
        return encode(KIND, self.state)


def convolution_walk(
    image: object = None,
    filter: object = None,
    stride: int = 1,
    padding: int = 0,
    mode: str = "forward",
    *,
    from_state: str | None = None,
) -> ConvolutionWalk:
    """One channel of a convolution by hand: Y (forward), dX and dW (backward).

    image: [H, W], 2 to 14 on a side, or the name of one ("seven", "box", "slope"). filter: [R, S], 1 to 5 on a side and
    no larger than the image, or a name ("vertical edge", "diagonal", "sharpen", "sum of 2 × 2"). stride: 1 to 4.
    padding: 0 to 3. mode: "forward" (Y), "dX" (BP) or "dW" (KU). from_state: a line of `state_string()`; it overrides
    the rest. Raises LabError for anything else.
    """
    state = DEFAULTS | {"mode": mode, "stride": stride, "padding": padding}
    state |= _given("image", image, IMAGES, 2, 14) | _given("filter", filter, FILTERS, 1, 5)
    if from_state is not None:
        state = decode(KIND, from_state, state)
    images, filters = _choices(state)
    one_of("mode", state["mode"], MODES)
    one_of("image", state["image"], tuple(images))
    one_of("filter", state["filter"], tuple(filters))
    for key, low, high in LIMITS:
        state[key] = within(key, state[key], low, high, whole=True)
    return ConvolutionWalk(images=images, filters=filters, state=state)


def _given(what: str, value: object, named: dict, low: int, high: int) -> dict:
    """What an argument means for the state: nothing, a name, or the learner's own numbers."""
    if value is None:
        return {}
    if isinstance(value, str):
        return {what: one_of(what, value, tuple(named))}
    return {what: YOURS, f"{what}_values": _numbers(what, value, low, high)}


def _numbers(what: str, value: object, low: int, high: int) -> list[list[float]]:
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise LabError(
            f"{what} is not a table of numbers", "give rows of equal length, such as [[1, 0], [0, 1]]"
        ) from None
    if array.ndim != 2 or not all(low <= side <= high for side in array.shape) or not np.isfinite(array).all():
        raise LabError(
            f"{what} of shape {array.shape}",
            f"give a two-dimensional array of {low} to {high} finite numbers on a side",
        )
    return [[int(v) if v == int(v) else float(v) for v in row] for row in array]


def _choices(state: dict) -> tuple[dict, dict]:
    """Images and filters to choose from; no filter that is larger than one of the images."""
    images = {name: [[int(digit) for digit in row] for row in rows] for name, rows in IMAGES.items()}
    if state["image_values"]:
        images[YOURS] = _numbers("image", state["image_values"], 2, 14)
    height = min(len(rows) for rows in images.values())
    width = min(len(rows[0]) for rows in images.values())
    filters = dict(FILTERS)
    if state["filter_values"]:
        filters[YOURS] = _numbers("filter", state["filter_values"], 1, 5)
    fitting = {name: rows for name, rows in filters.items() if len(rows) <= height and len(rows[0]) <= width}
    if state["filter"] in filters and state["filter"] not in fitting:
        rows = filters[state["filter"]]
        what = f"filter of {len(rows)} × {len(rows[0])} over an image of {height} × {width}"
        raise LabError(what, "give a filter that is no larger than the image")
    return images, fitting
