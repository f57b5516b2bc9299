"""The walk through a network: branches, layers that work in place, ragged batches, and what is refused."""

import numpy as np
import pytest

from labkit.data import load
from labkit.engine import losses
from labkit.engine.model import Model
from labkit.errors import LabError
from labkit.network import (
    Add,
    AvgPool,
    BatchNorm,
    Builder,
    Concat,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Logistic,
    MaxPool,
    Network,
    PadShortcut,
    ReLU,
    Softmax,
    Tanh,
    chain,
    zoo,
)

BACKENDS = ("reference", "cpu")


def tangled() -> Network:
    """Every trap for layers that work in place: shared outputs, Add that passes one gradient on, an Add of twins."""
    b = Builder()
    stem = b.add("stem", Conv(4, 3, padding=1))
    left = b.add("left", Tanh(), stem)  # works in place although `right` needs the same input
    right = b.add("right", Logistic(), stem)
    b.add("left_drop", Dropout(0.3), left)  # would spoil the output on which tanh bases its derivative
    both = b.add("both", Add(), "left_drop", right)
    b.add("relu", ReLU(), both)
    twin = b.add("twin", Add(), "relu", "relu")
    b.add("norm", BatchNorm(), twin)
    short = b.add("short", PadShortcut(6), "norm")
    b.add("conv2", Conv(6, 3, stride=2, padding=1, groups=2), "norm")
    b.add("sum", Add(), "conv2", short)
    b.add("wide", Concat(), "sum", short, "conv2")
    b.add("pool", MaxPool(2, stride=1))
    b.add("average", AvgPool(2))
    b.add("flatten", Flatten())
    b.add("tanh", Tanh())
    b.add("fc", Dense(3))
    b.add("softmax", Softmax())
    return b.network("tangled", (2, 9, 7))


@pytest.fixture
def batch():
    rng = np.random.default_rng(5)
    return rng.normal(size=(3, 2, 9, 7)), np.array([2, 0, 1])


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "mse", "binary_crossentropy"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_of_a_tangled_network_match_finite_differences(backend, loss, batch):
    """Central differences of the loss along random directions through all weights, in float64."""
    x, labels = batch
    model = Model(tangled(), backend, batch=4, dtype=np.float64, threads=1)
    model.gradients_of(x, labels, loss, step=7)
    gradient = model.gradients.flat.copy()
    start = model.parameters.flat.copy()
    rng = np.random.default_rng(1)
    for _ in range(6):
        direction = rng.normal(size=start.size)
        values = []
        for sign in (1, -1):
            model.parameters.flat[:] = start + sign * 1e-6 * direction
            values.append(model.gradients_of(x, labels, loss, step=7).loss)
        model.parameters.flat[:] = start
        assert (values[0] - values[1]) / 2e-6 == pytest.approx(gradient @ direction, rel=2e-5, abs=1e-8)


