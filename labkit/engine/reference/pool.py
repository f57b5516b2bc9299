"""Pools: one number for each R x S window of each channel. In[N, C, H, W] -> Out[N, C, P, Q]."""

import numpy as np

from labkit.engine.reference.windows import scatter, windows
from labkit.network import AvgPool, MaxPool


def forward(layer: MaxPool | AvgPool, x: np.ndarray) -> np.ndarray:
    """MaxPool: the largest value of each window; the padding counts as minus infinity, so it never wins.

    AvgPool: the sum of each window over R * S; the padding counts as zeros, and its places are counted in R * S.
    x [N, C, H, W] -> [N, C, P, Q].
    """
    if isinstance(layer, MaxPool):
        return windows(layer, x, padding_value=-np.inf).max(axis=(4, 5))
    return windows(layer, x).sum(axis=(4, 5)) / (layer.R * layer.S)


def backward_data(layer: MaxPool | AvgPool, x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """dL/dX, equation (2), of a layer that has no weights.

    MaxPool: each window sends its gradient to its largest input, and if several are equally large to the first of
    them, row by row. AvgPool: each window sends 1 / (R * S) of its gradient to each of its inputs.
    x [N, C, H, W], dy [N, C, P, Q] -> [N, C, H, W].
    """
    to_each = dy[..., None, None]
    if isinstance(layer, MaxPool):
        return scatter(layer, np.where(winners(layer, x), to_each, 0), x.shape)
    return scatter(layer, np.broadcast_to(to_each / (layer.R * layer.S), (*dy.shape, layer.R, layer.S)), x.shape)


def winners(layer: MaxPool, x: np.ndarray) -> np.ndarray:
    """[N, C, P, Q, R, S], True at the one place of each window that holds its largest value, False elsewhere."""
    seen = windows(layer, x, padding_value=-np.inf)
    first = seen.reshape(*seen.shape[:4], -1).argmax(axis=4)  # of equally large ones, argmax takes the first
    places = np.arange(layer.R * layer.S).reshape(layer.R, layer.S)
    return places == first[..., None, None]
