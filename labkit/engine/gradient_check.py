"""Gradients by the definition of the derivative: slow, and independent of every formula that it is used to check."""

from collections.abc import Callable

import numpy as np

from labkit.errors import LabError


def numerical_gradient(f: Callable[[np.ndarray], float], x: np.ndarray, step: float | None = None) -> np.ndarray:
    """Gradient of the number f(x) with respect to each value of x, by central differences; of the shape of x.

    df/dx_i = (f(x + h e_i) - f(x - h e_i)) / 2h, up to an error that falls with h^2, while rounding in f makes one that
    grows with 1/h. `step` is h; by default the cube root of the type's precision, where the two are about equal, times
    |x_i| where that is above 1. x itself is not changed: f is given copies, of float64 at least, because differences
    of float32 are mostly rounding. Two calls of f for each value: keep x small.

    Raises LabError if step is not a positive number.
    """
    if step is not None and not 0 < step < float("inf"):
        raise LabError(f"numerical_gradient with step={step!r}", "give a small positive number such as 1e-5")
    x = np.asarray(x)
    point = x.astype(np.promote_types(x.dtype, np.float64))
    gradient = np.empty_like(point)
    default = np.cbrt(np.finfo(point.dtype).eps)
    for i in np.ndindex(point.shape):
        h = default * max(1, abs(point[i])) if step is None else step
        above, below = point.copy(), point.copy()
        above[i] += h
        below[i] -= h
        distance = above[i] - below[i]  # 2h after rounding, taken before f has its hands on the copies
        gradient[i] = (f(above) - f(below)) / distance
    return gradient


def gradient_error(analytic: np.ndarray, numeric: np.ndarray) -> float:
    """Largest difference of two gradients, relative to the largest value in either; 0 if both are 0 everywhere.

    A right formula in float64 gives about 1e-9 against `numerical_gradient`; a wrong one 1e-2 and up. Infinite if any
    value is not finite. Raises LabError if the shapes differ, so that nothing is compared after broadcasting.
    """
    analytic, numeric = np.asarray(analytic), np.asarray(numeric)
    if analytic.shape != numeric.shape:
        raise LabError(
            f"gradients of shapes {analytic.shape} and {numeric.shape}",
            "give both the shape of what was varied",
        )
    if not (np.isfinite(analytic).all() and np.isfinite(numeric).all()):
        return float("inf")
    largest = max(np.abs(analytic).max(initial=0), np.abs(numeric).max(initial=0))
    return float(np.abs(analytic - numeric).max(initial=0) / largest) if largest else 0.0
