"""What all layers on kernels share: where they run, how their work is divided, and the arrays they keep."""

from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from labkit.kernels.executors import Executor
from labkit.kernels.launch import Launch, Work, choose
from labkit.kernels.tuned.recipe import Recipe, run
from labkit.kernels.vectors import fill, vector_launch
from labkit.machine.gpus import GpuData
from labkit.network import Layer, Shape

ADDS = ("data", "hybrid")  # mappings in which the blocks of KU add to weights that other blocks add to as well


@dataclass(frozen=True)
class Place:
    """One layer of a network on an executor, prepared for at most `batch` samples.

    needs_dx: whether anybody will ask for the gradient of its inputs. aligned: whether its weights, and their
    gradients, begin at a 16-byte boundary of the vectors that hold them. gpu: what tuned kernels are planned for; None
    without one. held: its own arrays, by name. scratch: arrays
    that all layers share, because they hold nothing between two launches.
    """

    name: str
    layer: Layer
    input_shapes: tuple[Shape, ...]
    batch: int
    mapping: str
    executor: Executor
    needs_dx: bool = True
    aligned: bool = True
    gpu: GpuData | None = None
    held: dict[str, Any] = field(default_factory=dict)
    scratch: dict[str, list] = field(default_factory=dict)

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

    def shared(self, name: str, values: int) -> Any:
        """A flat array of at least `values` float32 values that any layer may overwrite afterwards.

        Smaller ones are kept when a larger one takes over, because recorded launches may still point to them.
        """
        sizes = self.scratch.setdefault(name, [])
        if not sizes or sizes[-1].shape[0] < values:
            sizes.append(self.executor.empty((values,)))
        return sizes[-1]

    def run(self, table: dict[str, Any], work: Work, *arguments: Any) -> None:
        """Launch the teaching kernel that `table` has for this layer's mapping."""
        self.executor.launch(table[self.mapping], choose(self.mapping, work), *arguments)

    def start(self, made: tuple[Any, Launch], *arrays: Any) -> None:
        """Launch a tuned kernel, as a `make` of `labkit.kernels.tuned` returned it, on flat arrays."""
        kernel, launch = made
        launch = replace(launch, layer=self.name, mapping="tuned")
        self.executor.launch(kernel, launch, *(array.reshape(prod(array.shape)) for array in arrays))

    def perform(self, recipe: Recipe, **arrays: Any) -> None:
        """Launch the steps of `recipe` on these arrays, by the names that it has for them; its workspace is shared."""
        every = {name: self.shared(name, values) for name, values in recipe.workspace.items()}
        every |= {name: array.reshape(prod(array.shape)) for name, array in arrays.items()}
        run(recipe, self.executor, every, layer=self.name)


def zero(executor: Executor, *arrays: Any) -> None:
    """Set every value of `arrays` to 0, by a kernel."""
    for array in arrays:
        n = prod(array.shape)
        executor.launch(fill, vector_launch(n), array.reshape(n), np.float32(0))


def as_maps(array: Any) -> Any:
    """[n, C, H, W] as [n, C, H * W], and [n, features] as [n, features, 1]: the same memory."""
    n, C = array.shape[:2]
    return array.reshape((n, C, prod(array.shape[2:])))
