"""Which teaching kernels there are, and the types of their arguments: those of the launches of training.

A kernel is a plain function of a module that asks for its place in the block or the grid. Its types are those with
which `launched` saw it started; one that training does not launch, but that takes the same arguments as another kernel
of its module (the three mappings do), has that one's types.
"""

import importlib
from collections.abc import Callable
from functools import cache, partial
from inspect import signature as parameters_of
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import labkit.kernels
from labkit.kernels.offline.launched import types_in_training
from labkit.kernels.offline.many import Job, plain
from labkit.kernels.registers import kernel_name

PLACES = {"threadIdx", "blockIdx", "grid", "gridsize"}
LEFT_OUT = ("executors", "experiments", "offline", "ops", "primitives", "trace", "tuned")  # no teaching kernels there


def modules() -> list[ModuleType]:
    """Every module of labkit.kernels in which teaching kernels may stand; others are not even imported."""
    folder, found = Path(labkit.kernels.__file__).parent, []
    for file in sorted(folder.rglob("*.py")):
        parts = file.relative_to(folder).with_suffix("").parts
        if parts[0] not in LEFT_OUT and any(f"cuda.{place}" in file.read_text(encoding="utf-8") for place in PLACES):
            found.append(importlib.import_module(".".join(("labkit.kernels", *parts))))
    return found


def kernels_of(module: ModuleType) -> list[FunctionType]:
    """The kernels that `module` defines, in their order."""
    plain_functions = [value for value in vars(module).values() if isinstance(value, FunctionType)]
    return [f for f in plain_functions if f.__module__ == module.__name__ and PLACES & set(f.__code__.co_names)]


def teaching_kernels() -> dict[str, FunctionType]:
    """Name -> kernel, for all that are not tuned."""
    return {kernel_name(kernel): kernel for module in modules() for kernel in kernels_of(module)}


@cache
def recorded() -> dict[Callable, tuple[Any, ...]]:
    """Kernel -> types of its arguments, for all that training launches."""
    return types_in_training()


def types_of(kernel: Callable) -> tuple[Any, ...] | None:
    """Types of the arguments of a teaching kernel; None if neither it nor one like it is ever launched."""
    if kernel in recorded():
        return recorded()[kernel]
    for other, types in recorded().items():
        if other.__module__ == kernel.__module__ and parameters_of(other) == parameters_of(kernel):
            return types
    return None


def never_launched() -> list[str]:
    """Names of kernels whose types are not known, because no layer of `launched.every_layer` uses them."""
    return [name for name, kernel in teaching_kernels().items() if types_of(kernel) is None]


def teaching_jobs() -> list[Job]:
    """One job per teaching kernel of known types, for `many.compile_all`."""
    known = {name: (kernel, types_of(kernel)) for name, kernel in teaching_kernels().items()}
    return [Job(name, partial(plain, kernel, types)) for name, (kernel, types) in known.items() if types is not None]