def test_backends_agree_on_outputs_state_and_gradients(batch):
    x, labels = batch
    models = [Model(tangled(), backend, batch=3, dtype=np.float64, threads=1) for backend in BACKENDS]
    for step in range(3):  # the second step runs on used workspaces
        for model in models:
            model.gradients_of(x, labels, step=step)
        np.testing.assert_allclose(models[1].gradients.flat, models[0].gradients.flat, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(models[1].state.flat, models[0].state.flat, rtol=1e-10)
    np.testing.assert_allclose(models[1].forward(x), models[0].forward(x), rtol=1e-10)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_ragged_last_batch_is_that_of_a_model_made_for_it(backend):
    network = zoo.get("lenet5")
    x, labels = load("digits", shape=network.input_shape).train.take(np.arange(5))
    large, exact = Model(network, backend, batch=8), Model(network, backend, batch=5)
    assert large.gradients_of(x, labels).loss == pytest.approx(exact.gradients_of(x, labels).loss, rel=1e-6)
    np.testing.assert_allclose(large.gradients.flat, exact.gradients.flat, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_inputs_and_labels_stay_as_they_were(backend):
    network = chain("n", (1, 4, 4), {"relu": ReLU(), "flat": Flatten(), "tanh": Tanh(), "fc": Dense(2)})
    x = np.random.default_rng(0).normal(size=(2, 1, 4, 4)).astype(np.float32)
    before = x.copy()
    Model(network, backend, batch=2).gradients_of(x, np.array([0, 1]), "mse")
    np.testing.assert_array_equal(x, before)


def test_the_fused_softmax_agrees_with_the_plain_one():
    network = chain("n", (4,), {"fc": Dense(3), "softmax": Softmax()})
    model = Model(network, "reference", batch=5, dtype=np.float64)
    rng = np.random.default_rng(2)
    x, labels = rng.normal(size=(5, 4)), np.array([0, 2, 1, 1, 0])
    value, _ = losses.get("categorical_crossentropy")(model.forward(x), labels)
    step = model.gradients_of(x, labels)
    assert step.loss == pytest.approx(value, rel=1e-12)
    assert step.correct == np.sum(model.forward(x).argmax(axis=1) == labels)


def test_what_does_not_fit_is_refused():
    model = Model(zoo.get("lenet5"), "reference", batch=4)
    with pytest.raises(LabError, match=r"\(2, 1, 28, 28\).*\[n, 1, 32, 32\]"):
        model.forward(np.zeros((2, 1, 28, 28)))
    with pytest.raises(LabError, match="n from 1 to 4"):
        model.forward(np.zeros((5, 1, 32, 32)))
    with pytest.raises(LabError, match="did you mean 'reference'"):
        Model(zoo.get("lenet5"), "refrence")
    with pytest.raises(LabError, match="batch=0"):
        Model(zoo.get("lenet5"), batch=0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_predict_and_evaluate_walk_over_any_number_of_samples(backend):
    network = zoo.get("mlp")
    split = load("digits", shape=network.input_shape).test.subset(np.arange(23))
    model = Model(network, backend, batch=10)
    x, labels = split.take(np.arange(23))
    found = model.evaluate(split)
    assert found["samples"] == 23
    assert found["accuracy"] == pytest.approx(np.mean(model.predict(x).argmax(axis=1) == labels))
    one_by_one = np.concatenate([model.forward(x[i : i + 1]).copy() for i in range(23)])
    np.testing.assert_allclose(model.predict(x), one_by_one, rtol=1e-4, atol=1e-6)
    mean = losses.get("categorical_crossentropy")(one_by_one, labels)[0]
    assert found["loss"] == pytest.approx(mean, rel=1e-5)  # the last chunk has 3 samples, and counts as 3
    assert model.predict(x[:0]).shape == (0, 10)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_rank_drops_what_one_process_would_drop_of_its_samples(backend):
    model = Model(chain("n", (40,), {"drop": Dropout(0.5), "fc": Dense(3)}), backend, batch=6)
    x = np.random.default_rng(3).normal(size=(6, 40)).astype(np.float32)
    whole = model.forward(x, training=True, step=4).copy()
    np.testing.assert_allclose(model.forward(x[4:], training=True, step=4, first=4), whole[4:], rtol=1e-5, atol=1e-6)
    assert not np.allclose(model.forward(x[4:], training=True, step=4, first=0), whole[4:], rtol=0.1)


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_of_the_images_are_never_computed(backend, monkeypatch, batch):
    model = Model(tangled(), backend, batch=3)
    asked = []
    for name, ops in model.workspace.ops.items():
        monkeypatch.setattr(ops, "backward_data", lambda *a, n=name, f=ops.backward_data: (asked.append(n), f(*a))[1])
    model.gradients_of(*batch)
    assert "stem" not in asked and {"left", "right", "conv2", "fc"} <= set(asked)


def test_bytes_held_are_those_of_the_arrays():
    model = Model(zoo.get("mlp"), "reference", batch=16)
    held = model.bytes_held()
    assert held["parameters"] == held["gradients"] == 4 * zoo.get("mlp").parameters
    assert held["state"] == 0 and held["workspaces"] >= 0
