"""The layer-define function: a layer record made ready on an executor, with its workspace (the short form).

Everything that the layer will launch for a whole batch is chosen when it is defined, in a rehearsal that allocates but
starts no kernel; `explain` tells it.
"""

from math import prod
from typing import Any

import numpy as np

from labkit.engine.ops import Draw, LayerOps
from labkit.engine.threads import limit
from labkit.errors import LabError, suggest
from labkit.kernels.executors import Executor
from labkit.kernels.launch import MAPPINGS
from labkit.kernels.mappings import DEFAULT
from labkit.kernels.ops import OPS, TUNED_OPS
from labkit.kernels.ops.place import Place
from labkit.kernels.primitives.call import executor_of, expect
from labkit.kernels.primitives.noting import Noting, Started
from labkit.machine.gpus import find, this_gpu
from labkit.machine.origin import MODELLED
from labkit.network import BatchNorm, Layer, Shape
from labkit.network.layer import count, is_count


def define(
    layer: Layer,
    input_shape: Shape | tuple[Shape, ...],
    batch: int,
    mapping: str = "hybrid",
    on: Executor | None = None,
    name: str | None = None,
) -> "Defined":
    """`layer` ready for up to `batch` samples of `input_shape`: (C, H, W) or (features,), or one for each input.

    mapping: 'data', 'model', 'hybrid' or 'tuned'; a layer without tuned kernels runs in hybrid then. on: this machine's
    GPU, else its cores. name: what messages call it. Raises LabError for what has no kernel, and where a filter does
    not fit the shared memory of a block.
    """
    if type(layer) not in OPS:
        raise LabError(f"no kernel for {layer!r}", "give a layer record of labkit.network, e.g. Conv(6, 5)")
    if mapping not in MAPPINGS:
        raise LabError(f"unknown mapping {mapping!r}", suggest(str(mapping), MAPPINGS))
    table = TUNED_OPS if mapping == "tuned" and type(layer) in TUNED_OPS else OPS
    used = DEFAULT if mapping == "tuned" and table is OPS else mapping
    executor, shapes = Noting(executor_of(on)), _shapes(input_shape)
    made = Place(name or layer.kind, layer, shapes, count("batch", batch), used, executor, gpu=this_gpu())
    _ = made.output_shape  # refuses shapes that this layer cannot take
    return Defined(made, table[type(layer)](made))


