"""Notebook 01: a gradient check that has to find the wrong ones among several backward passes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labkit.course.conv_loss import Candidate, ConvLoss
from labkit.course.exercise import Case, Exercise, Par, WrongSolution


def wrong_gradients(loss, candidates, x, w, b):
    """Names of the candidates whose gradients disagree with central differences of the loss."""
    step, estimates = 1e-5, []
    for array in (x, w, b):
        estimate = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            kept = array[index]
            array[index] = kept + step
            above = loss(x, w, b)
            array[index] = kept - step
            below = loss(x, w, b)
            array[index] = kept
            estimate[index] = (above - below) / (2 * step)
        estimates.append(estimate)
    wrong = set()
    for name, backward in candidates.items():
        for gradient, estimate in zip(backward(x, w, b), estimates, strict=True):
            agrees = np.max(np.abs(gradient - estimate)) <= 1e-4 * np.max(np.abs(estimate))
            if not agrees:  # written so that NaN, which compares as False with everything, is caught
                wrong.add(name)
    return wrong


PLANTED = (
    (("right", "filter mirrored", "bias of one sample"), 1, 1.0),
    (("stride forgotten", "right", "one corner", "sign of dx"), 2, 1e-10),  # below the fixed part of np.allclose
    (("bias too small", "right", "not a number"), 2, 1.0),
    (("right", "channels rolled", "two per cent", "tanh forgotten"), 1, 1e8),
)


def cases(rng: np.random.Generator) -> list[Case]:
    """Each case plants some of the bugs, under names that tell nothing; the losses have very different sizes."""
    return [_case(rng, *planted) for planted in PLANTED]


def _case(rng: np.random.Generator, bugs: tuple[str, ...], stride: int, scale: float) -> Case:
    x, w, b = rng.normal(size=(2, 2, 5, 4)), 0.5 * rng.normal(size=(3, 2, 3, 2)), rng.normal(size=3)
    P, Q = (5 - 3) // stride + 1, (4 - 2) // stride + 1
    loss = ConvLoss(stride, scale * rng.normal(size=(2, 3, P, Q)))
    names = rng.permutation(list("ABCDEFGH"))[: len(bugs)]
    candidates = {str(name): Candidate(loss, bug) for name, bug in zip(names, bugs, strict=True)}
    return Case((loss, candidates, x, w, b), f"a convolution of stride {stride} with a loss of the size of {scale:g}")


@dataclass
class Counted:
    """A loss that counts how often it is evaluated."""

    loss: ConvLoss
    calls: int = 0

    def __call__(self, x: np.ndarray, w: np.ndarray, b: np.ndarray) -> float:
        self.calls += 1
        return self.loss(x, w, b)


def _macs_spent(function: Callable, args: tuple) -> int:
    loss, candidates, x, w, b = args
    counted = Counted(loss)
    function(counted, candidates, x, w, b)
    return counted.calls * loss.macs(w)


def _macs_needed(args: tuple) -> int:
    loss, _, x, w, b = args
    return 2 * (x.size + w.size + b.size) * loss.macs(w)


def _worst(gradient, estimate):
    return np.max(np.abs(gradient - estimate)) / np.max(np.abs(estimate))


def _mistaken(loss, candidates, x, w, b, *, step=1e-5, sides=(1, -1), parts=(0, 1, 2), error=_worst, limit=1e-4):
    """The check with one of its decisions replaced."""
    arrays = [x, w, b]
    estimates = [_differences(loss, arrays, which, step, sides) for which in range(3)]
    wrong = set()
    for name, backward in candidates.items():
        gradients = backward(x, w, b)
        if not all(error(gradients[part], estimates[part]) <= limit for part in parts):
            wrong.add(name)
    return wrong


def _differences(loss: Callable, arrays: list, which: int, step: float, sides: tuple[int, int]) -> np.ndarray:
    estimate = np.zeros_like(arrays[which])
    for index in np.ndindex(estimate.shape):
        kept, values = arrays[which][index], []
        for side in sides:
            arrays[which][index] = kept + side * step
            values.append(loss(*arrays))
        arrays[which][index] = kept
        estimate[index] = (values[0] - values[1]) / (step * (sides[0] - sides[1]))
    return estimate


def _weights_only(*args):
    return _mistaken(*args, parts=(1,))


def _weights_and_biases(*args):
    return _mistaken(*args, parts=(1, 2))


def _norms(*args):
    return _mistaken(*args, error=lambda g, e: abs(np.linalg.norm(g) - np.linalg.norm(e)) / np.linalg.norm(e))


def _first_entry(*args):
    return _mistaken(*args, error=lambda g, e: abs(g.flat[0] - e.flat[0]) / np.max(np.abs(e)))


def _absolute(*args):
    return _mistaken(*args, error=lambda g, e: np.max(np.abs(g - e)))


def _allclose(*args):
    return _mistaken(*args, error=lambda g, e: float(not np.allclose(g, e)))


def _signed(*args):
    return _mistaken(*args, error=lambda g, e: np.max(g - e) / np.max(np.abs(e)))


def _nan_passes(*args):
    return _mistaken(*args, error=lambda g, e: 0.0 if np.isnan(g).any() else _worst(g, e))


def _coarse(*args):
    return _mistaken(*args, step=1e-2, sides=(1, 0))


EXERCISE = Exercise(
    id="gradient-check",
    title="A gradient check that finds planted bugs",
    prompt=(
        "Write `wrong_gradients(loss, candidates, x, w, b)`: the names of the backward passes that are wrong, as a "
        "set.\n"
        "loss(x, w, b) is a number; x are images [N, C, H, W], w filters [K, C, R, S], b biases [K], all float64. "
        "candidates is a dict from a name to a function, and candidates[name](x, w, b) gives (dx, dw, db), the "
        "gradients of the loss. Any of the three may be wrong, at a single entry only; in a right one, every entry "
        "agrees with the central difference to within a ten-thousandth of the largest. Losses may be very large or "
        "very small."
    ),
    reference=wrong_gradients,
    cases=cases,
    par=Par(
        what="multiply-accumulates spent on evaluating the loss",
        unit="MAC",
        cost=_macs_spent,
        bound=_macs_needed,
        case=lambda rng: _case(rng, *PLANTED[1]),
        why="one and a half times two evaluations for each entry of x, w and b",
        slack=1.5,
    ),
    wrong=(
        WrongSolution(
            "weights only",
            _weights_only,
            "Only dw is compared. Some of the planted bugs are in dx or db.",
            "Compare all three gradients.",
        ),
        WrongSolution(
            "dx left out",
            _weights_and_biases,
            "dx is not compared. A wrong dx spoils every layer before this one, although its own weights learn well.",
            "Nudge the entries of x as well.",
        ),
        WrongSolution(
            "norms compared",
            _norms,
            "The lengths of the gradients are compared. A gradient that is mirrored or has the wrong sign is as long.",
            "Take the difference first, entry by entry, and its size afterwards.",
        ),
        WrongSolution(
            "first entry only",
            _first_entry,
            "One entry is compared. Some of the bugs show elsewhere only.",
            "Go through all indices: np.ndindex(array.shape).",
        ),
        WrongSolution(
            "absolute tolerance",
            _absolute,
            "The difference is compared with a fixed number. Where gradients are tiny everything passes, and where "
            "they are huge nothing does.",
            "Divide by the largest entry of the gradient.",
        ),
        WrongSolution(
            "np.allclose as it comes",
            _allclose,
            "np.allclose allows 1e-8 on top of its relative tolerance. Where gradients are smaller everything passes.",
            "Compare the largest difference with 1e-4 times the largest entry yourself.",
        ),
        WrongSolution(
            "sign of the difference",
            _signed,
            "Differences below zero pass: the absolute value is missing.",
            "Use np.abs before np.max.",
        ),
        WrongSolution(
            "NaN passes",
            _nan_passes,
            "A gradient that contains NaN passes. NaN compares as False with everything, also in `error > limit`.",
            "Ask whether it agrees (not error <= limit) instead of whether it differs.",
        ),
        WrongSolution(
            "inaccurate differences",
            _coarse,
            "Right gradients are reported as wrong: your differences are not accurate enough. A one-sided difference "
            "or a large step leaves the loss's curvature in, and a tiny step leaves rounding noise.",
            "Use (loss(+step) - loss(-step)) / (2 step), and print its error for steps from 1e-2 to 1e-14.",
        ),
    ),
    hints=(
        "For one entry: add a step, evaluate the loss, subtract the step, evaluate again, and put the entry back.",
        "The central difference is (above - below) / (2 * step); 1e-5 is a good step in float64.",
        "Do this once for x, w and b, not once for each candidate. Then compare every candidate with the three "
        "results.",
        "Compare the largest absolute difference with 1e-4 times the largest entry, so that size does not matter.",
    ),
    next_step="For each candidate and each of dx, dw, db, print the largest difference beside the largest entry.",
)
