"""Activations: the f of krishna-gupta-nayak equation (1), and its derivative f' of equations (3) and (5).

All of them are element by element, for x of any shape. Each derivative is written with the output y = f(x) instead of
the input: then training may overwrite the input, and no second array has to be kept until BP.
"""

import numpy as np

from labkit.network import LeakyReLU, Logistic, ReLU, Tanh

Activation = Logistic | Tanh | ReLU | LeakyReLU


def forward(layer: Activation, x: np.ndarray) -> np.ndarray:
    """y = f(x), of the shape of x."""
    match layer:
        case Logistic():
            e = np.exp(-np.abs(x))  # at most 1: exp(-x) itself overflows for large negative x
            return np.where(x >= 0, 1 / (1 + e), e / (1 + e))
        case Tanh():
            return np.tanh(x)
        case ReLU():
            return np.maximum(x, 0)
        case LeakyReLU():
            return np.where(x > 0, x, layer.slope * x)


def backward_data(layer: Activation, y: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """dL/dx = dL/dy * f'(x), the factor f' that stands in equations (3) and (5). y = f(x) and dy have one shape.

    At x = 0, where ReLU and LeakyReLU have no derivative, that of the negative side is taken.
    """
    match layer:
        case Logistic():
            return dy * y * (1 - y)
        case Tanh():
            return dy * (1 - y * y)
        case ReLU():
            return np.where(y > 0, dy, 0)
        case LeakyReLU():
            return np.where(y > 0, dy, layer.slope * dy)
