"""The contract between a model and the backends that do its arithmetic.

A backend is a module with a `NAME` and a function `start(network, mapping) -> Backend`, which prepares layers.
Everything that stands above (models, trainers, ranks that own a slice of a layer) talks to layers through the three
phases only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import numpy as np

from labkit.engine.arrays import HOST, Arrays
from labkit.errors import LabError, suggest
from labkit.network import Layer, Network, Shape

# By the names of their modules: a backend is imported when it is asked for, and may live in a room above this one.
BACKENDS = {
    "reference": "labkit.engine.reference",
    "cpu": "labkit.engine.cpu",
    "cuda": "labkit.kernels.on_gpu",
    "cuda-cpu": "labkit.kernels.on_cpu",
}
Mapping = str | dict[str, str] | None


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

    Arrays are those of the backend's `Arrays` (on the host: NumPy's). Activations are C-contiguous, [n, C, H, W] or
    [n, features], with n <= batch and of the prepared dtype. A returned
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


class Backend(Protocol):
    """A backend at work on one network: where its arrays live, and its layers."""

    arrays: Arrays
    mapping: Mapping  # as it was asked for, or the default; None where there are no blocks

    def prepare(
        self, name: str, layer: Layer, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype
    ) -> LayerOps:
        """The layer called `name`, made ready for up to `batch` samples of `input_shapes`."""


def backend(name: str):
    """The backend module called `name`; raises LabError for one that does not exist."""
    if name not in BACKENDS:
        raise LabError(f"unknown backend {name!r}", suggest(name, BACKENDS))
    return import_module(BACKENDS[name])


def start(name: str | Backend, network: Network, mapping: Mapping = None) -> Backend:
    """Backend `name` ready to prepare the layers of `network`; one that was started already is returned as it is.

    mapping: how the work of a layer is divided among the blocks of a GPU, for the backends that have blocks: one of
    'data', 'model', 'hybrid', 'tuned' for all layers, or a dict from layer to one of them. Raises LabError for an
    unknown backend, and for a mapping where there are no blocks.
    """
    return backend(name).start(network, mapping) if isinstance(name, str) else name


@dataclass(frozen=True)
class HostBackend:
    """A backend whose arrays are NumPy's and whose layers need nothing but their own record."""

    arrays: Arrays
    prepare_layer: Callable[..., LayerOps]
    mapping: Mapping = None

    def prepare(
        self, name: str, layer: Layer, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype
    ) -> LayerOps:
        """See `Backend`."""
        return self.prepare_layer(layer, input_shapes, batch, dtype)


def host_backend(name: str, prepare_layer: Callable[..., LayerOps], mapping: Mapping) -> HostBackend:
    """The `start` of the backends without blocks; LabError if a mapping was asked for."""
    if mapping is not None:
        raise LabError(f"backend {name!r} has no mapping (asked for: {mapping!r})", "take backend cuda or cuda-cpu")
    return HostBackend(HOST, prepare_layer)


def prepare(name: str, layer: Layer, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype) -> LayerOps:
    """`layer` by itself made ready on a host backend `name` for up to `batch` samples of `input_shapes`."""
    return backend(name).prepare(layer, input_shapes, batch, np.dtype(dtype))
