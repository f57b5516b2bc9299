"""The training loop: what it yields, that it learns, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest

from labkit.data import load
from labkit.engine.augment import Noise, Shift
from labkit.engine.events import TrainEvent
from labkit.engine.model import Model
from labkit.engine.optimizers import SGD, Adam, Momentum
from labkit.engine.regularize import EarlyStopping
from labkit.engine.schedules import Schedule
from labkit.engine.train import gradient_norms, train
from labkit.engine.training import Training
from labkit.errors import LabError
from labkit.network import Dense, Flatten, ReLU, Softmax, chain, zoo

DIGITS = load("digits")
LAYERS = {"flatten": Flatten(), "fc1": Dense(32), "relu": ReLU(), "fc2": Dense(10), "softmax": Softmax()}
SMALL = chain("small", (1, 8, 8), LAYERS)


def small(backend="reference", batch=32, seed=0, **options):
    return Model(SMALL, backend=backend, batch=batch, seed=seed, threads=1, **options)


def test_events_of_two_epochs():
    training = Training(epochs=2, batch=500, optimizer=SGD(0.1))
    model = small(batch=500)
    events = list(train(model, DIGITS, training))
    assert len(DIGITS.train) == 1438
    assert [e.step for e in events] == [0, 1, 2, 3, 4, 5] and {e.steps for e in events} == {6}
    assert [e.epoch for e in events] == [0, 0, 0, 1, 1, 1]
    assert [e.samples for e in events] == [500, 500, 438] * 2
    assert [e.epoch_end for e in events] == [False, False, True] * 2
    for e in events:
        assert set(e.seconds) == {"fp", "bp", "ku"} and min(e.seconds.values()) > 0
        assert list(e.gradient_norms) == ["fc1", "fc2"] and min(e.gradient_norms.values()) > 0
        assert e.bytes_held["parameters"] == model.parameters.nbytes and e.bytes_held["optimizer"] == 0
        assert (e.test_accuracy is not None) == e.epoch_end and e.learning_rate == 0.1
        assert TrainEvent.from_json(e.to_json()) == e
    assert [e.elapsed_s for e in events] == sorted(e.elapsed_s for e in events)
    first = events[:3]
    assert first[-1].train_loss == pytest.approx(sum(e.loss * e.samples for e in first) / 1438)
    assert first[-1].train_accuracy == pytest.approx(sum(e.accuracy * e.samples for e in first) / 1438)
    assert events[-1].test_accuracy == model.evaluate(DIGITS.test)["accuracy"]


def test_one_step_is_the_gradient_of_the_batch_and_the_update():
    model, twin = small(batch=1438), small(batch=1438)
    next(train(model, DIGITS, Training(batch=1438, optimizer=SGD(0.5), l2=0.01)))
    before = twin.parameters.flat.copy()
    x, labels = DIGITS.train.take(slice(None))
    twin.gradients_of(x, labels)
    expected = before - 0.5 * twin.gradients.flat
    for name, part in twin.parameters.slices.items():
        if name.endswith("weight"):
            expected[part] -= 0.5 * 0.01 * before[part]
    np.testing.assert_allclose(model.parameters.flat, expected, rtol=1e-4, atol=1e-6)


def test_gradient_norms_are_those_of_the_layers():
    model = small()
    model.gradients.flat[:] = np.random.default_rng(0).standard_normal(model.gradients.flat.size)
    norms = gradient_norms(model)
    for layer in ("fc1", "fc2"):
        parts = [model.gradients[f"{layer}.{name}"] for name in ("weight", "bias")]
        assert norms[layer] == pytest.approx(np.sqrt(sum(float((p**2).sum()) for p in parts)), rel=1e-5)


def test_options_of_what_is_looked_at():
    training = Training(epochs=2, batch=300, norms_every=3, evaluate_every_epoch=False, schedule=Schedule(warmup=1))
    events = list(train(small(batch=300), DIGITS, training))
    assert [bool(e.gradient_norms) for e in events] == [i % 3 == 0 for i in range(10)]
    assert [e.step for e in events if e.test_accuracy is not None] == [9]
    np.testing.assert_allclose([e.learning_rate for e in events[:5]], np.arange(1, 6) * 0.01 / 5)


def test_the_same_seed_gives_the_same_run_and_another_does_not():
    def losses(seed):
        training = Training(batch=128, seed=seed, augment=(Shift(1), Noise(0.1)))
        return [e.loss for e in train(small(batch=128), DIGITS, training)]

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


@pytest.mark.parametrize(("batch", "lr", "steps"), [(1, 0.01, 80), (16, 0.1, 5), (80, 0.5, 1)], ids=str)
def test_stochastic_mini_batch_and_batch_descent(batch, lr, steps):
    data = load("digits", samples=100)
    events = list(train(small(batch=batch), data, Training(epochs=6, batch=batch, optimizer=SGD(lr))))
    ends = [e.train_loss for e in events if e.epoch_end]
    assert len(events) == 6 * steps and ends[-1] < 0.7 * ends[0]


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "mse"])
def test_every_loss_trains(loss):
    training = Training(epochs=5, batch=32, optimizer=Adam(0.003), loss=loss)
    events = list(train(small(), DIGITS, training))
    assert events[-1].test_accuracy > 0.9
    assert events[-1].train_loss < 0.5 * events[44].train_loss


@pytest.mark.parametrize("name", ["lenet5", "lenet5_1998", "mlp"])
def test_loss_of_small_zoo_networks_falls(name):
    network = zoo.get(name)
    data = load("digits", shape=network.input_shape, samples=400)
    model = Model(network, batch=32, threads=1)
    events = list(train(model, data, Training(epochs=4, batch=32, optimizer=Momentum(0.02))))
    ends = [e.train_loss for e in events if e.epoch_end]
    assert ends[-1] < 0.5 * ends[0]


@pytest.mark.parametrize(
    ("name", "optimizer", "steps"),
    [("resnet18_32", Momentum(0.02), 8), ("resnet18_star", Momentum(0.002), 8), ("alexnet_star", Adam(1e-4), 16)],
)
def test_deep_networks_learn_a_handful_by_heart(name, optimizer, steps):
    """Residual with BatchNorm and without, and with dropout: a few steps on the same eight digits."""
    network = zoo.get(name)
    data = load("digits", shape=network.input_shape, samples=10)
    model = Model(network, batch=8, threads=1)
    training = Training(epochs=steps, batch=8, optimizer=optimizer, evaluate_every_epoch=False)
    losses = [e.loss for e in train(model, data, training)]
    assert losses[0] < 4 and losses[-1] < 0.3 * losses[0]


def test_early_stopping_restores_the_best_epoch():
    stopping = EarlyStopping(patience=2, held_out=0.2)
    training = Training(epochs=200, batch=64, optimizer=Adam(0.02), early_stopping=stopping)
    model = small(batch=64)
    events = list(train(model, DIGITS, training))
    losses = [e.validation_loss for e in events if e.epoch_end]
    assert len(losses) < 200 and events[-1].stopped == "no better validation loss for 2 epochs"
    assert losses.index(min(losses)) == len(losses) - 3
    assert events[0].steps == 200 * -(-(1438 - 288) // 64)
    again = list(train(small(batch=64), DIGITS, replace(training, epochs=len(losses) - 2, early_stopping=stopping)))
    assert again[-1].test_accuracy == events[-1].test_accuracy


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_a_rate_far_too_large_is_told_with_step_and_layer(backend):
    training = Training(epochs=5, batch=32, optimizer=SGD(1e6), loss="mse")
    network = chain("linear", (1, 8, 8), {"flatten": Flatten(), "fc1": Dense(32), "fc2": Dense(10)})
    with pytest.raises(LabError, match=r"step [1-9]\d* \(epoch 1\).*'fc[12]'.*lower the learning rate from 1e\+06"):
        list(train(Model(network, backend=backend, batch=32, threads=1), DIGITS, training))


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_weight_that_is_not_finite_is_found(backend, bad):
    model = small(backend)
    model.parameters["fc1.weight"][3, 4] = bad
    with pytest.raises(LabError, match=r"step 1.*'fc1'"):
        list(train(model, DIGITS, Training(batch=32)))


def test_samples_that_are_not_finite_are_blamed():
    source = DIGITS.train.source

    class Broken:
        def fetch(self, indices, shape):
            x = source.fetch(indices, shape)
            x[0, 0, 0, 0] = np.nan
            return x

    data = replace(DIGITS, train=replace(DIGITS.train, source=Broken()))
    with pytest.raises(LabError, match="the samples themselves"):
        list(train(small(), data, Training(batch=32)))


@pytest.mark.parametrize(
    ("model", "training", "message"),
    [
        (lambda: small(), Training(batch=64), "make the model with batch=64"),
        (lambda: small(batch=2000), Training(batch=2000), "more than the 1438 training samples"),
        (lambda: Model(zoo.get("lenet5"), batch=32), Training(), r"shape=\(1, 32, 32\)"),
        (lambda: Model(chain("c", (1, 8, 8), LAYERS | {"fc2": Dense(3)}), batch=32), Training(), "classes=10"),
    ],
)
def test_what_does_not_fit_is_refused_at_once(model, training, message):
    with pytest.raises(LabError, match=message):
        train(model(), DIGITS, training)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch": 0},
        {"batch": 1.5},
        {"seed": -1},
        {"l1": -1},
        {"l2": float("nan")},
        {"optimizer": "adam"},
        {"augment": ("flip",)},
        {"schedule": "cosine"},
        {"early_stopping": 3},
        {"norms_every": -1},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(LabError, match=f"{next(iter(wrong))}="):
        Training(**wrong)


def test_an_unknown_loss_is_refused():
    with pytest.raises(LabError, match="loss"):
        Training(loss="categorical")
