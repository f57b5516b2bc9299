"""Where a number that is not finite came from: the step, the layer, the likely cause, and what to try."""

from math import isfinite

import numpy as np

from labkit.engine.model import Model
from labkit.errors import LabError

FOUND = 1  # exit status of a command that ran as asked and found something wrong


def not_finite(model: Model, x: np.ndarray, loss: float, step: int, epoch: int, lr: float) -> LabError:
    """The error to raise when the loss of the batch x, just computed by `model`, is NaN or infinite."""
    where = f"the loss of step {step + 1} (epoch {epoch + 1}) is {loss}"
    if not np.isfinite(x).all():
        return LabError(f"{where}: the samples themselves hold values that are not finite", "mend the data", FOUND)
    slower = f"lower the learning rate from {lr:g} to {lr / 10:g}, or let it warm up"
    layer, what = first_bad_layer(model)
    if layer is None:
        layer = model.network.output
        outputs = map(model.arrays.get, model.outputs.values())
        largest = max((float(np.abs(o).max()) for o in outputs), default=float("nan"))
        return LabError(
            f"{where}: outputs up to layer {layer!r} have grown to {largest:.3g}, too large for it", slower, FOUND
        )
    if what == "weights":
        return LabError(f"{where}: weights of layer {layer!r} are not finite since the last update", slower, FOUND)
    largest = float(np.abs(model.parameters.host().flat).max())
    cause = f"outputs of layer {layer!r} are the first to overflow (the largest weight is {largest:.3g})"
    if step == 0:
        return LabError(f"{where}: {cause}", "scale the samples to about 1, or the initial weights down", FOUND)
    return LabError(f"{where}: {cause}", slower, FOUND)


def bad_gradients(norms: dict[str, float], step: int, epoch: int, lr: float) -> LabError:
    """The error to raise when gradient norms are not finite; names the layer nearest the loss, where it began."""
    layer = [layer for layer, norm in norms.items() if not isfinite(norm)][-1]
    return LabError(
        f"gradients of layer {layer!r} at step {step + 1} (epoch {epoch + 1}) are too large for the float type",
        f"lower the learning rate from {lr:g} to {lr / 10:g}, or let it warm up",
        FOUND,
    )


def first_bad_layer(model: Model) -> tuple[str, str] | tuple[None, None]:
    """(layer, 'weights' or 'outputs') of the first layer in forward order with a value that is not finite.

    Outputs are those of the last forward pass; a layer that works in place has overwritten the one before it.
    """
    weights = model.parameters.host()
    for node in model.network.nodes:
        if not all(np.isfinite(w).all() for w in weights.of(node.name).values()):
            return node.name, "weights"
        if node.name in model.outputs and not np.isfinite(model.arrays.get(model.outputs[node.name])).all():
            return node.name, "outputs"
    return None, None
