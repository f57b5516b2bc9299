"""One micro-batch on its way through a network, a range of layers at a time."""

from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from labkit.engine import losses
from labkit.engine.arrays import HostStopwatch, Pending, Stopwatch
from labkit.engine.buffers import Buffers
from labkit.engine.ops import Draw, LayerOps
from labkit.errors import LabError
from labkit.network import INPUT, Softmax

if TYPE_CHECKING:
    from labkit.engine.model import Model


class Workspace(NamedTuple):
    """What one micro-batch at a time needs: the prepared layers, by name, and the copies where the network branches."""

    ops: dict[str, LayerOps]
    buffers: Buffers

    @property
    def nbytes(self) -> int:
        return sum(op.workspace_bytes for op in self.ops.values()) + self.buffers.nbytes


class Pass:
    """One micro-batch of `model` between FP and BP: `begin`, then `forward` and `backward` over ranges of layers.

    own_workspace: with layers and buffers of its own, so that this micro-batch can be in flight while others of the
    same model are; all share the model's parameters, gradients and state. Without: those of the model itself, where the
    next micro-batch may begin when the one before is over. Make all passes before the first micro-batch begins.

    outputs: of the layers run so far, by name, where the backend keeps its arrays. Ranges are half-open (start, end)
    and must follow each other: upwards in `forward`, downwards in `backward`.
    """

    def __init__(self, model: "Model", own_workspace: bool = False):
        self.model = model
        self.number = model.count_pass() if own_workspace else 0  # 0: the model's own workspace
        self.workspace = model.prepare() if own_workspace else model.workspace
        self.outputs: dict[str, np.ndarray] = {}
        self._dy = self._labels = self._key = None
        self._clear()

    def _clear(self) -> None:
        self._pending: Pending | None = None
        self._value: tuple[float, int] | None = None
        self._arrived: dict[str, list[np.ndarray]] = {}

    def begin(
        self,
        x: np.ndarray,
        labels: np.ndarray | None = None,
        loss: str = "categorical_crossentropy",
        step: int = 0,
        first: int = 0,
        weight: float = 1.0,
        training: bool = True,
    ) -> None:
        """Take a micro-batch x [n, *input_shape], n <= the model's batch, with its class numbers `labels` [n].

        loss: a name of `losses.get`; Softmax as last layer is fused with categorical cross-entropy. step, first: which
        random numbers Dropout draws (see `ops.Draw`). weight: what the gradient of the mean loss is multiplied by; with
        n / (samples of the global batch), the gradients of all micro-batches of all ranks sum up to that of the global
        batch's mean loss. Without labels there is no loss, and no way back.

        Raises LabError for arrays of other shapes, and labels that are no classes of the output.
        """
        model = self.model
        self._fused = labels is not None and losses.fuses(loss) and isinstance(model.network.nodes[-1].layer, Softmax)
        if labels is not None:
            losses.check_labels((len(x), *model.network.output_shape), labels)
        self.outputs = {INPUT: self._stage(x)}
        self._labels = None if labels is None else model.arrays.stage(self._name("labels"), labels)
        self._loss, self._weight, self._samples = loss, weight, len(x)
        self._step, self._first, self._training = step, first, training
        # Dropout draws new numbers at every step, and a loss on the host needs the output at once.
        recorded = self._fused and training and not model.draws
        self._alone = not model.passes  # otherwise another pass may compute its loss before this one goes back
        self._key = (self.number, len(x), loss, weight, self._alone) if recorded else None
        self._clear()

    def forward(self, start: int, end: int) -> None:
        """FP of layers start to end - 1; with the last layer also the loss and its gradient, if there are labels."""
        if start == 0 and end > 0:
            self._pending = self._value = None
        last = end == len(self.model.network)

        def work() -> tuple[dict[str, np.ndarray], Pending | None]:
            outputs = self._run(start, min(end, self._layers))
            return outputs, self._lose(outputs) if last and self._labels is not None else None

        outputs, pending = self.model.arrays.replay(self._recording("fp", start, end), work)
        self.outputs = outputs
        if pending is not None:
            self._pending = pending
            self._value = None if self._alone else pending.value()
            self._arrived = {self.model.network.nodes[self._layers - 1].name: [pending.dy]}

    def backward(self, start: int, end: int, add: bool = False, stopwatch: Stopwatch | None = None) -> None:
        """KU and BP of layers end - 1 down to start: fills the model's `gradients` of these layers.

        add: they are added to those there (of the step's earlier micro-batches) instead of replacing them. stopwatch:
        told about the phases 'ku' and 'bp'; all but the last stretch of BP.
        """
        if self._pending is None:
            raise LabError("back-propagation before the loss is known", "run forward() through the last layer first")
        extra = self.model.extra_gradients() if add else None
        stopwatch = stopwatch or HostStopwatch()

        def work() -> dict[str, list[np.ndarray]]:
            return self._run_back(start, min(end, self._layers), extra, stopwatch)

        self._arrived = self.model.arrays.replay(self._recording("bp", start, end, add), work)

    @property
    def loss(self) -> float:
        """Mean loss over the samples (not multiplied by `weight`); waits until it is known."""
        return self._known()[0]

    @property
    def correct(self) -> int:
        """Samples whose largest output is their label."""
        return self._known()[1]

    @property
    def output(self) -> np.ndarray:
        """Output of the last layer run, on the host."""
        return self.model.arrays.get(next(reversed(self.outputs.values())))

    @property
    def error(self) -> np.ndarray:
        """Gradient of the loss (times `weight`) at the output, summed over the samples: [K], on the host.

        Where Softmax is fused with the loss it is the gradient at the input of the softmax.
        """
        return self.model.arrays.get(self._gradient_at_output()).sum(axis=0)

    def replace_error(self, error: np.ndarray) -> None:
        """Go back from `error` [K] instead: every sample is given an equal part of it."""
        dy = self._gradient_at_output()
        rows = np.repeat((error / self._samples)[None], self._samples, axis=0).astype(self.model.dtype)
        self.model.arrays.put(np.ascontiguousarray(rows), dy)

    def _gradient_at_output(self) -> np.ndarray:
        if self._pending is None:
            raise LabError("the error at the output is not known yet", "run forward() through the last layer first")
        return self._pending.dy

    def _known(self) -> tuple[float, int]:
        if self._pending is None:
            raise LabError("the loss is not known yet", "run forward() through the last layer first")
        if self._value is None:
            self._value = self._pending.value()
        return self._value

    @property
    def _layers(self) -> int:
        """Layers that are run: all but the softmax where the loss is computed from what goes into it."""
        return len(self.model.network) - self._fused

    def _recording(self, phase: str, *what: object) -> tuple | None:
        return self._key and (phase, *what, *self._key)

    def _name(self, name: str) -> str:
        """Name under which an array is staged: each workspace has its own."""
        return f"{name}#{self.number}" if self.number else name

    def _stage(self, x: np.ndarray) -> np.ndarray:
        """x where the layers' arrays live; LabError if its shape is not the network's."""
        network, batch = self.model.network, self.model.batch
        if x.shape[1:] != network.input_shape or not 1 <= len(x) <= batch:
            wanted = ", ".join(map(str, network.input_shape))
            raise LabError(
                f"network {network.name!r} was given an array of shape {x.shape}",
                f"give [n, {wanted}] with n from 1 to {batch} (the `batch` that the model was made for)",
            )
        return self.model.arrays.stage(self._name(INPUT), np.ascontiguousarray(x, self.model.dtype))

    def _run(self, start: int, end: int) -> dict[str, np.ndarray]:
        """The outputs of all layers so far, after those of the range were run."""
        model, (ops, buffers), outputs = self.model, self.workspace, dict(self.outputs)
        for node in model.network.nodes[start:end]:
            xs = tuple(outputs[source] for source in node.inputs)
            if node.name in buffers.input_copies:
                xs = (buffers.copy_input(node.name, xs[0]),)
            weights, state = model.parameters.of(node.name), model.state.of(node.name)
            draw = Draw(model.seed, node.name, self._step, self._first)
            outputs[node.name] = ops[node.name].forward(xs, weights, state, self._training, draw)
        return outputs

    def _lose(self, outputs: dict[str, np.ndarray]) -> Pending:
        """The loss, and its gradient times `weight` in an array that nobody else writes to while it is needed."""
        arrays, output = self.model.arrays, outputs[self.model.network.nodes[self._layers - 1].name]
        pending = arrays.loss(self._loss, self._fused, output, self._labels)
        dy = pending.dy
        if not self._alone:
            if self._dy is None:
                self._dy = arrays.empty((self.model.batch, *dy.shape[1:]), self.model.dtype)
            arrays.copy(dy, self._dy[: dy.shape[0]])
            dy = self._dy[: dy.shape[0]]
        if self._weight != 1:
            arrays.apply("scale", (dy.reshape(prod(dy.shape)),), (self._weight,))
        return Pending(pending.value, dy)

    def _run_back(self, start: int, end: int, extra, stopwatch: Stopwatch) -> dict[str, list[np.ndarray]]:
        """The gradients that wait at the outputs of lower layers, after the range was run."""
        model, (ops, buffers) = self.model, self.workspace
        arrived = {name: list(parts) for name, parts in self._arrived.items()}
        for node in reversed(model.network.nodes[start:end]):
            if node.name not in arrived:  # a layer before the first weights, whose gradient nobody needs
                continue
            dy = buffers.gradient(node.name, arrived.pop(node.name))
            layer, weights = ops[node.name], model.parameters.of(node.name)
            if weights:
                stopwatch.lap("bp")
                self._weight_gradients(node.name, layer, dy, extra)
                stopwatch.lap("ku")
            if model.network.needs_input_gradient(node.name):
                for source, dx in zip(node.inputs, layer.backward_data(dy, weights), strict=True):
                    arrived.setdefault(source, []).append(dx)
        return arrived

    def _weight_gradients(self, name: str, layer: LayerOps, dy: np.ndarray, extra) -> None:
        model = self.model
        weights, gradients = model.parameters.of(name), model.gradients.of(name)
        if extra is None:
            layer.backward_weights(dy, weights, gradients)
            return
        layer.backward_weights(dy, weights, extra.of(name))
        for key, more in extra.of(name).items():
            model.arrays.add(gradients[key], more, gradients[key])
