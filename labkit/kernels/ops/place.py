"""What all layers on kernels share: where they run, how their work is divided, and the arrays they keep."""

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from labkit.kernels.executors import Executor
from labkit.kernels.launch import Work, choose
from labkit.kernels.vectors import fill, vector_launch
from labkit.network import Layer, Shape

ADDS = ("data", "hybrid")  # mappings in which the blocks of KU add to weights that other blocks add to as well


@dataclass(frozen=True)
class Place:
    """One layer of a network on an executor, prepared for at most `batch` samples.

    needs_dx: whether anybody will ask for the gradient of its inputs.
    """

    name: str
    layer: Layer
    input_shapes: tuple[Shape, ...]
    batch: int
    mapping: str
    executor: Executor
    needs_dx: bool = True
    held: dict[str, Any] = field(default_factory=dict)

    @property
    def output_shape(self) -> Shape:
        """Of one sample."""
        return self.layer.output_shape(*self.input_shapes)

    @property
    def bytes_held(self) -> int:
        """Of all arrays that `array` and `constant` have made."""
        return sum(prod(a.shape) * np.dtype(a.dtype).itemsize for a in self.held.values())

    def array(self, name: str, n: int, shape: Shape, dtype: Any = np.float32) -> Any:
        """The array [n, *shape] called `name`: made for a whole batch when first asked for, then always the same."""
        if name not in self.held:
            self.held[name] = self.executor.empty((self.batch, *shape), dtype)
        return self.held[name] if n == self.batch else self.held[name][:n]

    def constant(self, name: str, values: np.ndarray) -> Any:
        """`values` in the executor's memory, copied when first asked for."""
        if name not in self.held:
            self.held[name] = self.executor.put(values)
        return self.held[name]

    def run(self, table: dict[str, Any], work: Work, *arguments: Any) -> None:
        """Launch the kernel that `table` has for this layer's mapping."""
        self.executor.launch(table[self.mapping], choose(self.mapping, work), *arguments)


def zero(executor: Executor, *arrays: Any) -> None:
    """Set every value of `arrays` to 0, by a kernel."""
    for array in arrays:
        n = prod(array.shape)
        executor.launch(fill, vector_launch(n), array.reshape(n), np.float32(0))


def as_maps(array: Any) -> Any:
    """[n, C, H, W] as [n, C, H * W], and [n, features] as [n, features, 1]: the same memory."""
    n, C = array.shape[:2]
    return array.reshape((n, C, prod(array.shape[2:])))
