"""A model: parameters and workspaces of one network over one backend, and the walk through its layers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labkit.engine import initialize, losses, ops
from labkit.engine.arrays import Pending, Stopwatch
from labkit.engine.buffers import Buffers
from labkit.engine.ops import Draw, Mapping
from labkit.engine.optimizers import Optimizer
from labkit.engine.tensors import Tensors
from labkit.engine.threads import limit
from labkit.errors import LabError
from labkit.network import INPUT, Dropout, Network, Softmax
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
        self._ops = {
            n.name: started.prepare(n.name, n.layer, network.input_shapes(n), batch, self.dtype) for n in network.nodes
        }
        self._buffers = Buffers(network, batch, self.dtype, self.arrays)
        self._draws = any(isinstance(n.layer, Dropout) for n in network.nodes)
        self.outputs: dict[str, np.ndarray] = {}

    def forward(self, x: np.ndarray, training: bool = False, step: int = 0, first: int = 0) -> np.ndarray:
        """FP of a batch x [n, *input_shape], n <= batch; returns the output [n, ...], valid until the next call.

        training: BatchNorm uses the batch's statistics and Dropout drops. step, first: which random numbers Dropout
        draws (see `Draw`). Raises LabError if x has another shape.
        """
        with limit(self.threads):
            return self.arrays.get(self._forward(self._put(x), len(self.network), training, step, first))

    def gradients_of(
        self, x: np.ndarray, labels: np.ndarray, loss: str = "categorical_crossentropy", step: int = 0, first: int = 0
    ) -> Step:
        """FP, BP and KU without the update: fills `gradients` with those of the mean loss over the batch.

        x: [n, *input_shape]; labels: class numbers [n]. `loss` is a name known to `losses.get`. Softmax as last layer
        is fused with categorical cross-entropy: the gradient at its input is (p - y) / n, stable for any logits.
        """
        fused = losses.fuses(loss) and isinstance(self.network.nodes[-1].layer, Softmax)
        nodes = len(self.network) - fused
        with limit(self.threads):
            stopwatch = self.arrays.stopwatch()
            losses.check_labels((len(x), *self.network.output_shape), labels)
            x, labels = self._put(x), self.arrays.stage("labels", labels)
            # Dropout draws new numbers at every step, and a loss on the host needs the output at once.
            key = (x.shape[0], loss) if fused and not self._draws else None

            def forward() -> Pending:
                return self.arrays.loss(loss, fused, self._forward(x, nodes, True, step, first), labels)

            pending = self.arrays.replay(key and ("fp", *key), forward)
            stopwatch.lap("fp")
            self.arrays.replay(key and ("bp", *key), lambda: self._backward(pending.dy, nodes, stopwatch))
            stopwatch.lap("bp")
            value, correct = pending.value()
        return Step(value, correct, x.shape[0], {"fp": 0.0, "bp": 0.0, "ku": 0.0} | stopwatch.seconds())

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
            "workspaces": sum(op.workspace_bytes for op in self._ops.values()) + self._buffers.nbytes,
        }

    def _put(self, x: np.ndarray) -> np.ndarray:
        """x where the layers' arrays live; LabError if its shape is not the network's."""
        if x.shape[1:] != self.network.input_shape or not 1 <= len(x) <= self.batch:
            wanted = ", ".join(map(str, self.network.input_shape))
            raise LabError(
                f"network {self.network.name!r} was given an array of shape {x.shape}",
                f"give [n, {wanted}] with n from 1 to {self.batch} (the `batch` that the model was made for)",
            )
        return self.arrays.stage(INPUT, np.ascontiguousarray(x, self.dtype))

    def _forward(self, x: np.ndarray, nodes: int, training: bool, step: int, first: int) -> np.ndarray:
        """Run the first `nodes` layers; all but the softmax where the loss is computed from the logits."""
        outputs = {INPUT: x}
        for node in self.network.nodes[:nodes]:
            xs = tuple(outputs[source] for source in node.inputs)
            if node.name in self._buffers.input_copies:
                xs = (self._buffers.copy_input(node.name, xs[0]),)
            weights, state = self.parameters.of(node.name), self.state.of(node.name)
            draw = Draw(self.seed, node.name, step, first)
            outputs[node.name] = self._ops[node.name].forward(xs, weights, state, training, draw)
        self.outputs = outputs
        return outputs[self.network.nodes[nodes - 1].name]

    def _backward(self, dy: np.ndarray, nodes: int, stopwatch: Stopwatch) -> None:
        """KU and BP from the last of `nodes` layers to the first; all but the last stretch of BP is timed."""
        arrived: dict[str, list[np.ndarray]] = {self.network.nodes[nodes - 1].name: [dy]}
        for node in reversed(self.network.nodes[:nodes]):
            if node.name not in arrived:  # a layer before the first weights, whose gradient nobody needs
                continue
            dy = self._buffers.gradient(node.name, arrived.pop(node.name))
            layer, weights = self._ops[node.name], self.parameters.of(node.name)
            if weights:
                stopwatch.lap("bp")
                layer.backward_weights(dy, weights, self.gradients.of(node.name))
                stopwatch.lap("ku")
            if self.network.needs_input_gradient(node.name):
                for source, dx in zip(node.inputs, layer.backward_data(dy, weights), strict=True):
                    arrived.setdefault(source, []).append(dx)
