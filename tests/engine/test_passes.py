"""Passes: ranges of layers, several micro-batches in flight, and gradients that add up to those of the whole batch."""

import numpy as np
import pytest

from labkit.engine.model import Model
from labkit.engine.passes import Pass
from labkit.errors import LabError
from labkit.kernels.backend import KernelBackend
from labkit.kernels.executors.cpu import Cpu
from labkit.network import (
    Add,
    BatchNorm,
    Builder,
    Conv,
    Dense,
    Dropout,
    Flatten,
    MaxPool,
    Network,
    ReLU,
    Softmax,
    Tanh,
    chain,
)

BACKENDS = ("reference", "cpu", "cuda-cpu")


def branched(dropout: float = 0.0, norm: bool = False) -> Network:
    """A branch over several layers, so that a range can end in the middle of it."""
    b = Builder()
    b.add("conv1", Conv(3, 3, padding=1))
    start = b.add("relu1", ReLU())
    b.add("conv2", Conv(3, 3, padding=1))
    if norm:
        b.add("norm2", BatchNorm())
    end = b.add("tanh2", Tanh())
    b.add("sum", Add(), start, end)
    b.add("pool", MaxPool(2, 2))
    b.add("flatten", Flatten())
    if dropout:
        b.add("drop", Dropout(dropout))
    b.add("fc", Dense(4))
    b.add("softmax", Softmax())
    return b.network("branched", (2, 6, 5))


@pytest.fixture
def batch():
    rng = np.random.default_rng(8)
    return rng.normal(size=(7, 2, 6, 5)).astype(np.float32), rng.integers(0, 4, 7)


def model_of(network: Network, backend: str) -> Model:
    return Model(network, backend, 7, seed=3, dtype=np.float64 if backend == "reference" else np.float32)


def close(found, wanted, backend: str) -> None:
    exact = backend == "reference"
    np.testing.assert_allclose(found, wanted, rtol=1e-10 if exact else 1e-4, atol=1e-12 if exact else 1e-6)


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "mse"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_way_of_cutting_a_pass_gives_the_same_gradients(backend, loss, batch):
    network = branched()
    model = model_of(network, backend)
    wanted = model.gradients_of(*batch, loss)
    gradients, n = model.gradients.host().flat.copy(), len(network)
    for cut in range(1, n):
        model.arrays.put(np.zeros_like(gradients), model.gradients.flat)
        walk = Pass(model)
        walk.begin(*batch, loss)
        walk.forward(0, cut)
        walk.forward(cut, n)
        walk.backward(cut, n)
        walk.backward(0, cut)
        close(model.gradients.host().flat, gradients, backend)
        assert walk.loss == pytest.approx(wanted.loss, rel=1e-6) and walk.correct == wanted.correct


@pytest.mark.parametrize("backend", BACKENDS)
def test_micro_batches_in_flight_add_up_to_the_batch(backend, batch):
    """All forwards first, then all backwards in another order: every pass keeps what is its own."""
    x, labels = batch
    network = branched(dropout=0.4)
    model = model_of(network, backend)
    loss = model.gradients_of(x, labels, step=2).loss
    wanted, n = model.gradients.host().flat.copy(), len(network)
    parts = [slice(0, 3), slice(3, 4), slice(4, 7)]
    walks = [Pass(model, own_workspace=i > 0) for i in range(3)]
    for _ in range(3):
        for walk, part in zip(walks, parts, strict=True):
            walk.begin(x[part], labels[part], step=2, first=part.start, weight=(part.stop - part.start) / 7)
            walk.forward(0, 4)
        for walk in walks:
            walk.forward(4, n)
        for i, walk in enumerate(walks[::-1]):
            walk.backward(5, n, add=i > 0)
        for i, walk in enumerate(walks):
            walk.backward(0, 5, add=i > 0)
        close(model.gradients.host().flat, wanted, backend)
        mean = sum(w.loss * (p.stop - p.start) / 7 for w, p in zip(walks, parts, strict=True))
        assert mean == pytest.approx(loss, rel=1e-5)


