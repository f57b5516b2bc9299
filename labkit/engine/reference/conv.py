"""Convolution: In[N, C, H, W] * W[K, C/groups, R, S] -> Out[N, K, P, Q].

The `*` of krishna-gupta-nayak equations (1), (3) and (5); their f is a layer of its own here (`activation.py`).
As everywhere in deep learning, filters are not flipped: mathematically it is a correlation.
"""

from itertools import product

import numpy as np

from labkit.engine.reference.windows import scatter, windows
from labkit.network import Conv


def forward(layer: Conv, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """X * F of equation (1): out[n,k,p,q] = bias[k] + sum over c,r,s of window[n,c,p,q,r,s] * weight[k,c,r,s].

    x [N, C, H, W], weight [K, C/groups, R, S] (with connections: [links, R, S]), bias [K] -> [N, K, P, Q].
    """
    seen = windows(layer, x)
    filters = all_channels(layer, weight, x.shape[1])
    maps = [
        np.tensordot(seen[:, channels], filters[of_group], axes=((1, 4, 5), (1, 2, 3)))  # [N, P, Q, K/groups]
        for channels, of_group in groups(layer, x.shape[1])
    ]
    out = np.moveaxis(np.concatenate(maps, axis=3), 3, 1)
    return out if bias is None else out + bias[:, None, None]


def backward_data(layer: Conv, dy: np.ndarray, weight: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """dL/dX of equations (2) and (3): each output's gradient goes back, times F, to the inputs its window read.

    dwindow[n,c,p,q,r,s] = sum over k of dy[n,k,p,q] * weight[k,c,r,s], summed into dx where windows overlap.
    dy [N, K, P, Q], weight as in `forward`, shape (N, C, H, W) of x -> [N, C, H, W].
    """
    filters = all_channels(layer, weight, shape[1])
    sent_back = [
        np.tensordot(dy[:, of_group], filters[of_group], axes=(1, 0))  # [N, P, Q, C/groups, R, S]
        for _, of_group in groups(layer, shape[1])
    ]
    return scatter(layer, np.moveaxis(np.concatenate(sent_back, axis=3), 3, 1), shape)


def backward_weights(layer: Conv, x: np.ndarray, dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """dL/dF of equations (4) and (5): every place at which a weight was used contributes input times gradient.

    dweight[k,c,r,s] = sum over n,p,q of dy[n,k,p,q] * window[n,c,p,q,r,s]; dbias[k] = sum over n,p,q of dy[n,k,p,q].
    x [N, C, H, W], dy [N, K, P, Q] -> [K, C/groups, R, S] (with connections: [links, R, S]) and [K].
    """
    seen = windows(layer, x)
    dfilters = [
        np.tensordot(dy[:, of_group], seen[:, channels], axes=((0, 2, 3), (0, 2, 3)))  # [K/groups, C/groups, R, S]
        for channels, of_group in groups(layer, x.shape[1])
    ]
    return only_links(layer, np.concatenate(dfilters)), dy.sum(axis=(0, 2, 3))


def groups(layer: Conv, C: int) -> list[tuple[slice, slice]]:
    """For each group, which of the C input channels it reads and which of the K filters it consists of."""
    c, k = C // layer.groups, layer.K // layer.groups
    return [(slice(g * c, (g + 1) * c), slice(g * k, (g + 1) * k)) for g in range(layer.groups)]


def all_channels(layer: Conv, weight: np.ndarray, C: int) -> np.ndarray:
    """Filters [K, C, R, S] of a layer with `connections`, from weights [links, R, S]: 0 for channels not connected.

    Without `connections` the weights as they are.
    """
    if layer.connections is None:
        return weight
    filters = np.zeros((layer.K, C, layer.R, layer.S), weight.dtype)
    filters[_links(layer)] = weight
    return filters


def only_links(layer: Conv, filters: np.ndarray) -> np.ndarray:
    """The way back of `all_channels`: [links, R, S], filter after filter, out of [K, C, R, S]."""
    return filters if layer.connections is None else filters[_links(layer)]


def _links(layer: Conv) -> tuple[list[int], list[int]]:
    """Filter and channel of every link, in the order in which their weights are stored."""
    pairs = [(k, c) for k, row in enumerate(layer.connections) for c in row]
    return [k for k, _ in pairs], [c for _, c in pairs]


def conv_by_definition(layer: Conv, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """What `forward` computes, as the definition says it: one multiplication at a time. Far too slow to train with.

    x [N, C, H, W], weight [K, C/groups, R, S] (with connections: [links, R, S]), bias [K] -> [N, K, P, Q].
    """
    N, C, H, W = x.shape
    K, P, Q = layer.output_shape((C, H, W))
    out = np.zeros((N, K, P, Q), x.dtype)
    for n, k, p, q in product(range(N), range(K), range(P), range(Q)):
        for r, s in product(range(layer.R), range(layer.S)):
            h = p * layer.stride[0] + r - layer.padding[0]
            w = q * layer.stride[1] + s - layer.padding[1]
            if 0 <= h < H and 0 <= w < W:
                for c, one_weight in _weights_of(layer, weight, k, r, s, C):
                    out[n, k, p, q] += x[n, c, h, w] * one_weight
        if bias is not None:
            out[n, k, p, q] += bias[k]
    return out


def _weights_of(layer: Conv, weight: np.ndarray, k: int, r: int, s: int, C: int) -> list[tuple[int, float]]:
    """Pairs (input channel, weight) that filter k has at place r, s of its window."""
    if layer.connections is not None:
        before = sum(len(row) for row in layer.connections[:k])
        return [(c, weight[before + i, r, s]) for i, c in enumerate(layer.connections[k])]
    per_group = C // layer.groups
    first = k // (layer.K // layer.groups) * per_group
    return [(first + i, weight[k, i, r, s]) for i in range(per_group)]
