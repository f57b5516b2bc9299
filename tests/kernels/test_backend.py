"""Whole networks on kernels: every mapping gives the reference's gradients, and trains to the reference's weights."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from labkit.data import load
from labkit.engine import Model, Momentum, Training, checkpoint, train
from labkit.errors import LabError
from labkit.kernels.source import SIMULATED
from labkit.machine.gpu import first_gpu
from labkit.network import (
    LRN,
    Add,
    AvgPool,
    BatchNorm,
    Builder,
    Concat,
    Conv,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
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

MAPPINGS = ("data", "model", "hybrid", "tuned")
# float32 against the reference in float64: relative to the largest value of each array.
CLOSE = 2e-4


def tangled() -> Network:
    """Branches, layers that work in place, odd sizes, groups, strides, and every kind of layer that has a kernel."""
    b = Builder()
    stem = b.add("stem", Conv(4, 3, padding=1))
    left = b.add("left", Tanh(), stem)
    right = b.add("right", Logistic(), stem)
    b.add("left_drop", Dropout(0.3), left)
    both = b.add("both", Add(), "left_drop", right)
    b.add("relu", ReLU(), both)
    b.add("twin", Add(), "relu", "relu")
    b.add("norm", BatchNorm())
    short = b.add("short", PadShortcut(6, (2, 1)), "norm")
    b.add("conv2", Conv(6, 3, 2, stride=(2, 1), padding=(1, 1), groups=2), "norm")
    b.add("crop", AvgPool(1, 2, stride=1), "conv2")
    b.add("slope", LeakyReLU(0.2))
    b.add("pooled", MaxPool(3, 1, stride=1, padding=(1, 0)), short)
    b.add("sum", Add(), "slope", "pooled")
    b.add("wide", Concat(), "sum", "pooled")
    b.add("response", LRN())
    b.add("pool", MaxPool(2, stride=1))
    b.add("flatten", Flatten())
    b.add("fc1", Dense(7))
    b.add("fc1_norm", BatchNorm())
    b.add("tanh", Tanh())
    b.add("fc2", Dense(3, bias=False))
    b.add("softmax", Softmax())
    return b.network("tangled", (2, 9, 7))


def batch_for(network: Network, n: int, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, *network.input_shape)).astype(np.float32)
    return x, rng.integers(0, network.output_shape[0], n)


def assert_close(found, wanted, limit: float = CLOSE) -> None:
    for name, expected in wanted.items():
        scale = max(float(np.abs(expected).max()), 1e-3)
        worst = float(np.abs(found[name] - expected).max()) / scale
        assert worst < limit, f"{name} is off by {worst:.1e} of its largest value"


@pytest.mark.parametrize("prepared", [5, 6], ids=["full", "ragged"])
@pytest.mark.parametrize("mapping", MAPPINGS)
def test_gradients_outputs_and_states_are_the_references(mapping, prepared):
    network = tangled()
    x, labels = batch_for(network, 5)
    reference = Model(network, "reference", batch=5, seed=3, dtype=np.float64)
    kernels = Model(network, "cuda-cpu", batch=prepared, seed=3, mapping=mapping)
    wanted, found = reference.gradients_of(x, labels, step=2), kernels.gradients_of(x, labels, step=2)
    assert found.loss == pytest.approx(wanted.loss, rel=1e-5)
    assert found.correct == wanted.correct and found.samples == 5
    assert_close(kernels.gradients.host(), reference.gradients)
    assert_close(kernels.state.host(), reference.state)
    np.testing.assert_allclose(kernels.forward(x), reference.forward(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("loss", ["mse", "binary_crossentropy"])
def test_losses_that_the_host_computes(loss):
    network = tangled()
    x, labels = batch_for(network, 4)
    models = [Model(network, name, batch=4, seed=1) for name in ("reference", "cuda-cpu")]
    wanted, found = (model.gradients_of(x, labels, loss) for model in models)
    assert found.loss == pytest.approx(wanted.loss, rel=1e-4)
    assert_close(models[1].gradients.host(), models[0].gradients, 1e-3)


@cache
def start_and_end(name: str, backend: str, steps: int, n: int, mapping: str | None = None):
    """All weights before and after `steps` steps of momentum on n digits each."""
    network = zoo.get(name)
    model = Model(network, backend, batch=n, seed=0, mapping=mapping)
    split = load("digits", shape=network.input_shape).train
    optimizer = Momentum(lr=0.01)
    slots, before = model.slots(optimizer), model.parameters.host().flat.copy()
    for step in range(steps):
        x, labels = split.take(np.arange(step * n, step * n + n))
        model.gradients_of(x, labels, step=step)
        model.update(optimizer, slots, step)
    return before, model.parameters.host().flat


# Network -> steps, samples in each, and the largest distance to the wanted weights as a part of the way they have gone.
NETWORKS = {
    "lenet5": (10, 9, 1e-4),
    "alexnet_star": (2, 2, 1e-3),
    # BatchNorm divides rounding errors by small deviations: the reference itself, in float32 instead of float64,
    # ends 7e-4 away.
    "resnet18_32": (1, 8, 2e-2),
    "resnet18_star": (1, 2, 1e-3),
}
# Tuned kernels are compiled for every size of a layer, which takes seconds each: once is enough for convolutions.
RUNS = [(name, mapping) for name in NETWORKS for mapping in MAPPINGS if (name, mapping) != ("resnet18_star", "tuned")]


@pytest.mark.parametrize(("name", "mapping"), RUNS)
def test_networks_end_at_the_references_weights(name, mapping):
    """As the cpu backend's, which ends where the reference does (tests/engine)."""
    steps, n, limit = NETWORKS[name]
    before, wanted = start_and_end(name, "cpu", steps, n)
    _, found = start_and_end(name, "cuda-cpu", steps, n, mapping)
    assert np.linalg.norm(found - wanted) < limit * np.linalg.norm(wanted - before)


