"""A model: parameters and workspaces of one network over one backend, and the walk through its layers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labkit.engine import initialize, losses, ops
from labkit.engine.buffers import Buffers
from labkit.engine.ops import Mapping
from labkit.engine.optimizers import Optimizer
from labkit.engine.passes import Pass, Workspace
from labkit.engine.tensors import Tensors
from labkit.engine.threads import limit
from labkit.errors import LabError
from labkit.network import Dropout, Network
from labkit.network.sizes import check_batch


@dataclass(frozen=True)
class Step:
    """What one pass of FP, BP and KU over a batch gave, before any weight is updated.

    loss: mean over the batch. correct: samples whose largest output is their label. samples: batch size.
    seconds: of the phases 'fp' (forward and loss), 'bp' (gradients of inputs), 'ku' (gradients of weights). Where a
    recorded step was replayed as a whole (mapping 'tuned' on a GPU), 'bp' holds 'ku' too.
    """

    loss: float
    correct: int
    samples: int
    seconds: dict[str, float]


class Model:
    """Weights of `network`, and what it takes to run it forward and backward on batches of up to `batch` samples.

    backend: 'cpu' (fast, float32), 'reference' (NumPy, any float type), 'cuda' (kernels on a GPU) or 'cuda-cpu' (the
    same kernels on the cores). mapping: for the last two, see `ops.start`. seed: fixes the initial weights, layer by
    layer and array by array, whatever the backend. threads: how many cores BLAS and compiled loops may use (None: all).

    `parameters`, `gradients` and `state` are `Tensors`; `outputs` holds every layer's output of the last forward pass
    (layers that work in place share one array with the layer before). They live where `arrays` keeps its arrays: on
    backend 'cuda' that is the GPU, and `parameters.host()` or `arrays.get(...)` copies to the host.
    """

    def __init__(
        self,
        network: Network,
        backend: str = "cpu",
        batch: int = 32,
        seed: int = 0,
        dtype: np.dtype | type = np.float32,
        threads: int | None = None,
        mapping: Mapping = None,
    ):
        check_batch(batch)
        self.network, self.backend, self.batch, self.seed = network, backend, batch, seed
        self.dtype, self.threads = np.dtype(dtype), threads
        self.parameters = Tensors(network.weights(), self.dtype)
        self.gradients = Tensors(network.weights(), self.dtype)
        self.state = Tensors(network.state(), self.dtype)
        initialize.fill(network, self.parameters, self.state, seed)
        started = ops.start(backend, network, mapping)
        self.mapping, self.arrays = started.mapping, started.arrays
        for tensors in (self.parameters, self.gradients, self.state):
            tensors.move(self.arrays)
        self._started, self._extra = started, None
        self.passes = 0  # with a workspace of their own
        self.draws = any(isinstance(n.layer, Dropout) for n in network.nodes)
        self.workspace = self.prepare()
        self._pass = Pass(self)

    def forward(self, x: np.ndarray, training: bool = False, step: int = 0, first: int = 0) -> np.ndarray:
        """FP of a batch x [n, *input_shape], n <= batch; returns the output [n, ...], valid until the next call.

        training: BatchNorm uses the batch's statistics and Dropout drops. step, first: which random numbers Dropout
        draws (see `Draw`). Raises LabError if x has another shape.
        """
        with limit(self.threads):
            self._pass.begin(x, step=step, first=first, training=training)
            self._pass.forward(0, len(self.network))
            return self._pass.output

    def gradients_of(
        self, x: np.ndarray, labels: np.ndarray, loss: str = "categorical_crossentropy", step: int = 0, first: int = 0
    ) -> Step:
        """FP, BP and KU without the update: fills `gradients` with those of the mean loss over the batch.

        x: [n, *input_shape]; labels: class numbers [n]. `loss` is a name known to `losses.get`. Softmax as last layer
        is fused with categorical cross-entropy: the gradient at its input is (p - y) / n, stable for any logits.
        """
        walk, layers = self._pass, len(self.network)
        with limit(self.threads):
            stopwatch = self.arrays.stopwatch()
            walk.begin(x, labels, loss, step, first)
            walk.forward(0, layers)
            stopwatch.lap("fp")
            walk.backward(0, layers, stopwatch=stopwatch)
            stopwatch.lap("bp")
            value, correct = walk.loss, walk.correct
        return Step(value, correct, len(x), {"fp": 0.0, "bp": 0.0, "ku": 0.0} | stopwatch.seconds())

    def prepare(self) -> Workspace:
        """Layers and buffers for up to `batch` samples: what one micro-batch at a time needs."""
        nodes, shapes = self.network.nodes, self.network.input_shapes
        ops = {n.name: self._started.prepare(n.name, n.layer, shapes(n), self.batch, self.dtype) for n in nodes}
        return Workspace(ops, Buffers(self.network, self.batch, self.dtype, self.arrays))

    def count_pass(self) -> int:
        """The number of one more pass with a workspace of its own: 1, 2, ..."""
        self.passes += 1
        return self.passes

    def extra_gradients(self) -> Tensors:
        """Like `gradients`: where those of a later micro-batch are before they are added. Made when first needed."""
        if self._extra is None:
            self._extra = Tensors(self.network.weights(), self.dtype)
            self._extra.move(self.arrays)
        return self._extra

    @property
    def outputs(self) -> dict[str, np.ndarray]:
        """Every layer's output of the last forward pass in the model's own workspace, with the input."""
        return self._pass.outputs

    def slots(self, optimizer: Optimizer) -> tuple[np.ndarray, ...]:
        """What `optimizer` remembers from step to step, before the first one: vectors beside the parameters."""
        return optimizer.start(self.parameters.flat, self.arrays)

    def update(self, optimizer: Optimizer, slots: tuple[np.ndarray, ...], step: int = 0, lr: float | None = None):
        """Move the parameters by the gradients, in place. step: updates that came before; lr: if a schedule says so."""
        optimizer.update(self.parameters.flat, self.gradients.flat, slots, step, lr, self.arrays)

    def wait(self) -> None:
        """Wait until everything started so far has been done (on a GPU; elsewhere it has)."""
        self.arrays.synchronize()

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Outputs [n, ...] for any number of samples, as an array of its own, in chunks of the prepared batch."""
        parts = [self.forward(x[i : i + self.batch]).copy() for i in range(0, len(x), self.batch)]
        return np.concatenate(parts) if parts else np.empty((0, *self.network.output_shape), self.dtype)

    def evaluate(self, split, loss: str = "categorical_crossentropy", stop: Callable[[], bool] | None = None) -> dict:
        """Mean loss and accuracy over a `data.Split`, as {'loss', 'accuracy', 'samples'}; `stop()` may end it early."""
        total, correct, samples = 0.0, 0, 0
        function = losses.get(loss)
        for start in range(0, len(split), self.batch):
            if stop is not None and stop():
                break
            x, labels = split.take(np.arange(start, min(start + self.batch, len(split))))
            output = self.forward(x)
            total += float(function(output, labels)[0]) * len(labels)
            correct += int(np.count_nonzero(output.argmax(axis=1) == labels))
            samples += len(labels)
        if not samples:
            raise LabError("no samples to evaluate on", "give a split with at least one sample")
        return {"loss": total / samples, "accuracy": correct / samples, "samples": samples}

    def bytes_held(self) -> dict[str, int]:
        """Bytes that this model keeps allocated: parameters, gradients, state, and workspaces of layers and walk."""
        return {
            "parameters": self.parameters.nbytes,
            "gradients": self.gradients.nbytes,
            "state": self.state.nbytes,
            "workspaces": self.workspace.nbytes,
        }
