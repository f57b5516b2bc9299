"""The contract between a model and the backends that do its arithmetic.

A backend is a module with a `NAME` and a function `prepare(layer, input_shapes, batch, dtype) -> LayerOps`. Everything
that stands above (models, trainers, ranks that own a slice of a layer) talks to layers through the three phases only.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import numpy as np

from labkit.errors import LabError, suggest
from labkit.network import Layer, Shape

BACKENDS = {"reference": "labkit.engine.reference", "cpu": "labkit.engine.cpu"}


@dataclass(frozen=True)
class Draw:
    """Which random numbers a layer with chance in it (Dropout) draws: the same wherever and in whatever order it runs.

    seed: the run's seed. layer: the layer's name. step: the training step. first: index within the global batch of the
    first sample that this process holds, so that a rank draws just its part of the whole batch's numbers.
    """

    seed: int = 0
    layer: str = ""
    step: int = 0
    first: int = 0


class LayerOps(Protocol):
    """One layer, prepared once for at most `batch` samples; keeps what BP and KU need from FP.

    Activations are C-contiguous, [n, C, H, W] or [n, features], with n <= batch and of the prepared dtype. A returned
    array stays valid until the same method is called again, and may be the layer's own workspace. A layer whose record
    says `in_place` may overwrite its input (FP) or the gradient it is given (BP), and may count on its own output
    staying as it was; every other layer may count on its inputs staying as they were, but not on its output.

    Order of calls: `forward`, then `backward_weights`, then `backward_data`, each at most once. `backward_data` is left
    out where nobody needs the gradient of the inputs (the first layer). Shapes are checked by the network, not here.
    """

    workspace_bytes: int  # memory held between calls, beyond weights, gradients and states

    def forward(
        self,
        xs: tuple[np.ndarray, ...],
        weights: dict[str, np.ndarray],
        state: dict[str, np.ndarray],
        training: bool,
        draw: Draw,
    ) -> np.ndarray:
        """FP: the output for inputs `xs`. In training, BatchNorm moves `state` in place and Dropout uses `draw`."""

    def backward_data(self, dy: np.ndarray, weights: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
        """BP: gradients of the loss with respect to each input, given that with respect to the output."""

    def backward_weights(
        self, dy: np.ndarray, weights: dict[str, np.ndarray], gradients: dict[str, np.ndarray]
    ) -> None:
        """KU: write the gradient of the loss with respect to each weight into `gradients`, overwriting it."""


def backend(name: str):
    """The backend module called `name`; raises LabError for one that does not exist."""
    if name not in BACKENDS:
        raise LabError(f"unknown backend {name!r}", suggest(name, BACKENDS))
    return import_module(BACKENDS[name])


def prepare(name: str, layer: Layer, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype) -> LayerOps:
    """`layer` made ready on backend `name` for up to `batch` samples of `input_shapes`."""
    return backend(name).prepare(layer, input_shapes, batch, np.dtype(dtype))
