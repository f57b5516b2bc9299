"""A small convolution with a loss, and backward passes of it, one right and the others each with one planted bug.

The bugs are those that a symmetric test does not see: with a filter that equals its own mirror image, stride 1, one
sample or equal channels, most of these gradients are right.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ConvLoss:
    """loss(x, w, b) = sum of target * tanh(convolution): x [N, C, H, W], w [K, C, R, S], b [K], target [N, K, P, Q]."""

    stride: int
    target: np.ndarray

    def __call__(self, x: np.ndarray, w: np.ndarray, b: np.ndarray) -> float:
        return float(np.sum(self.target * self.outputs(x, w, b)))

    def outputs(self, x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
        """tanh of the convolution, [N, K, P, Q]."""
        z = np.zeros(self.target.shape) + b[:, None, None]
        for r, s in np.ndindex(w.shape[2:]):
            z += np.einsum("ncpq,kc->nkpq", x[self.window(r, s, self.stride)], w[:, :, r, s])
        return np.tanh(z)

    def window(self, r: int, s: int, stride: int) -> tuple:
        """Index of the inputs that the filter's value (r, s) meets at all output positions."""
        P, Q = self.target.shape[2:]
        rows, columns = (slice(start, start + stride * (n - 1) + 1, stride) for start, n in ((r, P), (s, Q)))
        return (slice(None), slice(None), rows, columns)

    def macs(self, w: np.ndarray) -> int:
        """Multiply-accumulates of one evaluation: every output value uses every weight of its filter once."""
        return self.target.size * w[0].size


@dataclass(frozen=True)
class Candidate:
    """A backward pass: candidate(x, w, b) -> (dx, dw, db); `bug` is a key of BUGS."""

    loss: ConvLoss
    bug: str

    def __call__(self, x: np.ndarray, w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        y = self.loss.outputs(x, w, b)
        dz = self.loss.target * (1.0 if self.bug == "tanh forgotten" else 1 - y**2)
        stride = 1 if self.bug == "stride forgotten" else self.loss.stride
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for r, s in np.ndindex(w.shape[2:]):
            dw[:, :, r, s] = np.einsum("nkpq,ncpq->kc", dz, x[self.loss.window(r, s, stride)])
            dx[self.loss.window(r, s, self.loss.stride)] += np.einsum("nkpq,kc->ncpq", dz, w[:, :, r, s])
        return BUGS[self.bug](dz, dx, dw, dz.sum(axis=(0, 2, 3)))


def _right(dz, dx, dw, db):
    return dx, dw, db


def _bias_of_one_sample(dz, dx, dw, db):
    return dx, dw, dz[0].sum(axis=(1, 2))


def _filter_mirrored(dz, dx, dw, db):
    return dx, dw[:, :, ::-1, ::-1].copy(), db


def _channels_rolled(dz, dx, dw, db):
    return dx, np.roll(dw, 1, axis=1), db


def _one_corner(dz, dx, dw, db):
    spoiled = dw.copy()
    spoiled[-1, -1, -1, -1] *= -1
    return dx, spoiled, db


def _sign_of_dx(dz, dx, dw, db):
    return -dx, dw, db


def _too_large(dz, dx, dw, db):
    return dx, 1.02 * dw, db


def _too_small(dz, dx, dw, db):
    return dx, dw, db - 0.1 * np.max(np.abs(db))


def _not_a_number(dz, dx, dw, db):
    spoiled = dx.copy()
    spoiled[-1, -1, -1, -1] = np.nan
    return spoiled, dw, db


BUGS: dict[str, Callable] = {
    "right": _right,
    "tanh forgotten": _right,  # the bug is in dz already
    "stride forgotten": _right,  # the bug is in dw already
    "bias of one sample": _bias_of_one_sample,
    "filter mirrored": _filter_mirrored,
    "channels rolled": _channels_rolled,
    "one corner": _one_corner,
    "sign of dx": _sign_of_dx,
    "two per cent": _too_large,
    "bias too small": _too_small,
    "not a number": _not_a_number,
}