class Recorder(Cpu):
    """An executor on the cores that records as a GPU does: nothing of what is recorded runs."""

    def __init__(self):
        super().__init__()
        self.held, self.replayed = None, 0

    def launch(self, kernel, launch, *arguments):
        if self.held is None:
            super().launch(kernel, launch, *arguments)
        else:
            self.held.append((kernel, launch, arguments))

    def record(self, work):
        self.held = []
        result, launches, self.held = work(), self.held, None

        def again():
            self.replayed += 1
            for one in launches:
                self.launch(one[0], one[1], *one[2])

        return result, again


def test_recorded_passes_keep_apart(batch):
    """A GPU records a step and starts it again: each pass, range and batch size has a recording of its own."""
    x, labels = batch
    network = chain("two", (2, 6, 5), {"flat": Flatten(), "fc1": Dense(5), "fc2": Dense(4), "softmax": Softmax()})
    plain, executor = Model(network, "cpu", 4, seed=3), Recorder()
    backend = KernelBackend(executor, network)
    backend.arrays.replays = True  # as with mapping tuned, whose kernels take long to compile
    model = Model(network, backend, 4, seed=3)
    walks = [Pass(model), Pass(model, own_workspace=True)]
    for turn in range(9):
        wanted = np.zeros_like(plain.gradients.flat)
        parts = [slice(turn % 2, 4), slice(4, 7)]
        for walk, part in zip(walks, parts, strict=True):
            walk.begin(x[part] + turn, labels[part], weight=0.5)
            walk.forward(0, 2)
            walk.forward(2, 4)
            plain.gradients_of(x[part] + turn, labels[part])
            wanted += plain.gradients.flat / 2
        for i, walk in enumerate(walks):
            walk.backward(2, 4, add=i > 0)
            walk.backward(0, 2, add=i > 0)
        np.testing.assert_allclose(model.gradients.host().flat, wanted, rtol=1e-4, atol=1e-6)
    assert executor.replayed == 4 * (4 + 3 + 8)  # of 5, 4 and 9 turns all but the first of each size


@pytest.mark.parametrize("backend", BACKENDS)
def test_passes_share_parameters_and_running_statistics(backend, batch):
    network = branched(norm=True)
    model, twin = model_of(network, backend), model_of(network, backend)
    walk = Pass(model, own_workspace=True)
    walk.begin(*batch)
    walk.forward(0, len(network))
    twin.gradients_of(*batch)
    close(model.state.host().flat, twin.state.host().flat, backend)
    assert walk.output.shape == (7, 4) and not model.outputs


@pytest.mark.parametrize("backend", BACKENDS)
def test_error_at_the_output_is_the_sum_over_samples_and_can_be_replaced(backend, batch):
    x, labels = batch
    network = chain("one", (2, 6, 5), {"flatten": Flatten(), "fc": Dense(4), "softmax": Softmax()})
    model = model_of(network, backend)
    walk = Pass(model)
    walk.begin(x, labels, weight=0.5)
    walk.forward(0, 3)
    walk.backward(0, 3)
    bias = model.gradients.host()["fc.bias"].copy()  # the derivative with respect to it is the error itself
    close(walk.error, bias, backend)
    walk.begin(x, labels)
    walk.forward(0, 3)
    walk.replace_error(np.array([7.0, 0.0, -7.0, 14.0]))
    walk.backward(0, 3)
    close(model.gradients.host()["fc.bias"], [7, 0, -7, 14], backend)
    close(model.gradients.host()["fc.weight"][0], x.reshape(7, -1).sum(axis=0, dtype=np.float64), backend)


def test_what_cannot_be_done_yet_is_said(batch):
    model = model_of(branched(), "reference")
    walk = Pass(model)
    walk.begin(*batch)
    walk.forward(0, 4)
    for early in (lambda: walk.backward(4, 9), lambda: walk.loss, lambda: walk.error):
        with pytest.raises(LabError, match="forward"):
            early()
    with pytest.raises(LabError, match="from 1 to 7"):
        walk.begin(np.zeros((8, 2, 6, 5)), np.zeros(8, int))
    with pytest.raises(LabError, match="label 4"):
        walk.begin(batch[0], np.full(7, 4))
