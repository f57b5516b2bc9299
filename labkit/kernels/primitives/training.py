"""What closes a training step, with explicit sizes: softmax with cross-entropy, and the update of the weights.

Arrays, mapping and on: see `labkit.kernels.primitives.convolution`. Every function returns the `Launch` that was
chosen, and raises LabError for sizes, numbers and arrays that do not fit together, naming the argument.
"""

from math import inf
from typing import Any

import numpy as np

from labkit.errors import LabError
from labkit.kernels.executors import Executor
from labkit.kernels.launch import Launch
from labkit.kernels.loss import CROSS_ENTROPY, samples_work
from labkit.kernels.primitives.call import call
from labkit.kernels.update import momentum as momentum_kernel
from labkit.kernels.vectors import vector_launch
from labkit.network.layer import between, count


def softmax_cross_entropy(
    N: int,
    K: int,
    input: Any,
    labels: Any,
    losses: Any,
    correct: Any,
    input_gradient: Any,
    *,
    mapping: str = "hybrid",
    on: Executor | None = None,
) -> Launch:
    """Losses, correctness and gradient of N samples with K classes each, in one pass.

    input [N, K]: the outputs before the softmax. labels [N] int32: classes, from 0 to K - 1 (looked at on the host
    only; labels that are on the executor already are taken as they are). Written are losses [N] = -log p[label];
    correct [N] int32, 1 where the largest output is the label's; and input_gradient [N, K] = (p - one_hot) / N, the
    gradient of the mean loss.
    """
    count("N", N)
    count("K", K)
    with call(on, mapping) as c:
        x, classes = c.reads("input", input, (N, K)), c.reads("labels", labels, (N,), np.int32)
        if isinstance(labels, np.ndarray) and not (labels.min() >= 0 and labels.max() < K):
            raise LabError(f"labels from {labels.min()} to {labels.max()} for K={K}", f"give classes 0 to {K - 1}")
        each, right = c.writes("losses", losses, (N,)), c.writes("correct", correct, (N,), np.int32)
        dx = c.writes("input_gradient", input_gradient, (N, K))
        return c.launch(CROSS_ENTROPY, samples_work("the loss", N), x, classes, each, right, dx, np.float32(1 / N))


def sgd_momentum(
    size: int,
    learning_rate: float,
    momentum: float,
    weight: Any,
    weight_gradient: Any,
    velocity: Any,
    *,
    on: Executor | None = None,
) -> Launch:
    """The update, equation (6) with momentum: velocity = momentum * velocity + gradient; weight -= rate * velocity.

    Three flat arrays [size]; weight and velocity are changed in place. momentum 0 is plain SGD. Weights belong to no
    sample and no channel here, so there is nothing for a mapping to choose.
    """
    count("size", size)
    between("learning_rate", learning_rate, 0.0, inf)
    between("momentum", momentum, 0.0, 1.0)
    launch = vector_launch(size)
    with call(on, "data") as c:
        w, g = c.writes("weight", weight, (size,)), c.reads("weight_gradient", weight_gradient, (size,))
        v = c.writes("velocity", velocity, (size,))
        c.on.launch(momentum_kernel, launch, w, g, v, np.float32(learning_rate), np.float32(momentum))
        return launch