def test_each_layer_may_have_its_own_mapping():
    network = zoo.get("lenet5")
    x, labels = batch_for(network, 4)
    mixed = Model(network, "cuda-cpu", batch=4, mapping={"*": "data", "conv2": "model", "fc1": "hybrid"})
    plain = Model(network, "reference", batch=4)
    mixed.gradients_of(x, labels)
    plain.gradients_of(x, labels)
    assert_close(mixed.gradients.host(), plain.gradients)
    assert mixed.mapping["conv2"] == "model"


def small() -> Network:
    """A network of which the simulator, which runs a thread of Python for every thread, does a step in seconds.

    It holds all that a tuned kernel does together: norm and ReLU; norm, addition and ReLU.
    """
    b = Builder()
    b.add("conv", Conv(3, 3, padding=1))
    b.add("norm", BatchNorm())
    relu = b.add("relu", ReLU())
    b.add("conv2", Conv(3, 1))
    norm = b.add("norm2", BatchNorm())
    b.add("add", Add(), relu, norm)
    b.add("relu2", ReLU())
    b.add("pool", MaxPool(2))
    b.add("average", AvgPool(2, stride=1))
    b.add("flatten", Flatten())
    b.add("fc", Dense(3))
    b.add("softmax", Softmax())
    return b.network("small", (1, 6, 5))


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_a_tiny_network_trains_where_arrays_are_not_numpys(mapping, tmp_path):
    """On the GPU or in the simulator (else on the cores): staging, copies, norms, update, checkpoint, evaluation."""
    backend = "cuda" if SIMULATED or first_gpu() else "cuda-cpu"
    network = small()
    whole = load("digits", shape=network.input_shape, classes=3)
    data = replace(whole, train=whole.train.subset(np.arange(5)), test=whole.test.subset(np.arange(4)))
    ends = []
    for name, chosen in (("reference", None), (backend, mapping)):
        model = Model(network, name, batch=3, seed=1, mapping=chosen)
        training = Training(epochs=1, batch=3, optimizer=Momentum(lr=0.02), l2=0.01, checkpoint_folder=tmp_path / name)
        events = list(train(model, data, training))
        assert all(norm > 0 for norm in events[-1].gradient_norms.values())
        again = Model(network, name, batch=3, seed=9, mapping=chosen)
        checkpoint.load(tmp_path / name, again)
        np.testing.assert_array_equal(again.parameters.host().flat, model.parameters.host().flat)
        ends.append((model.parameters.host(), events[-1].test_loss))
    wanted, found = ends[0][0].flat, ends[1][0].flat
    assert np.linalg.norm(found - wanted) < 1e-4 * np.linalg.norm(wanted)
    assert ends[1][1] == pytest.approx(ends[0][1], rel=1e-4)


def test_in_the_simulator(simulated):
    simulated(__file__)


def test_refusals():
    network = zoo.get("lenet5")
    with pytest.raises(LabError, match=r"float64.*float32"):
        Model(network, "cuda-cpu", batch=2, dtype=np.float64)
    with pytest.raises(LabError, match="'cpu' has no mapping"):
        Model(network, "cpu", batch=2, mapping="data")
    wide = chain("wide", (1, 120, 120), {"flatten": Flatten(), "fc": Dense(2), "softmax": Softmax()})
    with pytest.raises(LabError, match=r"fc takes 57,600 bytes.*'fc': 'data'"):
        Model(wide, "cuda-cpu", batch=2, mapping="model")
    Model(wide, "cuda-cpu", batch=2, mapping={"fc": "data"})
