"""Timing one process: seconds of a step by phase, and the rate at which this machine multiplies and adds.

Medians of several repetitions after a warm-up, because the first call compiles and a shared machine stutters.
"""

from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np

from labkit.engine.model import Model
from labkit.engine.optimizers import Momentum, Optimizer
from labkit.engine.threads import limit
from labkit.errors import LabError

WARM_UP = 2


def step_seconds(
    model: Model, x: np.ndarray, labels: np.ndarray, repeats: int = 20, optimizer: Optimizer | None = None
) -> dict[str, float]:
    """Median seconds of one training step on the batch x [n, ...], labels [n]: of 'fp', 'bp', 'ku', and of the 'step'.

    KU is the weight gradients and the update (krishna-gupta-nayak section II). `optimizer` is momentum unless given,
    with a learning rate so small (1e-30) that weights stay what they are. Raises LabError if repeats < 1.
    """
    _check(repeats)
    optimizer = Momentum(lr=1e-30) if optimizer is None else optimizer
    slots = model.slots(optimizer)
    rows = []
    for number in range(WARM_UP + repeats):
        start = perf_counter()
        step = model.gradients_of(x, labels, step=number)
        updating = perf_counter()
        model.update(optimizer, slots, number)
        model.wait()
        end = perf_counter()
        rows.append(step.seconds | {"ku": step.seconds["ku"] + end - updating, "step": end - start})
    return {key: median(row[key] for row in rows[WARM_UP:]) for key in rows[0]}


def forward_seconds(model: Model, x: np.ndarray, repeats: int = 20) -> float:
    """Median seconds of one forward pass (inference) on the batch x [n, ...]."""
    _check(repeats)
    return median(_seconds(lambda: model.forward(x), repeats))


def macs_per_s(size: int = 768, repeats: int = 10, threads: int | None = None) -> float:
    """Multiply-accumulates per second of a float32 matrix product of `size` x `size` matrices: what BLAS reaches here.

    It takes well under a second. The best of the repetitions counts, not the median: other work on the machine can only
    take away from it. A layer that needs every one of its products cannot be expected to run faster.
    """
    _check(repeats)
    rng = np.random.default_rng(0)
    a, b = (rng.random((size, size), dtype=np.float32) for _ in range(2))
    out = np.empty((size, size), np.float32)
    with limit(threads):
        return size**3 / min(_seconds(lambda: np.matmul(a, b, out=out), repeats))


def _seconds(call: Callable[[], object], repeats: int) -> list[float]:
    """Seconds of each of `repeats` calls after a warm-up."""
    seconds = []
    for _ in range(WARM_UP + repeats):
        start = perf_counter()
        call()
        seconds.append(perf_counter() - start)
    return seconds[WARM_UP:]


def _check(repeats: int) -> None:
    if repeats < 1:
        raise LabError(f"repeats={repeats!r}", "give an integer >= 1")
