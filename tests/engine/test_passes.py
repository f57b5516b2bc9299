"""Passes: ranges of layers, several micro-batches in flight, and gradients that add up to those of the whole batch."""

import numpy as np
import pytest

from labkit.engine.model import Model
from labkit.engine.passes import Pass
from labkit.errors import LabError
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


def test_recorded_passes_of_a_gpu_keep_apart(batch):
    """Mapping tuned records a step and starts it again: each pass and each range has a recording of its own."""
    x, labels = batch
    network = branched()
    plain, tuned = Model(network, "cpu", 4, seed=3), Model(network, "cuda-cpu", 4, seed=3, mapping="tuned")
    walks = [Pass(tuned), Pass(tuned, own_workspace=True)]
    n = len(network)
    for turn in range(4):
        wanted = np.zeros_like(plain.gradients.flat)
        parts = [slice(turn % 3, 4), slice(4, 7)]
        for walk, part in zip(walks, parts, strict=True):
            walk.begin(x[part], labels[part], weight=0.5)
            walk.forward(0, 3)
            walk.forward(3, n)
            plain.gradients_of(x[part], labels[part])
            wanted += plain.gradients.flat / 2
        for i, walk in enumerate(walks):
            walk.backward(3, n, add=i > 0)
            walk.backward(0, 3, add=i > 0)
        np.testing.assert_allclose(tuned.gradients.host().flat, wanted, rtol=1e-4, atol=1e-6)


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
