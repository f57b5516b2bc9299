"""The fully connected layer with explicit sizes, in the style of krishna-gupta-nayak section VI.A.2.

N batch size; C values of a sample; K outputs. function: 'identity', 'logistic', 'relu' or 'tanh'.

    input, input_gradient [N, C]   weight, weight_gradient [K, C]   bias, bias_gradient [K]   output_gradient [N, K]

Arrays, mapping and on: see `labkit.kernels.primitives.convolution`. Every function returns the `Launch` that was
chosen, and raises LabError for sizes and arrays that do not fit together, naming the argument, and for weights of an
output that do not fit into shared memory (mapping model).
"""

from typing import Any

from labkit.kernels import dense
from labkit.kernels.activate import function_number
from labkit.kernels.executors import Executor
from labkit.kernels.launch import Launch
from labkit.kernels.ops.place import ADDS, zero
from labkit.kernels.primitives.call import call
from labkit.kernels.sizes import DenseSizes
from labkit.network.layer import count

NAME = "the dense layer"


def dense_forward(
    N: int,
    C: int,
    K: int,
    function: str,
    input: Any,
    weight: Any,
    bias: Any,
    output: Any,
    *,
    mapping: str = "hybrid",
    on: Executor | None = None,
) -> Launch:
    """FP, equation (1): output[n, k] = f(sum of input[n, c] * weight[k, c] + bias[k])."""
    sizes, number = _sizes(N, C, K), function_number(function)
    with call(on, mapping) as c:
        x = c.reads("input", input, (N, C))
        w, b = c.reads("weight", weight, (K, C)), c.reads("bias", bias, (K,))
        y = c.writes("output", output, (N, K))
        return c.launch(dense.FORWARD, dense.forward_work(NAME, sizes), x, w, b, y, number)


def dense_backward_data(
    N: int,
    C: int,
    K: int,
    output_gradient: Any,
    weight: Any,
    input_gradient: Any,
    *,
    mapping: str = "hybrid",
    on: Executor | None = None,
) -> Launch:
    """BP, equation (2): input_gradient from the gradient before f, which `activation_backward` gives."""
    sizes = _sizes(N, C, K)
    with call(on, mapping) as c:
        dy = c.reads("output_gradient", output_gradient, (N, K))
        w = c.reads("weight", weight, (K, C))
        dx = c.writes("input_gradient", input_gradient, (N, C))
        return c.launch(dense.BACKWARD_DATA, dense.backward_data_work(NAME, sizes), dy, w, dx)


def dense_backward_weights(
    N: int,
    C: int,
    K: int,
    input: Any,
    output_gradient: Any,
    weight_gradient: Any,
    bias_gradient: Any,
    *,
    mapping: str = "hybrid",
    on: Executor | None = None,
) -> Launch:
    """KU, equation (4): weight_gradient and bias_gradient, summed over the batch, from the gradient before f."""
    sizes = _sizes(N, C, K)
    with call(on, mapping) as c:
        x = c.reads("input", input, (N, C))
        dy = c.reads("output_gradient", output_gradient, (N, K))
        dw = c.writes("weight_gradient", weight_gradient, (K, C))
        db = c.writes("bias_gradient", bias_gradient, (K,))
        if mapping in ADDS:
            zero(c.on, dw, db)
        return c.launch(dense.BACKWARD_WEIGHTS, dense.backward_weights_work(NAME, sizes), x, dy, dw, db)


def _sizes(N: int, C: int, K: int) -> DenseSizes:
    count("C", C)  # which DenseSizes would call F
    return DenseSizes(N, C, K)
