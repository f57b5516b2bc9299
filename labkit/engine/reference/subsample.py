"""Trainable subsampling of LeCun et al. 1998 (layers S2 and S4 of LeNet-5): a sum pool with two weights per channel."""

import numpy as np

from labkit.engine.reference.windows import scatter, windows
from labkit.network import Subsample


def forward(layer: Subsample, x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """out[n,c,p,q] = weight[c] * (sum of the window) + bias[c]: equation (1) with one shared weight per window.

    x [N, C, H, W], weight [C], bias [C] -> [N, C, P, Q].
    """
    return weight[:, None, None] * windows(layer, x).sum(axis=(4, 5)) + bias[:, None, None]


def backward_data(layer: Subsample, dy: np.ndarray, weight: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """dL/dX, equations (2) and (3): every input of a window gets weight[c] * dy.

    dy [N, C, P, Q], weight [C], shape (N, C, H, W) of x -> [N, C, H, W].
    """
    each = weight[:, None, None] * dy
    return scatter(layer, np.broadcast_to(each[..., None, None], (*dy.shape, layer.R, layer.S)), shape)


def backward_weights(layer: Subsample, x: np.ndarray, dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """dL/dF, equations (4) and (5): dweight[c] = sum over n,p,q of dy * (sum of the window), dbias[c] = sum of dy.

    x [N, C, H, W], dy [N, C, P, Q] -> [C] and [C].
    """
    sums = windows(layer, x).sum(axis=(4, 5))
    return (dy * sums).sum(axis=(0, 2, 3)), dy.sum(axis=(0, 2, 3))
