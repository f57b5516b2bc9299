"""The convolution with the arguments of krishna-gupta-nayak section VI.A.2, one function for each phase of training.

N batch size; C, H, W channels, height and width of the input; K output channels; R, S height and width of a filter;
pad_H, str_H vertical and pad_W, str_W horizontal padding and stride (the paper's list crosses the names of its
strides); out_H, out_W height and width of the output. function: 'identity', 'logistic', 'relu' or 'tanh'.

    input [N, C, H, W]   weight [K, C / groups, R, S]   bias [K]   output [N, K, out_H, out_W]

Arrays are float32 in C order, NumPy's or those of the executor `on` (default: this machine's GPU, else its cores).
mapping: 'data', 'model' or 'hybrid'. Every function returns the `Launch` that was chosen, and raises LabError for sizes
and arrays that do not fit together, naming the argument, and for a filter that does not fit into shared memory.
"""

from typing import Any

from labkit.errors import LabError
from labkit.kernels.activate import function_number
from labkit.kernels.conv import work
from labkit.kernels.conv.backward_data import BACKWARD_DATA
from labkit.kernels.conv.backward_weights import BACKWARD_WEIGHTS
from labkit.kernels.conv.forward import FORWARD
from labkit.kernels.executors import Executor
from labkit.kernels.launch import Launch
from labkit.kernels.ops.place import ADDS, zero
from labkit.kernels.primitives.call import call
from labkit.kernels.sizes import ConvSizes


def conv_forward(
    N: int,
    C: int,
    H: int,
    W: int,
    K: int,
    R: int,
    S: int,
    pad_H: int,
    pad_W: int,
    str_H: int,
    str_W: int,
    out_H: int,
    out_W: int,
    function: str,
    input: Any,
    weight: Any,
    bias: Any,
    output: Any,
    *,
    groups: int = 1,
    mapping: str = "hybrid",
    on: Executor | None = None,
) -> Launch:
    """FP, equation (1): output = f(input * weight + bias)."""
    z = _sizes(N, C, H, W, K, R, S, pad_H, pad_W, str_H, str_W, out_H, out_W, groups)
    number = function_number(function)
    with call(on, mapping) as c:
        x = c.reads("input", input, (N, C, H, W))
        w, b = c.reads("weight", weight, (K, C // groups, R, S)), c.reads("bias", bias, (K,))
        y = c.writes("output", output, (N, K, out_H, out_W))
        return c.launch(FORWARD, work.forward_work("the convolution", z), x, w, b, y, *_steps(z), number)


def conv_backward_data(
    N: int,
    C: int,
    H: int,
    W: int,
    K: int,
    R: int,
    S: int,
    pad_H: int,
    pad_W: int,
    str_H: int,
    str_W: int,
    out_H: int,
    out_W: int,
    output_gradient: Any,
    weight: Any,
    input_gradient: Any,
    *,
    groups: int = 1,
    mapping: str = "hybrid",
    on: Executor | None = None,
) -> Launch:
    """BP, equation (2): input_gradient from the gradient before f, which `activation_backward` gives."""
    z = _sizes(N, C, H, W, K, R, S, pad_H, pad_W, str_H, str_W, out_H, out_W, groups)
    with call(on, mapping) as c:
        dy = c.reads("output_gradient", output_gradient, (N, K, out_H, out_W))
        w = c.reads("weight", weight, (K, C // groups, R, S))
        dx = c.writes("input_gradient", input_gradient, (N, C, H, W))
        return c.launch(BACKWARD_DATA, work.backward_data_work("the convolution", z), dy, w, dx, *_steps(z))


def conv_backward_weights(
    N: int,
    C: int,
    H: int,
    W: int,
    K: int,
    R: int,
    S: int,
    pad_H: int,
    pad_W: int,
    str_H: int,
    str_W: int,
    out_H: int,
    out_W: int,
    input: Any,
    output_gradient: Any,
    weight_gradient: Any,
    bias_gradient: Any,
    *,
    groups: int = 1,
    mapping: str = "hybrid",
    on: Executor | None = None,
) -> Launch:
    """KU, equation (4): weight_gradient and bias_gradient, summed over the batch, from the gradient before f."""
    z = _sizes(N, C, H, W, K, R, S, pad_H, pad_W, str_H, str_W, out_H, out_W, groups)
    with call(on, mapping) as c:
        x = c.reads("input", input, (N, C, H, W))
        dy = c.reads("output_gradient", output_gradient, (N, K, out_H, out_W))
        dw = c.writes("weight_gradient", weight_gradient, (K, C // groups, R, S))
        db = c.writes("bias_gradient", bias_gradient, (K,))
        if mapping in ADDS:
            zero(c.on, dw, db)
        return c.launch(BACKWARD_WEIGHTS, work.backward_weights_work("the convolution", z), x, dy, dw, db, *_steps(z))


def _sizes(N, C, H, W, K, R, S, pad_H, pad_W, str_H, str_W, out_H, out_W, groups) -> ConvSizes:
    sizes = ConvSizes(N, C, H, W, K, R, S, str_H, str_W, pad_H, pad_W, groups)
    if (out_H, out_W) != (sizes.P, sizes.Q):
        raise LabError(f"out_H={out_H}, out_W={out_W} for an output of {sizes.P} x {sizes.Q}", "give those")
    return sizes


def _steps(z: ConvSizes) -> tuple[int, ...]:
    return z.stride_h, z.stride_w, z.pad_h, z.pad_w, z.groups
