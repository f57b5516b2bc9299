"""Layers that only move values around, or add them: Flatten, Add, Concat, PadShortcut. None has weights."""

from itertools import accumulate

import numpy as np

from labkit.network import Add, Concat, Flatten, PadShortcut

Mover = Flatten | Add | Concat | PadShortcut


def forward(layer: Mover, *xs: np.ndarray) -> np.ndarray:
    """The output for the inputs `xs`, each [N, C, H, W] or [N, features].

    Flatten: [N, C*H*W]. Add: sum of all inputs, which have one shape. Concat: [N, sum of all C, H, W].
    PadShortcut: every stride-th row and column, then channels of zeros behind the C that came: [N, K, P, Q].
    """
    match layer:
        case Flatten():
            return xs[0].reshape(len(xs[0]), -1)
        case Add():
            return sum(xs[1:], start=xs[0])
        case Concat():
            return np.concatenate(xs, axis=1)
        case PadShortcut():
            kept = xs[0][:, :, :: layer.stride[0], :: layer.stride[1]]
            return np.pad(kept, ((0, 0), (0, layer.K - kept.shape[1]), (0, 0), (0, 0)))


def backward_data(layer: Mover, dy: np.ndarray, *shapes: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """dL/dX, equation (2), for each input, given the inputs' `shapes` with N: every gradient goes where its value came
    from. Add sends the same gradient to all of its inputs; what PadShortcut skipped gets 0, and its zeros get none.
    """
    match layer:
        case Flatten():
            return (dy.reshape(shapes[0]),)
        case Add():
            return (dy,) * len(shapes)
        case Concat():
            ends = list(accumulate(shape[1] for shape in shapes))
            return tuple(np.split(dy, ends[:-1], axis=1))
        case PadShortcut():
            dx = np.zeros(shapes[0], dy.dtype)
            dx[:, :, :: layer.stride[0], :: layer.stride[1]] = dy[:, : dx.shape[1]]
            return (dx,)
