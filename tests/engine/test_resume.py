"""A run that was interrupted and resumed ends in the same bits as one that was not."""

from dataclasses import replace

import numpy as np
import pytest

from labkit.data import load
from labkit.engine import checkpoint
from labkit.engine.augment import Flip, Noise, Rotate, Shift
from labkit.engine.background import BackgroundRun
from labkit.engine.model import Model
from labkit.engine.optimizers import SGD, Adadelta, Adagrad, Adam, Momentum
from labkit.engine.regularize import EarlyStopping
from labkit.engine.schedules import Schedule
from labkit.engine.train import train
from labkit.engine.training import Training
from labkit.errors import LabError
from labkit.network import BatchNorm, Conv, Dense, Dropout, Flatten, MaxPool, ReLU, Softmax, chain

LAYERS = {
    "conv": Conv(4, 3, padding=1),
    "norm": BatchNorm(),
    "relu": ReLU(),
    "pool": MaxPool(2),
    "drop": Dropout(0.3),
    "flatten": Flatten(),
    "fc": Dense(10),
    "softmax": Softmax(),
}
NETWORK = chain("small", (1, 8, 8), LAYERS)
DATA = load("digits", samples=150)
AUGMENT = (Shift(1), Flip(), Rotate(10), Noise(0.1))
BASE = Training(epochs=3, batch=25, augment=AUGMENT, l1=1e-4, l2=1e-3, seed=7)
STEPS = 3 * 5


def model(backend="reference", seed=2):
    return Model(NETWORK, backend=backend, batch=25, seed=seed, threads=1)


def bits(m):
    return m.parameters.flat.tobytes() + m.state.flat.tobytes()


@pytest.mark.parametrize("optimizer", [SGD(0.1), Momentum(0.05), Adagrad(0.05), Adadelta(), Adam(0.01)], ids=str)
@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_resume_is_bit_exact(tmp_path, backend, optimizer):
    training = replace(BASE, optimizer=optimizer, schedule=Schedule("cosine", warmup=0.5))
    straight = model(backend)
    expected = list(train(straight, DATA, training))
    for stop in (1, 5, 8, 14):
        kept = replace(training, checkpoint_folder=tmp_path / str(stop))
        events = train(model(backend), DATA, kept)
        before = [next(events) for _ in range(stop)]
        events.close()
        resumed = model(backend, seed=2)
        resumed.parameters.flat[:] = np.nan
        after = list(train(resumed, DATA, kept, resume=tmp_path / str(stop)))
        assert bits(resumed) == bits(straight)
        for mine, theirs in zip(before + after, expected, strict=True):
            assert (mine.step, mine.epoch, mine.loss, mine.accuracy) == (
                theirs.step,
                theirs.epoch,
                theirs.loss,
                theirs.accuracy,
            )
            assert (mine.train_loss, mine.test_accuracy) == (theirs.train_loss, theirs.test_accuracy)


def test_a_run_stopped_in_the_background_goes_on(tmp_path):
    straight = model()
    list(train(straight, DATA, BASE))
    kept = replace(BASE, checkpoint_folder=tmp_path)
    run = BackgroundRun(train(model(), DATA, kept), paused=True)
    for _ in range(4):
        run.step()
    run.wait(60, until=lambda: run.count == 4)
    run.stop()
    assert run.wait(60) == "stopped"
    assert checkpoint.read(tmp_path)["progress"]["step"] == 4
    resumed = model()
    after = BackgroundRun(train(resumed, DATA, kept, resume=tmp_path))
    assert after.wait(60) == "finished" and after.events[0].step == 4
    assert bits(resumed) == bits(straight)


def test_resume_keeps_what_early_stopping_knows(tmp_path):
    stopping = EarlyStopping(patience=2, held_out=0.3)
    training = replace(BASE, epochs=40, augment=(), optimizer=Adam(0.03), early_stopping=stopping)
    straight = model()
    expected = list(train(straight, DATA, training))
    assert expected[-1].stopped
    kept = replace(training, checkpoint_folder=tmp_path)
    events = train(model(), DATA, kept)
    for _ in range(len(expected) - 2):
        next(events)
    events.close()
    resumed = model()
    after = list(train(resumed, DATA, kept, resume=tmp_path))
    assert bits(resumed) == bits(straight) and after[-1].stopped == expected[-1].stopped
    assert list(train(model(), DATA, kept, resume=tmp_path)) == []


