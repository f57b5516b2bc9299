"""Max and average pooling with explicit sizes, in the style of krishna-gupta-nayak section VI.A.2.

N batch size; C, H, W channels, height and width of the input; R, S height and width of a window; pad_H, str_H vertical
and pad_W, str_W horizontal padding and stride; out_H, out_W height and width of the output.

    input, input_gradient [N, C, H, W]    output, output_gradient [N, C, out_H, out_W]
    places [N, C, out_H, out_W] int32: where the largest value of each window stood, as row * W + column

Padding never wins a maximum, and counts as zeros in an average over R * S. Arrays, mapping and on: see
`labkit.kernels.primitives.convolution`. Every function returns the `Launch` that was chosen, and raises LabError for
sizes and arrays that do not fit together, naming the argument.
"""

from typing import Any

import numpy as np

from labkit.errors import LabError
from labkit.kernels.elementwise import maps_work
from labkit.kernels.executors import Executor
from labkit.kernels.launch import Launch
from labkit.kernels.pool import AVG_BACKWARD, AVG_FORWARD, MAX_BACKWARD, MAX_FORWARD
from labkit.kernels.primitives.call import call
from labkit.network import MaxPool, Shape
from labkit.network.layer import count


def max_pool_forward(
    N: int,
    C: int,
    H: int,
    W: int,
    R: int,
    S: int,
    pad_H: int,
    pad_W: int,
    str_H: int,
    str_W: int,
    out_H: int,
    out_W: int,
    input: Any,
    output: Any,
    places: Any,
    *,
    mapping: str = "hybrid",
    on: Executor | None = None,
) -> Launch:
    """FP: output and places, the largest value of each window and where it stood; the first of equal ones."""
    given, written = _shapes(N, C, H, W, R, S, pad_H, pad_W, str_H, str_W, out_H, out_W)
    with call(on, mapping) as c:
        x, y = c.reads("input", input, given), c.writes("output", output, written)
        kept = c.writes("places", places, written, np.int32)
        work = maps_work("the pooling", N, C, out_H * out_W)
        return c.launch(MAX_FORWARD, work, x, y, kept, R, S, str_H, str_W, pad_H, pad_W)


def max_pool_backward(
    N: int,
    C: int,
    H: int,
    W: int,
    R: int,
    S: int,
    pad_H: int,
    pad_W: int,
    str_H: int,
    str_W: int,
    out_H: int,
    out_W: int,
    output_gradient: Any,
    places: Any,
    input_gradient: Any,
    *,
    mapping: str = "hybrid",
    on: Executor | None = None,
) -> Launch:
    """BP: each value of output_gradient goes to the place that FP found."""
    written, given = _shapes(N, C, H, W, R, S, pad_H, pad_W, str_H, str_W, out_H, out_W)
    with call(on, mapping) as c:
        dy = c.reads("output_gradient", output_gradient, given)
        kept = c.reads("places", places, given, np.int32)
        dx = c.writes("input_gradient", input_gradient, written)
        work = maps_work("the pooling", N, C, H * W)
        return c.launch(MAX_BACKWARD, work, dy, kept, dx, R, S, str_H, str_W, pad_H, pad_W)


def average_pool_forward(
    N: int,
    C: int,
    H: int,
    W: int,
    R: int,
    S: int,
    pad_H: int,
    pad_W: int,
    str_H: int,
    str_W: int,
    out_H: int,
    out_W: int,
    input: Any,
    output: Any,
    *,
    mapping: str = "hybrid",
    on: Executor | None = None,
) -> Launch:
    """FP: output, the mean of each window."""
    given, written = _shapes(N, C, H, W, R, S, pad_H, pad_W, str_H, str_W, out_H, out_W)
    with call(on, mapping) as c:
        x, y = c.reads("input", input, given), c.writes("output", output, written)
        work = maps_work("the pooling", N, C, out_H * out_W)
        return c.launch(AVG_FORWARD, work, x, y, R, S, str_H, str_W, pad_H, pad_W)


def average_pool_backward(
    N: int,
    C: int,
    H: int,
    W: int,
    R: int,
    S: int,
    pad_H: int,
    pad_W: int,
    str_H: int,
    str_W: int,
    out_H: int,
    out_W: int,
    output_gradient: Any,
    input_gradient: Any,
    *,
    mapping: str = "hybrid",
    on: Executor | None = None,
) -> Launch:
    """BP: each value of output_gradient is shared out to its window in equal parts."""
    written, given = _shapes(N, C, H, W, R, S, pad_H, pad_W, str_H, str_W, out_H, out_W)
    with call(on, mapping) as c:
        dy = c.reads("output_gradient", output_gradient, given)
        dx = c.writes("input_gradient", input_gradient, written)
        work = maps_work("the pooling", N, C, H * W)
        return c.launch(AVG_BACKWARD, work, dy, dx, R, S, str_H, str_W, pad_H, pad_W)


def _shapes(N, C, H, W, R, S, pad_H, pad_W, str_H, str_W, out_H, out_W) -> tuple[Shape, Shape]:
    """Shapes of input and output; LabError where the sizes are no pooling, or give another output."""
    for name, value in zip("NCHWRS", (N, C, H, W, R, S), strict=True):
        count(name, value)
    found = MaxPool(R, S, stride=(str_H, str_W), padding=(pad_H, pad_W)).output_shape((C, H, W))
    if (C, out_H, out_W) != found:
        raise LabError(f"out_H={out_H}, out_W={out_W} for an output of {found[1]} x {found[2]}", "give those")
    return (N, C, H, W), (N, *found)
