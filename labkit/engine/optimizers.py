"""How weights follow their gradients: SGD, momentum, Adagrad, Adadelta and Adam.

An optimiser is a frozen record of its constants. What it remembers from step to step are its *slots*: vectors as long
as the flat vector of weights, allocated once by `start` and updated in place. They are part of the memory of training
(Adam: two more values per weight) and of a checkpoint. Whether a step sees one sample (stochastic), all of them (batch)
or some (mini-batch) is not the optimiser's affair: it is the size of the batch.

w weights, g = dL/dw averaged over the batch, lr the learning rate. krishna-gupta-nayak equation (6) prints the update
as w += lr * g; to go down the loss it has to be w -= lr * g, as everywhere below.
"""

from dataclasses import dataclass, fields
from math import sqrt
from typing import ClassVar

import numpy as np

from labkit.engine.arrays import HOST, Arrays
from labkit.errors import LabError, suggest


@dataclass(frozen=True)
class Optimizer:
    """What all have in common. `slots`: names of the vectors kept; their number is the values kept per weight."""

    slots: ClassVar[tuple[str, ...]] = ()
    lr: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            positive = field.name in ("lr", "epsilon")
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not (0 < value < float("inf") if positive else 0 <= value < 1):
                instead = "give a finite number above 0" if positive else "give a number from 0 up to, but without, 1"
                raise LabError(f"{self.name} with {field.name}={value!r}", instead)

    @property
    def name(self) -> str:
        """Name of the record in lower case, as `get` takes it."""
        return type(self).__name__.lower()

    def start(self, weights: np.ndarray, arrays: Arrays = HOST) -> tuple[np.ndarray, ...]:
        """The slots before the first step: one vector of zeros like `weights` (1-D, float32 or float64) for each."""
        return tuple(arrays.put(np.zeros(weights.shape, weights.dtype)) for _ in self.slots)

    def update(
        self,
        w: np.ndarray,
        g: np.ndarray,
        slots: tuple[np.ndarray, ...],
        step: int = 0,
        lr: float | None = None,
        arrays: Arrays = HOST,
    ) -> None:
        """Move `w` one step, in place, and the slots with it.

        w, g: vectors of one length and type. slots: from `start`, the same ones at every step. step: how many updates
        came before. lr: the learning rate of this step where a schedule has changed it. arrays: where they all live.
        """
        constants = self.constants(step, self.lr if lr is None else lr)
        arrays.apply(self.name, (w, g, *slots), constants)

    def constants(self, step: int, lr: float) -> tuple[float, ...]:
        """What the compiled loop of `rules` takes after the vectors, in its order."""
        return (lr,)


@dataclass(frozen=True)
class SGD(Optimizer):
    """w -= lr * g (krishna-gupta-nayak equation (6); Robbins and Monro 1951)."""

    lr: float = 0.01


@dataclass(frozen=True)
class Momentum(Optimizer):
    """v = mu * v + g; w -= lr * v (Polyak 1964).

    A gradient goes on acting for about 1 / (1 - mu) steps, so the same lr moves that many times as far as SGD's.
    """

    slots: ClassVar[tuple[str, ...]] = ("velocity",)
    lr: float = 0.01
    mu: float = 0.9

    def constants(self, step: int, lr: float) -> tuple[float, ...]:
        return lr, self.mu


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """s += g^2; w -= lr * g / (sqrt(s) + epsilon) (Duchi et al. 2011, diagonal form, figure 1).

    Weights that have seen large gradients slow down; no weight ever speeds up again.
    """

    slots: ClassVar[tuple[str, ...]] = ("squares",)
    lr: float = 0.01
    epsilon: float = 1e-10

    def constants(self, step: int, lr: float) -> tuple[float, ...]:
        return lr, self.epsilon


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """s = rho * s + (1 - rho) * g^2; d = sqrt(u + epsilon) / sqrt(s + epsilon) * g; u = rho * u + (1 - rho) * d^2;
    w -= lr * d (Zeiler 2012, algorithm 1, which has no lr: 1 is his method).
    """

    slots: ClassVar[tuple[str, ...]] = ("squares", "steps")
    lr: float = 1.0
    rho: float = 0.95
    epsilon: float = 1e-6

    def constants(self, step: int, lr: float) -> tuple[float, ...]:
        return lr, self.rho, 1 - self.rho, self.epsilon


@dataclass(frozen=True)
class Adam(Optimizer):
    """m = beta1 * m + (1 - beta1) * g; s = beta2 * s + (1 - beta2) * g^2; with t = 1, 2, ... the number of the update:
    w -= lr * (m / (1 - beta1^t)) / (sqrt(s / (1 - beta2^t)) + epsilon) (Kingma and Ba 2015, algorithm 1).

    The divisions by 1 - beta^t undo that m and s start at zero.
    """

    slots: ClassVar[tuple[str, ...]] = ("mean", "squares")
    lr: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def constants(self, step: int, lr: float) -> tuple[float, ...]:
        t = step + 1
        rate, root = lr / (1 - self.beta1**t), 1 / sqrt(1 - self.beta2**t)
        return rate, root, self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2, self.epsilon


OPTIMIZERS = {record.__name__.lower(): record for record in (SGD, Momentum, Adagrad, Adadelta, Adam)}


def names() -> tuple[str, ...]:
    """Names that `get` takes."""
    return tuple(OPTIMIZERS)


def get(name: str, **constants: float) -> Optimizer:
    """The optimiser called `name` with these constants, e.g. `get("adam", lr=0.001)`.

    Raises LabError for a name or a constant that does not exist, and for values out of range.
    """
    if name not in OPTIMIZERS:
        raise LabError(f"unknown optimizer {name!r}", suggest(name, OPTIMIZERS))
    known = [field.name for field in fields(OPTIMIZERS[name])]
    for key in constants:
        if key not in known:
            raise LabError(f"optimizer {name!r} has no constant {key!r}", suggest(key, known))
    return OPTIMIZERS[name](**constants)