class Defined:
    """One layer as `define` made it. NumPy arrays go in and come out; in between they are in the executor's memory.

    output_shape: of one sample. launches: what the last call of each phase started, or is going to start, in order.
    """

    def __init__(self, place: Place, ops: LayerOps):
        self._place, self._ops = place, ops
        self._weights, self._state = place.layer.weights(*place.input_shapes), place.layer.state(*place.input_shapes)
        self._given: dict[str, Any] = {}
        self._n: int | None = None
        self.output_shape = place.output_shape
        for name, shape in (self._weights | self._state).items():
            start = np.ones if name == "variance" else np.zeros
            self._given[name] = place.constant(f"given.{name}", start(shape, np.float32))
        self._rehearse()

    @property
    def launches(self) -> tuple[Started, ...]:
        """See above."""
        return self._place.executor.launches

    @property
    def workspace_bytes(self) -> int:
        """What the layer holds on the executor: copies of what it was given, what it returns, and what it keeps."""
        shared = (array for sizes in self._place.scratch.values() for array in sizes)
        return self._place.bytes_held + sum(prod(a.shape) * np.dtype(a.dtype).itemsize for a in shared)

    @property
    def state(self) -> dict[str, np.ndarray]:
        """Copies of what FP moves in training: the running mean [C] and variance [C] of a BatchNorm; else empty."""
        return {name: np.array(self._place.executor.get(self._given[name])) for name in self._state}

    def forward(self, *xs: np.ndarray, training: bool = False, step: int = 0, **weights: np.ndarray) -> np.ndarray:
        """FP: the output [n, *output_shape] for inputs [n, *input_shape], n <= batch.

        weights: by name, as `layer.weights` has them; those that were given before need not be given again, which holds
        for the mean and variance of a BatchNorm too (at first 0 and 1). training, step: see
        `labkit.engine.model.Model.forward`. Raises LabError for arrays that do not fit, and weights never given.
        """
        n = self._check_inputs(xs)
        self._take(weights)
        with limit(), self._place.executor.phase("FP"):
            inputs = tuple(self._put(f"x{i}", x) for i, x in enumerate(xs))
            y = self._forward(inputs, training, step)
        self._n = n
        return self._get(y)

    def backward_weights(self, dy: np.ndarray) -> dict[str, np.ndarray]:
        """KU after FP: the gradient of each weight by its name, summed over the batch, from that of the output."""
        self._check_gradient(dy)
        with limit(), self._place.executor.phase("KU"):
            gradients = self._backward_weights(self._put("dy", dy))
        return {name: self._get(array) for name, array in gradients.items()}

    def backward_data(self, dy: np.ndarray) -> np.ndarray | tuple[np.ndarray, ...]:
        """BP after FP: the gradient of the input (of each input, where there are several) from that of the output.

        The formula of a BatchNorm holds the sums of KU, so these are taken first, again if KU was asked for before.
        """
        self._check_gradient(dy)
        with limit(), self._place.executor.phase("BP"):
            found = self._backward_data(self._put("dy", dy))
        gradients = tuple(map(self._get, found))
        return gradients if len(gradients) > 1 else gradients[0]

    def explain(self, device: str | None = None) -> str:
        """What is launched, and what that means on `device`: a GPU by name, else this machine's, else an H200."""
        gpu = find(device) if device else this_gpu() or find("h200")
        if not self.launches:
            return f"{self._place.name}: no kernel"
        head = f"{self._place.name} on {gpu.name}; registers as compiled for it or the nearest older GPU ({MODELLED})"
        return "\n".join((head, *(started.explain(gpu) for started in self.launches)))

    def _forward(self, inputs: tuple, training: bool, step: int) -> Any:
        weights, state = ({name: self._given[name] for name in of} for of in (self._weights, self._state))
        return self._ops.forward(inputs, weights, state, training, Draw(layer=self._place.name, step=step))

    def _backward_weights(self, dy: Any) -> dict[str, Any]:
        weights = {name: self._given[name] for name in self._weights}
        zeros = {name: np.zeros(shape, np.float32) for name, shape in self._weights.items()}
        gradients = {name: self._place.constant(f"gradient.{name}", zeros[name]) for name in zeros}
        self._ops.backward_weights(dy, weights, gradients)
        return gradients

    def _backward_data(self, dy: Any) -> tuple:
        if isinstance(self._place.layer, BatchNorm):
            self._backward_weights(dy)
        return self._ops.backward_data(dy, {name: self._given[name] for name in self._weights})

    def _rehearse(self) -> None:
        """Go through the phases for a whole batch without starting a kernel: all memory is there afterwards."""
        inputs = tuple(self._array(f"x{i}", self._place.batch, s) for i, s in enumerate(self._place.input_shapes))
        dy, rehearsed = self._array("dy", self._place.batch, self.output_shape), self._place.executor.rehearsed
        with rehearsed("FP"):
            self._forward(inputs, training=True, step=0)
        with rehearsed("KU"):
            self._backward_weights(dy)
        with rehearsed("BP"):
            self._backward_data(dy)
        self._missing = set(self._weights)

    def _array(self, name: str, n: int, shape: Shape) -> Any:
        return self._place.array(f"given.{name}", n, shape)

    def _put(self, name: str, host: np.ndarray) -> Any:
        there = self._array(name, host.shape[0], host.shape[1:])
        return self._place.executor.put(np.ascontiguousarray(host), there)

    def _get(self, array: Any) -> np.ndarray:
        return np.array(self._place.executor.get(array))

    def _take(self, weights: dict[str, np.ndarray]) -> None:
        """Copy the weights that were given; LabError for unknown ones and for those that never were."""
        shapes = self._weights | self._state
        for name, array in weights.items():
            if name not in shapes:
                raise LabError(
                    f"{self._place.name} has no weights {name!r}", suggest(name, shapes) if shapes else "give none"
                )
            expect(name, array, shapes[name])
        if missing := sorted(self._missing - set(weights)):
            raise LabError(f"{self._place.name} was never given {', '.join(missing)}", "give it by name, as an array")
        for name, array in weights.items():
            self._place.executor.put(np.ascontiguousarray(array), self._given[name])
        self._missing -= set(weights)

    def _check_inputs(self, xs: tuple) -> int:
        """The number of samples n of all inputs."""
        name, shapes = self._place.name, self._place.input_shapes
        if len(xs) != len(shapes):
            raise LabError(f"{name} was given {len(xs)} inputs, not {len(shapes)}", "give one array for each")
        n = len(xs[0]) if getattr(xs[0], "shape", ()) else 0
        if not 1 <= n <= self._place.batch:
            raise LabError(f"{n} samples for {name}", f"give an array of 1 to {self._place.batch} samples")
        for i, (x, shape) in enumerate(zip(xs, shapes, strict=True)):
            expect("input" if len(xs) == 1 else f"input {i}", x, (n, *shape))
        return n

    def _check_gradient(self, dy: Any) -> None:
        if self._n is None:
            raise LabError(f"{self._place.name} has not been run forward", "call forward first")
        expect("output_gradient", dy, (self._n, *self.output_shape))


def _shapes(input_shape: Any) -> tuple[Shape, ...]:
    """One shape or several as several; LabError for anything else."""
    given = input_shape if isinstance(input_shape, tuple) else ()
    shapes = given if given and all(isinstance(shape, tuple) for shape in given) else (given,)
    if not all(shape and all(map(is_count, shape)) for shape in shapes):
        instead = "give (C, H, W) or (features,), or a tuple of such shapes for several inputs"
        raise LabError(f"input_shape={input_shape!r}", instead)
    return shapes
