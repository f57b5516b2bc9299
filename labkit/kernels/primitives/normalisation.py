"""Batch normalisation (Ioffe and Szegedy 2015) with explicit sizes, in the style of krishna-gupta-nayak section VI.A.2.

N batch size; C, H, W channels, height and width (both 1 for vectors); epsilon is added to the variance.

    input, output, and their gradients [N, C, H, W]      everything else [C]
    output = weight * x_hat + bias       x_hat = (input - mean) / sqrt(variance + epsilon)

Arrays, mapping and on: see `labkit.kernels.primitives.convolution`. Every function returns the `Launch` of its last
kernel, and raises LabError for sizes and arrays that do not fit together, naming the argument.
"""

from typing import Any

import numpy as np

from labkit.kernels.elementwise import maps_work
from labkit.kernels.executors import Executor
from labkit.kernels.launch import Launch
from labkit.kernels.norm import NORMALISE, STATISTICS, SUMS, follow, sums_work, total
from labkit.kernels.norm_backward import GRADIENT, GRADIENT_SUMS
from labkit.kernels.ops.place import as_maps
from labkit.kernels.primitives.call import Call, call
from labkit.kernels.vectors import vector_launch
from labkit.network import BatchNorm, Shape
from labkit.network.layer import count, flag

NAME = "the normalisation"


def batch_norm_forward_training(
    N: int,
    C: int,
    H: int,
    W: int,
    epsilon: float,
    momentum: float,
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_variance: Any,
    mean: Any,
    variance: Any,
    output: Any,
    *,
    mapping: str = "hybrid",
    on: Executor | None = None,
) -> Launch:
    """FP by the batch's own mean and variance, which are written for BP; the running ones move towards them.

    running = (1 - momentum) * running + momentum * the batch's, with the variance over N H W - 1 as in PyTorch; it
    stays where that is 0.
    """
    shape = _shape(N, C, H, W, epsilon, momentum)
    values = N * H * W
    with call(on, mapping) as c:
        x = as_maps(c.reads("input", input, shape))
        scale, shift = c.reads("weight", weight, (C,)), c.reads("bias", bias, (C,))
        moved = [c.writes(name, array, (C,)) for name, array in _running(running_mean, running_variance)]
        found = [c.writes(name, array, (C,)) for name, array in (("mean", mean), ("variance", variance))]
        y = as_maps(c.writes("output", output, shape))
        _statistics(c, x, *found)
        unbiased = np.float32(values / (values - 1) if values > 1 else 0)
        c.on.launch(follow, vector_launch(C), *found, *moved, np.float32(momentum), unbiased)
        return c.launch(NORMALISE, maps_work(NAME, *x.shape), x, *found, scale, shift, y, np.float32(epsilon))


def batch_norm_forward_inference(
    N: int,
    C: int,
    H: int,
    W: int,
    epsilon: float,
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_variance: Any,
    output: Any,
    *,
    mapping: str = "hybrid",
    on: Executor | None = None,
) -> Launch:
    """FP by the running mean and variance, which stay as they are."""
    shape = _shape(N, C, H, W, epsilon)
    with call(on, mapping) as c:
        x = as_maps(c.reads("input", input, shape))
        scale, shift = c.reads("weight", weight, (C,)), c.reads("bias", bias, (C,))
        used = [c.reads(name, array, (C,)) for name, array in _running(running_mean, running_variance)]
        y = as_maps(c.writes("output", output, shape))
        return c.launch(NORMALISE, maps_work(NAME, *x.shape), x, *used, scale, shift, y, np.float32(epsilon))


def batch_norm_backward(
    N: int,
    C: int,
    H: int,
    W: int,
    epsilon: float,
    input: Any,
    output_gradient: Any,
    weight: Any,
    mean: Any,
    variance: Any,
    input_gradient: Any,
    weight_gradient: Any,
    bias_gradient: Any,
    *,
    training: bool = True,
    mapping: str = "hybrid",
    on: Executor | None = None,
) -> Launch:
    """KU and BP at once, because the sums of KU stand in the formula of BP.

    mean, variance: those that FP used. training: whether they were the batch's own, and so depend on its input.
    """
    shape = _shape(N, C, H, W, epsilon)
    flag("training", training)
    with call(on, mapping) as c:
        x, dy = (as_maps(c.reads(*of, shape)) for of in (("input", input), ("output_gradient", output_gradient)))
        scale = c.reads("weight", weight, (C,))
        used = [c.reads(name, array, (C,)) for name, array in (("mean", mean), ("variance", variance))]
        dx = as_maps(c.writes("input_gradient", input_gradient, shape))
        dscale = c.writes("weight_gradient", weight_gradient, (C,))
        dshift = c.writes("bias_gradient", bias_gradient, (C,))
        _gradient_sums(c, x, dy, used, np.float32(epsilon), dshift, dscale)
        constants = np.float32(epsilon), np.float32(1 / (N * H * W) if training else 0)
        return c.launch(GRADIENT, maps_work(NAME, *x.shape), x, dy, *used, scale, dscale, dshift, dx, *constants)


def _shape(N: int, C: int, H: int, W: int, epsilon: float, momentum: float = 0.1) -> Shape:
    for name, value in zip("NCHW", (N, C, H, W), strict=True):
        count(name, value)
    BatchNorm(epsilon, momentum)
    return N, C, H, W


def _running(mean: Any, variance: Any) -> tuple[tuple[str, Any], tuple[str, Any]]:
    return ("running_mean", mean), ("running_variance", variance)


def _statistics(c: Call, x: Any, mean: Any, variance: Any) -> None:
    """Mean and variance [C] of x: by one kernel where a block has a whole channel, else by two of each."""
    N, C, M = x.shape
    work = sums_work(NAME, N, C, M)
    if c.mapping in STATISTICS:
        c.launch(STATISTICS, work, x, mean, variance)
        return
    partial = c.on.empty((N, C))
    for squares, target in enumerate((mean, variance)):
        c.launch(SUMS, work, x, mean, squares, partial)
        c.on.launch(total, vector_launch(C), partial, target, np.float32(1 / (N * M)))


def _gradient_sums(c: Call, x: Any, dy: Any, used: list, epsilon: np.float32, dshift: Any, dscale: Any) -> None:
    """KU: the two sums of each channel, by way of each sample's where no block has a whole channel."""
    N, C, M = x.shape
    work = sums_work(NAME, N, C, M)
    if c.mapping in STATISTICS:
        c.launch(GRADIENT_SUMS, work, x, dy, *used, epsilon, dshift, dscale)
        return
    parts = c.on.empty((N, C)), c.on.empty((N, C))
    c.launch(GRADIENT_SUMS, work, x, dy, *used, epsilon, *parts)
    for part, target in zip(parts, (dshift, dscale), strict=True):
        c.on.launch(total, vector_launch(C), part, target, np.float32(1))
