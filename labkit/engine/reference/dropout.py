"""Dropout: in training, values are multiplied by a random mask of zeros and 1 / (1 - rate); otherwise left alone.

The division keeps each value's expectation, so that nothing has to be rescaled when the training is over. The mask
comes from `labkit.engine.chance.dropout_mask`, which all backends share.
"""

import numpy as np

from labkit.network import Dropout


def forward(layer: Dropout, x: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """y = x * mask; `mask` of the shape of x, or None when not training: then y is x."""
    return x if mask is None else x * mask


def backward_data(layer: Dropout, dy: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """dL/dx = dL/dy * mask: what was dropped did not matter, so it gets no gradient."""
    return dy if mask is None else dy * mask
