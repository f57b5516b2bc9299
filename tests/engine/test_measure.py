"""What is timed and weighed is the real work: phases add up, memory is that of the arrays."""

from types import SimpleNamespace

import numpy as np
import pytest

from labkit.data import load
from labkit.engine import SGD, Model
from labkit.engine.footprint import footprint
from labkit.engine.measure import forward_seconds, macs_per_s, step_seconds
from labkit.errors import LabError
from labkit.network import zoo


def test_phases_are_parts_of_the_step_and_no_weight_moves_visibly():
    network = zoo.get("lenet5")
    model = Model(network, batch=8, threads=1)
    x, labels = load("digits", shape=network.input_shape).train.take(np.arange(8))
    before = model.parameters.flat.copy()
    seconds = step_seconds(model, x, labels, repeats=3)
    assert set(seconds) == {"fp", "bp", "ku", "step"} and all(value > 0 for value in seconds.values())
    assert max(seconds["fp"], seconds["bp"], seconds["ku"]) < seconds["step"]
    np.testing.assert_allclose(model.parameters.flat, before, rtol=0, atol=1e-25)
    step_seconds(model, x, labels, repeats=1, optimizer=SGD(lr=0.1))
    assert not np.array_equal(model.parameters.flat, before)


def test_rates_and_refusals():
    assert macs_per_s(size=64, repeats=1, threads=1) > 1e6
    model = Model(zoo.get("mlp"), "reference", batch=2)
    assert forward_seconds(model, np.zeros((2, 1, 28, 28), np.float32), repeats=1) > 0
    with pytest.raises(LabError, match="repeats=0"):
        macs_per_s(repeats=0)


def test_seconds_are_medians_without_the_warm_up(monkeypatch):
    """The first two steps compile, here for 100 s; of the others, 1, 2 and 9 s, the middle one counts."""
    spent = iter([100.0, 100.0, 9.0, 1.0, 2.0])

    class Slow:
        def slots(self, optimizer):
            return ()

        def update(self, optimizer, slots, step):
            pass

        def wait(self):
            pass

        def gradients_of(self, x, labels, step):
            return SimpleNamespace(seconds=dict.fromkeys(("fp", "bp", "ku"), next(spent)))

    assert step_seconds(Slow(), None, None, repeats=3)["fp"] == 2


def test_a_product_of_n_by_n_matrices_takes_n_cubed_multiply_accumulates(monkeypatch):
    monkeypatch.setattr("labkit.engine.measure._seconds", lambda call, repeats: [4.0, 0.5, 2.0])
    assert macs_per_s(size=10) == 2000  # in the shortest time


def test_training_needs_the_memory_that_the_model_says_it_holds():
    """AlexNet* has 114 MB of weights: training holds gradients as well, inference does not."""
    weights = 4 * zoo.get("alexnet_star").parameters
    training, inference = (footprint("alexnet_star", 4, phase) for phase in ("training", "inference"))
    for run, copies in ((training, 2), (inference, 1)):
        assert run.held_bytes["parameters"] == weights
        assert copies * weights < run.grown_bytes < (copies + 1) * weights
        assert run.grown_bytes == pytest.approx(sum(run.held_bytes.values()), rel=0.25)


def test_what_cannot_be_weighed_is_refused():
    with pytest.raises(LabError, match="phase='sleeping'"):
        footprint("lenet5", 4, "sleeping")
    with pytest.raises(LabError, match="did you mean 'lenet5'"):
        footprint("lenet", 4)
    with pytest.raises(LabError, match=r"longer than 0\.01 s"):
        footprint("lenet5", 4, timeout_s=0.01)
