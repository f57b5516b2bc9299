"""Penalties against finite differences; early stopping on made-up losses."""

import numpy as np
import pytest

from labkit.engine.arrays import HOST
from labkit.engine.regularize import Best, EarlyStopping, add_penalty, penalised, penalty
from labkit.engine.tensors import Tensors
from labkit.errors import LabError
from labkit.network import BatchNorm, Conv, Dense, Flatten, ReLU, chain

LAYERS = {"conv": Conv(2, 3), "norm": BatchNorm(), "relu": ReLU(), "flatten": Flatten(), "fc": Dense(3)}
NETWORK = chain("small", (1, 4, 4), LAYERS)


@pytest.fixture
def parameters():
    tensors = Tensors(NETWORK.weights(), np.float64)
    tensors.flat[:] = np.random.default_rng(0).standard_normal(len(tensors.flat))
    return tensors


def test_only_weights_of_conv_and_dense_are_penalised(parameters):
    parts = penalised(NETWORK, parameters)
    assert parts == (parameters.slices["conv.weight"], parameters.slices["fc.weight"])


@pytest.mark.parametrize(("l1", "l2"), [(0.3, 0.0), (0.0, 0.7), (0.3, 0.7)])
def test_gradient_of_the_penalty(parameters, l1, l2):
    w, parts = parameters.flat, penalised(NETWORK, parameters)
    g = np.full_like(w, 2.0)
    add_penalty(w, g, parts, l1, l2)
    for i in range(len(w)):
        up, down = w.copy(), w.copy()
        up[i] += 1e-6
        down[i] -= 1e-6
        slope = (penalty(up, parts, l1, l2) - penalty(down, parts, l1, l2)) / 2e-6
        assert g[i] == pytest.approx(2 + slope, abs=1e-6)


def test_l1_leaves_a_weight_of_zero_alone():
    w, g = np.zeros(2, np.float32), np.zeros(2, np.float32)
    add_penalty(w, g, (slice(0, 2),), 0.5, 0.5)
    assert (g == 0).all()


def test_stops_after_patience_and_restores_the_best():
    best, rule, w = Best(), EarlyStopping(patience=2, min_delta=0.1), np.zeros(3)
    stops = []
    for epoch, loss in enumerate([3.0, 2.0, 1.95, 1.85, 1.9, 1.8]):
        w[:] = epoch
        stops.append(best.judge(loss, rule, w))
    # 1.95 is not 0.1 below 2.0; 1.85 is; 1.9 and 1.8 are not.
    assert stops == [False, False, False, False, False, True]
    best.restore(HOST, w)
    assert (w == 3).all() and best.loss == 1.85


def test_nothing_to_restore_before_the_first_epoch():
    w = np.ones(2)
    Best().restore(HOST, w)
    assert (w == 1).all()


@pytest.mark.parametrize("wrong", [{"patience": 0}, {"min_delta": -1.0}, {"held_out": 1.0}, {"held_out": 0}])
def test_refusals(wrong):
    with pytest.raises(LabError, match=next(iter(wrong))):
        EarlyStopping(**wrong)