def test_checkpoints_are_written_when_they_are_due(tmp_path):
    def step():
        return checkpoint.read(tmp_path)["progress"]["step"]

    events = train(model(), DATA, replace(BASE, checkpoint_folder=tmp_path, checkpoint_every=3))
    seen = []
    for event in events:
        seen.append(step() if event.step >= 2 else None)
    assert seen == [None, None, 3, 3, 5, 6, 6, 6, 9, 10, 10, 12, 12, 12, 15]


def test_a_folder_without_checkpoint_settings_stays_empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    list(train(model(), DATA, BASE))
    assert not list(tmp_path.iterdir())


def test_a_diverged_run_keeps_the_last_good_checkpoint(tmp_path):
    training = replace(BASE, checkpoint_folder=tmp_path)
    trained = model()
    events = train(trained, DATA, training)
    for _ in range(7):
        next(events)
    trained.parameters["fc.weight"][0, 0] = np.nan
    with pytest.raises(LabError, match="'fc'"):
        next(events)
    assert checkpoint.read(tmp_path)["progress"]["step"] == 5
    resumed = model()
    list(train(resumed, DATA, training, resume=tmp_path))
    assert np.isfinite(resumed.parameters.flat).all()


def test_weights_spoilt_by_the_last_update_are_not_kept(tmp_path):
    trained = model()
    events = train(trained, DATA, replace(BASE, checkpoint_folder=tmp_path))
    for _ in range(6):
        next(events)
    trained.parameters["conv.bias"][1] = np.inf
    events.close()
    assert checkpoint.read(tmp_path)["progress"]["step"] == 5


def test_an_evaluation_that_gives_no_number_ends_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(
        SGD, "update", lambda self, w, g, slots, step, lr, arrays: w.fill(np.nan) if step == 4 else None
    )
    with pytest.raises(LabError, match=r"step 5 \(epoch 1\) is nan: weights of layer 'conv' are not finite"):
        list(train(model(), DATA, replace(BASE, checkpoint_folder=tmp_path)))
    assert not list(tmp_path.iterdir())


def test_a_run_can_be_made_longer(tmp_path):
    kept = replace(BASE, epochs=2, checkpoint_folder=tmp_path)
    list(train(model(), DATA, kept))
    longer, straight = model(), model()
    list(train(longer, DATA, replace(kept, epochs=3), resume=tmp_path))
    list(train(straight, DATA, BASE))
    assert bits(longer) == bits(straight)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch": 20}, "batch is 25 there and 20 now"),
        ({"optimizer": SGD(0.2)}, r"optimizer is .*0\.01.* there and .*0\.2"),
        ({"optimizer": Adam(0.01)}, "optimizer"),
        ({"seed": 8}, "seed is 7 there and 8 now"),
        ({"augment": ()}, "augment"),
        ({"l2": 0.0}, "l2"),
        ({"early_stopping": EarlyStopping()}, "early_stopping"),
    ],
    ids=str,
)
def test_other_settings_are_refused(tmp_path, change, message):
    kept = replace(BASE, checkpoint_folder=tmp_path)
    next(events := train(model(), DATA, kept))
    events.close()
    with pytest.raises(LabError, match=message):
        train(model(), DATA, replace(kept, **change), resume=tmp_path)


def test_other_weights_data_and_network_are_refused(tmp_path):
    kept = replace(BASE, checkpoint_folder=tmp_path)
    next(events := train(model(), DATA, kept))
    events.close()
    with pytest.raises(LabError, match="model_seed is 2 there and 3 now"):
        train(model(seed=3), DATA, kept, resume=tmp_path)
    with pytest.raises(LabError, match="samples is 120 there and 128 now"):
        train(model(), load("digits", samples=160), kept, resume=tmp_path)
    double = Model(NETWORK, backend="reference", batch=25, seed=2, dtype=np.float64)
    with pytest.raises(LabError, match="dtype is 'float32' there"):
        train(double, DATA, kept, resume=tmp_path)
    other = Model(chain("other", (1, 8, 8), LAYERS | {"conv": Conv(5, 3)}), batch=25)
    with pytest.raises(LabError, match="not 'other'"):
        train(other, DATA, kept, resume=tmp_path)
    weights = model()
    checkpoint.write(tmp_path / "plain", checkpoint.host_arrays(weights), checkpoint.describe(weights))
    with pytest.raises(LabError, match="belongs to another run"):
        train(model(), DATA, kept, resume=tmp_path / "plain")
