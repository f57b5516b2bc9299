"""Activation and residual addition with explicit sizes, in the style of krishna-gupta-nayak section VI.A.2.

N batch size; C, H, W channels, height and width (both 1 for vectors). function: 'identity', 'logistic', 'relu' or
'tanh'. All arrays are [N, C, H, W], and the one that is written may be one of those that are read.

Arrays, mapping and on: see `labkit.kernels.primitives.convolution`. Every function returns the `Launch` that was
chosen, and raises LabError for sizes and arrays that do not fit together, naming the argument.
"""

from typing import Any

from labkit.kernels.activate import function_number
from labkit.kernels.elementwise import ACTIVATION, ACTIVATION_BACKWARD, ADD, maps_work
from labkit.kernels.executors import Executor
from labkit.kernels.launch import Launch
from labkit.kernels.ops.place import as_maps
from labkit.kernels.primitives.call import call
from labkit.network import Shape
from labkit.network.layer import count


def activation_forward(
    N: int,
    C: int,
    H: int,
    W: int,
    function: str,
    input: Any,
    output: Any,
    *,
    mapping: str = "hybrid",
    on: Executor | None = None,
) -> Launch:
    """FP: output = f(input)."""
    shape, number = _shape(N, C, H, W), function_number(function)
    with call(on, mapping) as c:
        x, y = as_maps(c.reads("input", input, shape)), as_maps(c.writes("output", output, shape))
        return c.launch(ACTIVATION, maps_work("the activation", N, C, H * W), x, y, number)


def activation_backward(
    N: int,
    C: int,
    H: int,
    W: int,
    function: str,
    output: Any,
    output_gradient: Any,
    input_gradient: Any,
    *,
    mapping: str = "hybrid",
    on: Executor | None = None,
) -> Launch:
    """BP, equation (3): input_gradient = output_gradient * f'(z), where output = f(z) tells f'(z)."""
    shape, number = _shape(N, C, H, W), function_number(function)
    with call(on, mapping) as c:
        y, dy = (as_maps(c.reads(*of, shape)) for of in (("output", output), ("output_gradient", output_gradient)))
        dx = as_maps(c.writes("input_gradient", input_gradient, shape))
        return c.launch(ACTIVATION_BACKWARD, maps_work("the activation", N, C, H * W), y, dy, dx, number)


def residual_add(
    N: int,
    C: int,
    H: int,
    W: int,
    input: Any,
    shortcut: Any,
    output: Any,
    *,
    mapping: str = "hybrid",
    on: Executor | None = None,
) -> Launch:
    """FP: output = input + shortcut. BP needs no kernel: the gradient of the output is that of both."""
    shape = _shape(N, C, H, W)
    with call(on, mapping) as c:
        a, b = (as_maps(c.reads(*of, shape)) for of in (("input", input), ("shortcut", shortcut)))
        y = as_maps(c.writes("output", output, shape))
        return c.launch(ADD, maps_work("the addition", N, C, H * W), a, b, y)


def _shape(N: int, C: int, H: int, W: int) -> Shape:
    for name, value in zip("NCHW", (N, C, H, W), strict=True):
        count(name, value)
    return N, C, H, W
