"""Dropout: the mask comes from `chance`, so that it is the same in every backend; in place."""

import numpy as np

from labkit.engine.chance import dropout_mask
from labkit.network import Dropout, Shape


class DropoutOps:
    """In training multiplies by 0 or 1 / (1 - rate), and BP by the same mask; else the identity."""

    workspace_bytes = 0

    def __init__(self, layer: Dropout, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype):
        (self._shape,) = input_shapes
        self._rate, self._dtype = layer.rate, dtype
        self._mask = None

    def forward(self, xs, weights, state, training, draw):
        (x,) = xs
        self._mask = None
        if training:
            self._mask = dropout_mask(draw, len(x), self._shape, self._rate, self._dtype)
            np.multiply(x, self._mask, out=x)
        return x

    def backward_data(self, dy, weights):
        if self._mask is not None:
            np.multiply(dy, self._mask, out=dy)
        return (dy,)

    def backward_weights(self, dy, weights, gradients):
        """Nothing to learn."""
