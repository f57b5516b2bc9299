"""Softmax: In[N, K] -> probabilities of K classes, Out[N, K]. Unlike an activation it mixes a sample's values."""

import numpy as np

from labkit.network import Softmax


def forward(layer: Softmax, x: np.ndarray) -> np.ndarray:
    """y[n,k] = exp(x[n,k]) / sum over j of exp(x[n,j]); the largest x is subtracted first, so that none overflows."""
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def backward_data(layer: Softmax, y: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """dL/dx from dL/dy, for the output y: dx[n,k] = y[n,k] * (dy[n,k] - sum over j of dy[n,j] * y[n,j]).

    Where categorical cross-entropy follows, all of this and the loss's own gradient become (y - one_hot) / N: see
    `labkit.engine.losses.softmax_cross_entropy`.
    """
    return y * (dy - (dy * y).sum(axis=1, keepdims=True))
