"""The R x S windows that convolutions and pools slide over their input, and the way back.

Both functions take any layer record with R, S, stride and padding. P x Q is how many windows fit (see
`labkit.network.layer.window_output`).
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def windows(layer, x: np.ndarray, padding_value: float = 0) -> np.ndarray:
    """Every window of x [N, C, H, W] as a view [N, C, P, Q, R, S] of the padded x.

    windows[n, c, p, q, r, s] = x[n, c, p * stride_h + r - pad_h, q * stride_w + s - pad_w], or `padding_value` outside.
    """
    (pad_h, pad_w), (stride_h, stride_w) = layer.padding, layer.stride
    around = ((0, 0), (0, 0), (pad_h, pad_h), (pad_w, pad_w))
    padded = np.pad(x, around, constant_values=padding_value)
    return sliding_window_view(padded, (layer.R, layer.S), axis=(2, 3))[:, :, ::stride_h, ::stride_w]


def scatter(layer, dwindows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Gradient with respect to x of `shape` [N, C, H, W], given that with respect to its windows [N, C, P, Q, R, S].

    Each input value was read by several windows, so it gets the sum of what they send back; what was sent to the
    padding is dropped. The loop is over the places r, s within a window: for each, all P x Q windows at once.
    """
    (pad_h, pad_w), (stride_h, stride_w) = layer.padding, layer.stride
    N, C, H, W = shape
    P, Q = dwindows.shape[2:4]
    padded = np.zeros((N, C, H + 2 * pad_h, W + 2 * pad_w), dwindows.dtype)
    for r in range(layer.R):
        for s in range(layer.S):
            read = padded[:, :, r : r + stride_h * P : stride_h, s : s + stride_w * Q : stride_w]
            read += dwindows[:, :, :, :, r, s]
    return padded[:, :, pad_h : pad_h + H, pad_w : pad_w + W]
