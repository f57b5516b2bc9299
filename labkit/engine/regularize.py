"""Against over-fitting: penalties on the weights, and stopping early.

Dropout is a layer, and augmentation is in `augment`. Penalties act on weights only: a bias does not make the network's
function steeper, and a scale that BatchNorm undoes anyway need not be small.
"""

from dataclasses import dataclass, field

import numpy as np

from labkit.engine.arrays import HOST, Arrays
from labkit.engine.tensors import Tensors
from labkit.errors import LabError
from labkit.network import BatchNorm, Network


def penalised(network: Network, parameters: Tensors) -> tuple[slice, ...]:
    """Parts of `parameters.flat` that hold weights (not biases, not BatchNorm's scale), in order."""
    return tuple(
        part
        for name, part in parameters.slices.items()
        if name.endswith(".weight") and not isinstance(network[name.rpartition(".")[0]].layer, BatchNorm)
    )


def penalty(w: np.ndarray, parts: tuple[slice, ...], l1: float, l2: float) -> float:
    """l1 * sum of |w| + l2 / 2 * sum of w^2 over the given parts of the flat vector: what is added to the loss."""
    return sum(l1 * float(np.abs(w[p]).sum()) + l2 / 2 * float(np.square(w[p]).sum()) for p in parts)


def add_penalty(
    w: np.ndarray, g: np.ndarray, parts: tuple[slice, ...], l1: float, l2: float, arrays: Arrays = HOST
) -> None:
    """Add the gradient of `penalty` to g, in place: l1 * sign(w) + l2 * w. It is 0 where w is 0."""
    for part in parts:
        arrays.apply("penalise", (w[part], g[part]), (l1, l2))


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when the loss on samples that are not trained on has not fallen for `patience` epochs.

    held_out: this fraction of the training samples is set aside to decide it, so that the test set stays unseen.
    An epoch counts as better if its loss is more than `min_delta` below the best; at the end the weights (and states)
    of the best epoch are put back. (Prechelt 1998, Early stopping -- but when?)
    """

    patience: int = 5
    min_delta: float = 0.0
    held_out: float = 0.1

    def __post_init__(self) -> None:
        if not isinstance(self.patience, int) or self.patience < 1:
            raise LabError(f"early stopping with patience={self.patience!r}", "give a number of epochs, at least 1")
        if not self.min_delta >= 0:
            raise LabError(f"early stopping with min_delta={self.min_delta!r}", "give a loss difference of at least 0")
        if not 0 < self.held_out < 1:
            raise LabError(f"early stopping with held_out={self.held_out!r}", "give a fraction between 0 and 1")


@dataclass
class Best:
    """The best epoch so far: its loss, how many epochs have passed since, and copies of its weights and states."""

    loss: float = float("inf")
    epochs_since: int = 0
    vectors: tuple[np.ndarray, ...] = field(default=())

    def judge(self, loss: float, rule: EarlyStopping, *vectors: np.ndarray) -> bool:
        """Take the loss of one more epoch into account, keep `vectors` if it is the best; True: it is time to stop."""
        if loss < self.loss - rule.min_delta:
            self.loss, self.epochs_since = loss, 0
            self.vectors = tuple(v.copy() for v in vectors)
        else:
            self.epochs_since += 1
        return self.epochs_since >= rule.patience

    def restore(self, arrays: Arrays, *vectors: np.ndarray) -> None:
        """Put the kept copies back into `vectors` of `arrays`; nothing happens before the first epoch was judged."""
        for vector, kept in zip(vectors, self.vectors, strict=False):
            arrays.put(kept, vector)
