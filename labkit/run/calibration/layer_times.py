"""Seconds of computing of every layer on this machine, in the pieces that instructions ask for: the `Compute` of costs.

Two batch sizes give a line for each layer and phase: seconds of any call, and more for each sample (convolutions of a
few samples do not cost half of twice as many; keuper-pfreundt-2016 section III.B). Layers are timed one by one, which
costs a little at every seam, so each phase is then scaled to what it takes in one go, as an instruction does it.
"""

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import NamedTuple

import numpy as np

from labkit.engine import Model
from labkit.engine.optimizers import SGD, Optimizer
from labkit.engine.passes import Pass
from labkit.engine.threads import limit
from labkit.errors import LabError
from labkit.machine.origin import MEASURED_HERE
from labkit.network import Network, Softmax
from labkit.schedule.costs import Compute, LayerSeconds, Seconds

WARM_UP = 1
LEAST_STEPS = 4
LOW = 0.25  # quantile
SHARE_S = 0.5  # seconds of timing for each batch size, if that is more than LEAST_STEPS steps


class Times(NamedTuple):
    """For one batch size, in seconds. layers: [layers, 3] of FP, BP, KU, scaled to the whole passes. forward, backward:
    of the whole passes. update: of all weights. spread: how far the two halves of the steps were apart (0.1: 10 %).
    """

    layers: np.ndarray
    forward_s: float
    backward_s: float
    update_s: float
    spread: float


def compute_costs(model: Model, batches: tuple[int, int], optimizer: Optimizer | None = None, progress=None):
    """(`Compute`, spread) of `model` from two batch sizes, the smaller first, up to the model's own.

    optimizer: SGD unless given. progress(done_fraction, what) is called between steps. Raises LabError for sizes that
    are not two of 1 <= small < large <= model.batch.
    """
    small, large = batches
    if not 1 <= small < large <= model.batch:
        raise LabError(f"batches {small} and {large}", f"give two sizes, the smaller first, from 1 to {model.batch}")
    rows = []
    for number, batch in enumerate(batches):
        report = _part(progress, number / 2, f"timing {model.network.name} at batch {batch}")
        rows.append(measure(model, batch, optimizer or SGD(lr=1e-30), report))
    layers = tuple(
        LayerSeconds(*(line(batches, (low, high)) for low, high in zip(*both, strict=True)))
        for both in zip(rows[0].layers, rows[1].layers, strict=True)
    )
    update_s = min(row.update_s for row in rows) / max(1, model.network.parameters)
    compute = Compute(layers, update_s_per_value=update_s, network=model.network.name, origin=MEASURED_HERE)
    return compute, max(row.spread for row in rows)


def measure(model: Model, batch: int, optimizer: Optimizer, report: Callable[[float], None] | None = None) -> Times:
    """Times of one batch size: steps in one go and layer by layer in turn, until there are enough of both."""
    x, labels = _samples(model.network, batch)
    walk, slots = Pass(model), model.slots(optimizer)
    loss = "categorical_crossentropy" if isinstance(model.network.nodes[-1].layer, Softmax) else "mse"
    whole, by_layer = [], []
    with limit(model.threads):
        begun = perf_counter()
        while len(whole) < WARM_UP + LEAST_STEPS or perf_counter() - begun < SHARE_S:
            if len(whole) == WARM_UP:
                begun = perf_counter()
            walk.begin(x, labels, loss, step=len(whole))
            whole.append(_whole(model, walk, optimizer, slots, len(whole)))
            walk.begin(x, labels, loss, step=len(whole))
            by_layer.append(_layers(model, walk))
            if report is not None:
                report(min(1.0, len(whole) / (WARM_UP + LEAST_STEPS)))
    return _typical(np.array(whole[WARM_UP:]), np.array(by_layer[WARM_UP:]))


def _whole(model: Model, walk: Pass, optimizer: Optimizer, slots, step: int) -> tuple[float, float, float]:
    """Seconds of FP, of BP with KU, and of the update of all weights."""
    end = len(model.network)
    return (
        _seconds(model, partial(walk.forward, 0, end)),
        _seconds(model, partial(walk.backward, 0, end)),
        _seconds(model, partial(model.update, optimizer, slots, step)),
    )


def _layers(model: Model, walk: Pass) -> list[tuple[float, float, float]]:
    """Seconds of FP, BP and KU of every layer: [layers][3]."""
    numbers = range(len(model.network))
    forward = [_seconds(model, partial(walk.forward, n, n + 1)) for n in numbers]
    rows = []
    for n in reversed(numbers):
        stopwatch = model.arrays.stopwatch()
        both = _seconds(model, partial(walk.backward, n, n + 1, stopwatch=stopwatch))
        ku = min(both, stopwatch.seconds().get("ku", 0.0))
        rows.append((forward[n], both - ku, ku))
    return rows[::-1]


def _seconds(model: Model, work: Callable[[], None]) -> float:
    start = perf_counter()
    work()
    model.wait()
    return perf_counter() - start


def _typical(whole: np.ndarray, by_layer: np.ndarray) -> Times:
    """Of whole [steps, 3] and by_layer [steps, layers, 3]: other work can only add to times, so their low quarter."""
    forward_s, backward_s, update_s = map(float, np.quantile(whole, LOW, axis=0))
    layers = np.quantile(by_layer, LOW, axis=0)
    layers[:, 0] *= forward_s / max(layers[:, 0].sum(), 1e-12)
    layers[:, 1:] *= backward_s / max(layers[:, 1:].sum(), 1e-12)
    steps = whole.sum(axis=1)
    first, second = (float(np.quantile(half, LOW)) for half in np.array_split(steps, 2))
    return Times(layers, forward_s, backward_s, update_s, abs(first - second) / min(first, second))


def line(batches: tuple[int, int], seconds: tuple[float, float]) -> Seconds:
    """The line through two points; through the origin or flat where noise would make one of its figures negative."""
    (small, large), (low, high) = batches, seconds
    per_sample_s = max(0.0, (high - low) / (large - small))
    fixed_s = high - per_sample_s * large
    return Seconds(fixed_s, per_sample_s) if fixed_s >= 0 else Seconds(0.0, high / large)


def _samples(network: Network, batch: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.random((batch, *network.input_shape), dtype=np.float32)
    return x, rng.integers(0, network.output_shape[0], batch)


def _part(progress, start: float, what: str) -> Callable[[float], None]:
    """Reports of one of two halves, from 0 to 1 each, as reports of the whole."""

    def report(share: float) -> None:
        if progress is not None:
            progress(start + min(1.0, share) / 2, what)

    return report
