"""Losses: how far a batch of outputs is from its labels, as a mean over the batch, and which way is down.

Every loss takes `output` [n, K] of any float type and `labels` int64 [n] (class numbers from 0 to K - 1), and returns
(mean loss as a float, gradient of that mean with respect to the output, [n, K] of the output's type). This gradient is
the dL/dO of the last layer with which krishna-gupta-nayak equations (2) and (4) start.

No probability below the smallest normal number is divided by or taken the logarithm of, so that a class which a
saturated network has ruled out costs much (87 in float32, 708 in float64) but not infinitely much.
"""

from collections.abc import Callable

import numpy as np

from labkit.errors import LabError, suggest

Loss = Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray]]


def mse(output: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean squared error against one-hot labels: mean of (output - target)^2 over all n * K values."""
    difference = output - one_hot(output, labels)
    return float(np.mean(difference**2)), difference * (2 / output.size)


def binary_crossentropy(output: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Each of the K outputs as the probability of its own yes-no question, answered yes for the label's class only.

    Mean of -log q over all n * K values, where q is the probability given to the right answer: output where the answer
    is yes, 1 - output where it is no. Raises LabError for outputs outside 0 to 1.
    """
    _check_probabilities("binary_crossentropy", output)
    yes = one_hot(output, labels) == 1
    right = np.maximum(np.where(yes, output, 1 - output), np.finfo(output.dtype).tiny)
    return float(np.mean(-np.log(right))), np.where(yes, -1 / right, 1 / right) / output.size


def categorical_crossentropy(output: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean over the batch of -log p, where p is the output for the label's class; for outputs that are probabilities.

    Raises LabError for outputs outside 0 to 1. After a Softmax, `softmax_cross_entropy` is more accurate.
    """
    _check_probabilities("categorical_crossentropy", output)
    check_labels(output.shape, labels)
    rows = np.arange(len(output))
    right = np.maximum(output[rows, labels], np.finfo(output.dtype).tiny)
    gradient = np.zeros_like(output)
    gradient[rows, labels] = -1 / (right * len(output))
    return float(np.mean(-np.log(right))), gradient


def softmax_cross_entropy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Softmax and categorical cross-entropy in one: takes what goes into the softmax, and is stable for any logits.

    -log p[y] = log(sum of exp(z)) - z[y], and the gradient with respect to z is (p - one_hot(y)) / n: the division by p
    of the loss cancels against the factor p of the softmax's derivative. Subtracting the largest logit first changes
    neither, and no exponential can then overflow. Logits that are not finite give a loss that is not, without a
    warning: whoever trains looks at the loss.
    """
    check_labels(logits.shape, labels)
    rows = np.arange(len(logits))
    with np.errstate(invalid="ignore"):
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        log_p = shifted - log_sum
        gradient = np.exp(log_p)
    gradient[rows, labels] -= 1
    gradient /= len(logits)
    return float(np.mean(-log_p[rows, labels])), gradient


def one_hot(output: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """[n, K] of the output's shape and type: 1 in the column of each sample's label, 0 elsewhere."""
    check_labels(output.shape, labels)
    target = np.zeros_like(output)
    target[np.arange(len(output)), labels] = 1
    return target


LOSSES: dict[str, Loss] = {
    "mse": mse,
    "binary_crossentropy": binary_crossentropy,
    "categorical_crossentropy": categorical_crossentropy,
}


def names() -> tuple[str, ...]:
    """Names that `get` takes."""
    return tuple(LOSSES)


def get(name: str) -> Loss:
    """The loss called `name`, a function (output, labels) -> (mean loss, gradient); LabError for an unknown name."""
    if name not in LOSSES:
        raise LabError(f"unknown loss {name!r}", suggest(name, LOSSES))
    return LOSSES[name]


def fuses(name: str) -> bool:
    """Whether loss `name` after a Softmax may be computed from the logits, by `softmax_cross_entropy`."""
    return get(name) is categorical_crossentropy


def check_labels(shape: tuple[int, ...], labels: np.ndarray) -> None:
    """Refuse labels that are not class numbers for outputs of `shape` [n, K]; LabError says what would be."""
    n, K = shape if len(shape) == 2 else (shape[0], 0)
    if not K:
        raise LabError(f"a loss was given outputs of shape {shape}", "let the network end in a vector of K values")
    if labels.shape != (n,) or not np.issubdtype(labels.dtype, np.integer):
        raise LabError(f"labels of type {labels.dtype} and shape {labels.shape}", f"give class numbers of shape ({n},)")
    wrong = labels[(labels < 0) | (labels >= K)]
    if wrong.size:
        raise LabError(
            f"label {wrong[0]} for a network with {K} outputs", f"give classes from 0 to {K - 1}, or widen it"
        )


def _check_probabilities(name: str, output: np.ndarray) -> None:
    """NaN passes, so that it shows in the loss; so does a 1 that a fast softmax has rounded up."""
    slack = 8 * np.finfo(output.dtype).eps
    if np.any((output < 0) | (output > 1 + slack)):
        what = f"{name} was given outputs from {output.min():.4g} to {output.max():.4g}"
        raise LabError(what, "end the network in a Softmax or Logistic, which give 0 to 1, or use loss 'mse'")
