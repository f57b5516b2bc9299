"""Batch normalisation (Ioffe and Szegedy 2015, algorithm 1): In[N, C, H, W] or In[N, C] -> Out of the same shape.

A channel's mean and variance are over all its M values: M = N * H * W, or M = N for vectors.
"""

import numpy as np

from labkit.network import BatchNorm


def statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [C] and biased variance [C] (the mean squared distance from the mean, over M) of each channel of x."""
    axes = _all_but_channels(x)
    return x.mean(axis=axes), x.var(axis=axes)


def running(layer: BatchNorm, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """(1 - momentum) * old + momentum * new, all [C]: how the running mean and variance follow those of the batches."""
    return (1 - layer.momentum) * old + layer.momentum * new


def unbiased(variance: np.ndarray, x: np.ndarray) -> np.ndarray | None:
    """The batch's variance [C] over M - 1 instead of M, which is what the running variance follows (as in PyTorch).

    None for M = 1: one value tells nothing of a variance, and the running one stays.
    """
    M = x.size // x.shape[1]
    return None if M == 1 else variance * (M / (M - 1))


def forward(
    layer: BatchNorm, x: np.ndarray, weight: np.ndarray, bias: np.ndarray, mean: np.ndarray, variance: np.ndarray
) -> np.ndarray:
    """y = weight * x_hat + bias, with x_hat = (x - mean) / sqrt(variance + epsilon).

    mean, variance [C]: those of `statistics(x)` in training, the running ones otherwise. weight (gamma), bias (beta)
    [C]; x [N, C, H, W] or [N, C] -> the same shape.
    """
    return _column(weight, x) * normalised(layer, x, mean, variance) + _column(bias, x)


def backward_data(
    layer: BatchNorm,
    x: np.ndarray,
    dy: np.ndarray,
    weight: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    training: bool = True,
) -> np.ndarray:
    """dL/dX, equation (2), with the arguments and shapes of `forward`.

    In training the mean and the variance depend on x as well, which makes two more terms, written with means over M:
    dx = weight / sqrt(variance + epsilon) * (dy - mean(dy) - x_hat * mean(dy * x_hat)).
    Otherwise they are constants, and only dy is left within the brackets.
    """
    scale = _column(weight / np.sqrt(variance + layer.epsilon), x)
    if not training:
        return scale * dy
    x_hat, axes = normalised(layer, x, mean, variance), _all_but_channels(x)
    through_mean = dy.mean(axis=axes, keepdims=True)
    through_variance = x_hat * (dy * x_hat).mean(axis=axes, keepdims=True)
    return scale * (dy - through_mean - through_variance)


def backward_weights(
    layer: BatchNorm, x: np.ndarray, dy: np.ndarray, mean: np.ndarray, variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """dL/dF, equation (4): dweight[c] = sum of dy * x_hat, dbias[c] = sum of dy, over all M values of the channel."""
    axes = _all_but_channels(x)
    return (dy * normalised(layer, x, mean, variance)).sum(axis=axes), dy.sum(axis=axes)


def normalised(layer: BatchNorm, x: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """x_hat = (x - mean) / sqrt(variance + epsilon), of the shape of x."""
    return (x - _column(mean, x)) / np.sqrt(_column(variance, x) + layer.epsilon)


def _all_but_channels(x: np.ndarray) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _column(per_channel: np.ndarray, x: np.ndarray) -> np.ndarray:
    """[C] as [C, 1, 1] for feature maps, so that it meets x's channels."""
    return per_channel.reshape(-1, *(1,) * (x.ndim - 2))
