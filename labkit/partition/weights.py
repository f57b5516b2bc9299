"""How heavy each layer is: the work that a partition balances.

Work is counted per layer and divided evenly among the layer's tasks, since they all do the same.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labkit.errors import LabError, suggest
from labkit.machine.origin import MODELLED
from labkit.partition.tasks import Tasks


@dataclass(frozen=True, eq=False)
class Weights:
    """Work of each task layer of one network, the input (0) included.

    name: of the work model, as in reports. work: float64 [layers] >= 0. unit: what it counts. origin: where it is from.
    """

    name: str
    work: np.ndarray
    unit: str
    origin: str

    def __post_init__(self) -> None:
        work = np.asarray(self.work, np.float64)
        if work.ndim != 1 or not (np.isfinite(work).all() and (work >= 0).all() and work.sum() > 0):
            raise LabError(
                f"weights {self.name!r} of the layers are {self.work}", "give numbers >= 0 that are not all 0"
            )
        object.__setattr__(self, "work", work)

    @property
    def total(self) -> float:
        return float(self.work.sum())


def flops(tasks: Tasks) -> Weights:
    """Multiply-accumulates of one sample's forward pass; BP and KU cost the same again, so the balance is the same."""
    return Weights("flops", np.array([layer.macs for layer in tasks.layers]), "MAC per sample, forward", MODELLED)


def layer_work(tasks: Tasks, weights: Weights) -> np.ndarray:
    """weights.work, float64 [layers]; LabError if the weights are those of another network."""
    if len(weights.work) != len(tasks.layers):
        raise LabError(
            f"weights {weights.name!r} are for {len(weights.work)} layers, {tasks.network.name} has "
            f"{len(tasks.layers)}, the input included",
            "make them for this network",
        )
    return weights.work


MODELS = {"flops": flops}


def weights_named(name: str, tasks: Tasks, progress: Callable[[float, str], None] | None = None) -> Weights:
    """The weights of a network by the name of the work model, one of MODELS. Raises LabError for another name."""
    if name not in MODELS:
        raise LabError(f"unknown weights {name!r}", suggest(name, MODELS))
    return MODELS[name](tasks)
