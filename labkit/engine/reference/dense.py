"""Fully connected layer: In[N, C] . W[K, C] -> Out[N, K], where C is the number of input features.

The multiplication that krishna-gupta-nayak equations (1) to (5) write as `*` for such layers.
"""

import numpy as np

from labkit.network import Dense


def forward(layer: Dense, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """X * F of equation (1): out[n,k] = bias[k] + sum over c of x[n,c] * weight[k,c].

    x [N, C], weight [K, C], bias [K] -> [N, K].
    """
    out = x @ weight.T
    return out if bias is None else out + bias


def backward_data(layer: Dense, dy: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """dL/dX of equations (2) and (3): dx[n,c] = sum over k of dy[n,k] * weight[k,c].

    dy [N, K], weight [K, C] -> [N, C].
    """
    return dy @ weight


def backward_weights(layer: Dense, x: np.ndarray, dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """dL/dF of equations (4) and (5): dweight[k,c] = sum over n of dy[n,k] * x[n,c]; dbias[k] = sum over n of dy[n,k].

    x [N, C], dy [N, K] -> [K, C] and [K].
    """
    return dy.T @ x, dy.sum(axis=0)
