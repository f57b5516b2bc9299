"""Local response normalisation (Krizhevsky et al. 2012, section 3.3): In[N, C, H, W] -> Out of the same shape.

Each value is divided by a power of what its neighbours have at the same pixel; neighbours are the channels at most
size // 2 away, itself included. Near the first and the last channel there are fewer.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from labkit.network import LRN


def forward(layer: LRN, x: np.ndarray) -> np.ndarray:
    """y[c] = x[c] / d[c]^beta with d[c] = k + alpha * (sum of x[j]^2 over the neighbours j of c)."""
    return x * denominator(layer, x) ** -layer.beta


def backward_data(layer: LRN, x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """dL/dX, equation (2): directly through the numerator, and through the denominators of all the neighbours.

    dx[c] = dy[c] * d[c]^-beta - 2 * alpha * beta * x[c] * (sum of dy[j] * x[j] * d[j]^(-beta-1) over neighbours j).
    """
    d = denominator(layer, x)
    through_denominators = sum_of_neighbours(layer, dy * x * d ** (-layer.beta - 1))
    return dy * d**-layer.beta - 2 * layer.alpha * layer.beta * x * through_denominators


def denominator(layer: LRN, x: np.ndarray) -> np.ndarray:
    """d of `forward`, before it is raised to beta."""
    return layer.k + layer.alpha * sum_of_neighbours(layer, x * x)


def sum_of_neighbours(layer: LRN, v: np.ndarray) -> np.ndarray:
    """For each channel of v [N, C, H, W], the sum over itself and its neighbours."""
    half = layer.size // 2
    padded = np.pad(v, ((0, 0), (half, half), (0, 0), (0, 0)))
    return sliding_window_view(padded, 2 * half + 1, axis=1).sum(axis=-1)
