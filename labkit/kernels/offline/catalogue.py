"""Which kernels there are, and the types of their arguments, found in the modules of labkit.kernels themselves.

A kernel is a plain function of a module that asks for its place in the block or the grid. The shapes of its arrays are
in its docstring or its module's, as `name [N, C, H, W]`: they are part of the contract, and are read here. What has no
shape there is a number: an int64, or a float32 where the docstring says `name (float32)`.
"""

import importlib
import re
from collections.abc import Callable
from functools import partial
from inspect import signature as parameters_of
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

import labkit.kernels
from labkit.kernels.offline.build import signature
from labkit.kernels.offline.many import Job, plain
from labkit.kernels.registers import kernel_name

PLACES = {"threadIdx", "blockIdx"}
LEFT_OUT = ("executors", "experiments", "offline", "ops", "trace", "tuned")  # no teaching kernels stand there
ARRAY = re.compile(r"\b(\w+)`? \[([^\]]*)\](?:,? (int32))?")
NUMBER = re.compile(r"\b(\w+)`? \(float32\)")


def modules() -> list[ModuleType]:
    """Every module of labkit.kernels in which teaching kernels may stand; others are not even imported."""
    folder, found = Path(labkit.kernels.__file__).parent, []
    for file in sorted(folder.rglob("*.py")):
        parts = file.relative_to(folder).with_suffix("").parts
        if parts[0] not in LEFT_OUT and any(place in file.read_text(encoding="utf-8") for place in PLACES):
            found.append(importlib.import_module(".".join(("labkit.kernels", *parts))))
    return found


def kernels_of(module: ModuleType) -> list[FunctionType]:
    """The kernels that `module` defines, in their order."""
    plain_functions = [value for value in vars(module).values() if isinstance(value, FunctionType)]
    return [f for f in plain_functions if f.__module__ == module.__name__ and PLACES & set(f.__code__.co_names)]


def teaching_kernels() -> dict[str, FunctionType]:
    """Name -> kernel, for all that are not tuned."""
    return {kernel_name(kernel): kernel for module in modules() for kernel in kernels_of(module)}


def types_of(kernel: Callable) -> tuple[Any, ...]:
    """Types of the arguments of a teaching kernel, as its docstring and its module's give them."""
    text = f"{kernel.__doc__ or ''}\n{importlib.import_module(kernel.__module__).__doc__ or ''}"
    arrays = {name: (sizes.count(",") + 1, dtype) for name, sizes, dtype in reversed(ARRAY.findall(text))}
    floats = set(NUMBER.findall(text))

    def example(name: str) -> Any:
        if name in arrays:
            rank, dtype = arrays[name]
            return np.empty((1,) * rank, dtype or np.float32)
        return np.float32(1) if name in floats else 1

    return signature(*[example(name) for name in parameters_of(kernel).parameters])


def teaching_jobs() -> list[Job]:
    """One job per teaching kernel, for `many.compile_all`."""
    return [Job(name, partial(plain, kernel, types_of(kernel))) for name, kernel in teaching_kernels().items()]
