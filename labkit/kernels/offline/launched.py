"""Which kernels training launches, and with which types of arguments: read off launches that are noted, never run."""

from collections.abc import Callable
from typing import Any

import numpy as np

from labkit.engine import Model
from labkit.engine.optimizers import OPTIMIZERS
from labkit.engine.regularize import add_penalty
from labkit.kernels.backend import KernelBackend
from labkit.kernels.executors.rehearsal import Rehearsal
from labkit.kernels.launch import TEACHING
from labkit.kernels.offline.build import signature
from labkit.network import (
    LRN,
    Add,
    AvgPool,
    BatchNorm,
    Builder,
    Concat,
    Conv,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    Logistic,
    MaxPool,
    Network,
    PadShortcut,
    ReLU,
    Softmax,
    Subsample,
    Tanh,
)

BATCH = 2


def every_layer() -> Network:
    """A small network with every kind of layer: groups, strides, paddings, branches, both kinds of normalisation."""
    b = Builder()
    stem = b.add("conv1", Conv(4, 3, padding=1))
    b.add("tanh", Tanh(), stem)
    b.add("logistic", Logistic(), stem)
    b.add("dropout", Dropout(0.5))
    b.add("both", Add(), "tanh", "dropout")
    b.add("norm1", BatchNorm())
    b.add("relu", ReLU())
    short = b.add("short", PadShortcut(6), "relu")
    b.add("conv2", Conv(6, 3, stride=2, padding=1, groups=2), "relu")
    b.add("leaky", LeakyReLU())
    b.add("sum", Add(), "leaky", short)
    b.add("average", AvgPool(2))
    b.add("largest", MaxPool(2), "sum")
    b.add("wide", Concat(), "average", "largest")
    b.add("response", LRN())
    b.add("subsample", Subsample(1))
    b.add("flatten", Flatten())
    b.add("fc1", Dense(8))
    b.add("norm2", BatchNorm())
    b.add("fc2", Dense(4))
    b.add("softmax", Softmax())
    return b.network("every_layer", (2, 8, 8))


def launches_of_training(mapping: str) -> list[tuple[Callable, tuple[Any, ...]]]:
    """(kernel, types) of every launch when `every_layer` is trained a step with each loss and each optimiser."""
    rehearsal, network = Rehearsal(), every_layer()
    model = Model(network, KernelBackend(rehearsal, network, mapping), BATCH)
    images, labels = np.zeros((BATCH, *network.input_shape), np.float32), np.zeros(BATCH, np.int64)
    for loss in ("categorical_crossentropy", "mse"):
        model.gradients_of(images, labels, loss)
    model.forward(images)
    for record in OPTIMIZERS.values():
        optimizer = record()
        model.update(optimizer, model.slots(optimizer))
    flat = model.gradients.flat
    add_penalty(model.parameters.flat, flat, (slice(0, 2),), 0.1, 0.1, model.arrays)
    model.arrays.apply("scale", (flat,), (0.5,))  # what a rank's share of the batch does to its loss
    model.arrays.norms(flat, {"all": slice(0, flat.shape[0])})
    model.arrays.copy(flat, flat)
    return [(one.kernel, signature(*one.arguments)) for one in rehearsal.started]


def types_in_training() -> dict[Callable, tuple[Any, ...]]:
    """Kernel -> types of the arguments of its first launch, for all teaching mappings together."""
    found: dict[Callable, tuple[Any, ...]] = {}
    for mapping in TEACHING:
        for kernel, types in launches_of_training(mapping):
            found.setdefault(kernel, types)
    return found
