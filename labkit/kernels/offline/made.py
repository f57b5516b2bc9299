"""Jobs for kernels that are made for given sizes, as all of labkit.kernels.tuned are: by `make` or in recipes."""

from collections.abc import Callable
from functools import partial
from inspect import signature as parameters_of
from typing import Any

import numpy as np

from labkit.kernels.offline.build import ARCHITECTURES, signature
from labkit.kernels.offline.many import Capability, Job

Built = tuple[Callable, tuple[Any, ...], dict[str, Any]]  # what `Job.build` returns


INTEGERS = ("labels", "correct", "winner")  # arguments of tuned kernels that are int32


def array(axes: int, name: str = "") -> np.ndarray:
    """An example of an array with so many axes: float32, or int32 if its name is one of INTEGERS."""
    return np.empty((1,) * axes, np.int32 if name in INTEGERS else np.float32)


def flat(make: Callable, *arguments: Any, **named: Any) -> Built:
    """The kernel of `make(*arguments, **named)`, for flat arrays."""
    kernel, _ = make(*arguments, **named)
    examples = [array(1, name) for name in parameters_of(kernel).parameters]
    return kernel, signature(*examples), getattr(kernel, "options", {})


def step(index: int, axes: dict[str, int], recipe: Callable, *arguments: Any, **named: Any) -> Built:
    """The kernel of step `index` of `recipe(*arguments, **named)`, those that prepare counted first.

    axes: of arrays that are not flat, by name.
    """
    made = recipe(*arguments, **named)
    chosen = (*made.prepare, *made.steps)[index]
    examples = [array(axes.get(one, 1), one) if isinstance(one, str) else one for one in chosen.arguments]
    return chosen.kernel, signature(*examples), getattr(chosen.kernel, "options", {})


def job(name: str, make: Callable, *arguments: Any, ccs: tuple[Capability, ...] = ARCHITECTURES, **named: Any) -> Job:
    """The job called `name` for the kernel of `make(*arguments, **named)`; `make` stands in a module."""
    return Job(name, partial(flat, make, *arguments, **named), ccs)


def jobs(
    name: str, recipe: Callable, *arguments: Any, ccs: tuple[Capability, ...] = ARCHITECTURES, **named: Any
) -> list[Job]:
    """A job for each step of `recipe(*arguments, **named)`, called `name: KERNEL`; `recipe` stands in a module."""
    made = recipe(*arguments, **named)
    return [
        Job(f"{name}: {one.kernel.__name__}", partial(step, index, {}, recipe, *arguments, **named), ccs)
        for index, one in enumerate((*made.prepare, *made.steps))
    ]
