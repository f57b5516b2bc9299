"""Notebook 01: the gradients of a network of two layers, by hand, for a batch."""

import numpy as np

from labkit.course.costs import peak_bytes
from labkit.course.exercise import Case, Exercise, Par, WrongSolution


def backward(X, T, W1, b1, W2, b2):
    """Gradients (dW1, db1, dW2, db2) of the mean over the samples of 1/2 |y - t|^2; samples are rows."""
    h = np.tanh(X @ W1.T + b1)
    y = h @ W2.T + b2
    dy = (y - T) / len(X)
    dz = (dy @ W2) * (1 - h**2)
    return dz.T @ X, dz.sum(axis=0), dy.T @ h, dy.sum(axis=0)


def cases(rng: np.random.Generator) -> list[Case]:
    """Four sizes that all differ, in every order; one batch of a single sample."""
    return [_case(rng, *sizes) for sizes in ((5, 3, 4, 2), (3, 6, 2, 5), (1, 4, 3, 2), (7, 2, 5, 3))]


def _case(rng: np.random.Generator, n: int, features: int, hidden: int, outputs: int) -> Case:
    shapes = ((n, features), (n, outputs), (hidden, features), (hidden,), (outputs, hidden), (outputs,))
    label = f"{n} samples of {features} features, {hidden} hidden values, {outputs} outputs"
    return Case(tuple(rng.normal(size=shape) for shape in shapes), label)


def _large(rng: np.random.Generator) -> Case:
    return _case(rng, 64, 80, 96, 30)


def _needed_bytes(args: tuple) -> int:
    """h, dz and one value more per hidden value; y and dy; and the gradients."""
    X, T, W1, b1, W2, b2 = args
    return 3 * len(X) * len(b1) * 8 + 2 * T.nbytes + sum(a.nbytes for a in (W1, b1, W2, b2))


def _mistaken(X, T, W1, b1, W2, b2, *, derivative=lambda z, h: 1 - h**2, error=lambda y, T: y - T, mean=True, by=None):
    """The backward pass with one line replaced; `by` replaces the weights that the error goes back through."""
    z = X @ W1.T + b1
    h = np.tanh(z)
    dy = error(h @ W2.T + b2, T) / (len(X) if mean else 1)
    dz = (dy @ (W2 if by is None else by(W2))) * derivative(z, h)
    return dz.T @ X, dz.sum(axis=0), dy.T @ h, dy.sum(axis=0)


def _no_derivative(*args):
    return _mistaken(*args, derivative=lambda z, h: 1.0)


def _logistic_derivative(*args):
    return _mistaken(*args, derivative=lambda z, h: h * (1 - h))


def _derivative_of_output(*args):
    return _mistaken(*args, derivative=lambda z, h: 1 - np.tanh(h) ** 2)


def _summed(*args):
    return _mistaken(*args, mean=False)


def _uphill(*args):
    return _mistaken(*args, error=lambda y, T: T - y)


def _twice(*args):
    return _mistaken(*args, error=lambda y, T: 2 * (y - T))


def _transposed(*args):
    dW1, db1, dW2, db2 = backward(*args)
    return dW1.T, db1, dW2.T, db2


def _bias_of_sample(X, T, W1, b1, W2, b2):
    dy = (np.tanh(X @ W1.T + b1) @ W2.T + b2 - T) / len(X)
    dW1, _, dW2, _ = backward(X, T, W1, b1, W2, b2)
    return dW1, (dy @ W2) * (1 - np.tanh(X @ W1.T + b1) ** 2), dW2, dy


def _bias_averaged(*args):
    dW1, db1, dW2, db2 = backward(*args)
    return dW1, db1 / len(args[0]), dW2, db2 / len(args[0])


EXERCISE = Exercise(
    id="two-layer-backward",
    title="One backward pass by hand",
    prompt=(
        "Write `backward(X, T, W1, b1, W2, b2) -> (dW1, db1, dW2, db2)`, the gradients of the loss\n"
        "L = mean over the samples of 1/2 |y - t|^2, with h = tanh(X W1^T + b1) and y = h W2^T + b2.\n"
        "Samples are rows: X is [n, features], T is [n, outputs], W1 is [hidden, features], W2 is [outputs, hidden]. "
        "Each gradient has the shape of what it belongs to."
    ),
    reference=backward,
    cases=cases,
    parts=("dW1", "db1", "dW2", "db2"),
    tolerance=1e-8,
    par=Par(
        what="peak memory",
        unit="bytes",
        cost=peak_bytes,
        bound=_needed_bytes,
        case=_large,
        why="four times the activations, their gradients and the weights' gradients",
        slack=4.0,
    ),
    wrong=(
        WrongSolution(
            "tanh passed unchanged",
            _no_derivative,
            "The gradient goes through tanh unchanged in your code. Where tanh is flat it must nearly vanish.",
            "Multiply, value by value, with the derivative of tanh.",
        ),
        WrongSolution(
            "derivative of the logistic function",
            _logistic_derivative,
            "h (1 - h) is the derivative of the logistic function. This layer has tanh.",
            "Written with its output h, the derivative of tanh is 1 - h^2.",
        ),
        WrongSolution(
            "derivative at the output",
            _derivative_of_output,
            "You took tanh of h once more: the derivative 1 - tanh(z)^2 belongs at the input z, and tanh(z) is h "
            "already.",
            "Use h itself: 1 - h**2.",
        ),
        WrongSolution(
            "summed, not averaged",
            _summed,
            "The gradients are summed over the samples. The loss is a mean, so its gradients are means as well.",
            "Divide by the number of samples once, where the loss begins.",
        ),
        WrongSolution(
            "uphill",
            _uphill,
            "All signs are turned round: the derivative of 1/2 |y - t|^2 with respect to y is y - t.",
            "Swap the two in the first line of the way back.",
        ),
        WrongSolution(
            "factor two",
            _twice,
            "A factor of 2 too much: the 1/2 of the loss cancels the 2 of the square.",
            "Differentiate 1/2 (y - t)^2 on paper.",
        ),
        WrongSolution(
            "weights transposed",
            _transposed,
            "The gradients of the weights are transposed: dW1 has to have the shape of W1, [hidden, features].",
            "In dz.T @ X the sum runs over the samples, and rows belong to hidden values.",
        ),
        WrongSolution(
            "bias per sample",
            _bias_of_sample,
            "The gradients of the biases have one row for each sample. Every sample used the same bias: add them up.",
            "Sum over the axis of the samples.",
        ),
        WrongSolution(
            "bias averaged twice",
            _bias_averaged,
            "The biases' gradients were averaged although dy carries the 1/n of the mean already.",
            "Use sum, not mean, over the samples.",
        ),
    ),
    hints=(
        "BP of layer 2 first. dh has the shape of h, [n, hidden]; dy is [n, outputs] and W2 [outputs, hidden]. Only "
        "one product of the two fits.",
        "BP of tanh: multiply dh, value by value, by the derivative 1 - h**2. The result, dz, is [n, hidden] as well.",
        "KU of layer 1 goes like KU of layer 2 (dW2 = dy.T @ h, db2 = dy.sum(axis=0)), with dz for dy and X for h.",
    ),
    next_step="Try one sample first and compare it with the worked example, line by line; then write down the shapes.",
)
