"""Initial weights: the same for a layer wherever it stands, with the spread that its activation asks for."""

import numpy as np
import pytest

from labkit.engine import initialize
from labkit.engine.tensors import Tensors
from labkit.errors import LabError
from labkit.network import Add, BatchNorm, Builder, Conv, Dense, Flatten, LeakyReLU, ReLU, Tanh, chain, zoo


def filled(network, seed=0, dtype=np.float32):
    parameters, state = Tensors(network.weights(), dtype), Tensors(network.state(), dtype)
    parameters.flat[:] = np.nan
    state.flat[:] = np.nan
    initialize.fill(network, parameters, state, seed)
    return parameters, state


def small(*before):
    layers = dict(before) | {"conv": Conv(32, 5), "relu": ReLU(), "flatten": Flatten(), "fc": Dense(10)}
    return chain("small", (16, 12, 12), layers)


def test_every_value_is_set_and_follows_the_seed():
    network = zoo.get("resnet18_32")
    (first, state), (again, _), (other, _) = filled(network), filled(network), filled(network, seed=1)
    assert np.isfinite(first.flat).all() and np.isfinite(state.flat).all()
    assert np.array_equal(first.flat, again.flat)
    assert not np.array_equal(first["conv1.weight"], other["conv1.weight"])


def test_a_layer_does_not_depend_on_its_neighbours():
    alone, _ = filled(small())
    behind, _ = filled(small(("first", Conv(16, 3, padding=1)), ("tanh", Tanh())))
    assert np.array_equal(alone["conv.weight"], behind["conv.weight"])
    assert not np.array_equal(alone["conv.weight"].flat[:320], alone["fc.weight"].flat[:320])


def test_float64_starts_from_the_same_numbers():
    single, _ = filled(small())
    double, _ = filled(small(), dtype=np.float64)
    np.testing.assert_allclose(double.flat, single.flat, rtol=1e-6)


def test_chunks_do_not_change_the_numbers(monkeypatch):
    whole, parts = np.empty(1001, np.float32), np.empty(1001, np.float32)
    initialize.normal(3, "conv1.weight", whole)
    monkeypatch.setattr(initialize, "CHUNK", 64)
    initialize.normal(3, "conv1.weight", parts)
    assert np.array_equal(whole, parts)


@pytest.mark.parametrize(
    ("network", "array", "expected"),
    [
        (small(), "conv.weight", np.sqrt(2 / (16 * 25))),
        (small(), "fc.weight", np.sqrt(1 / (32 * 64))),
        (zoo.get("lenet5"), "fc1.weight", np.sqrt(1 / 120)),
        (zoo.get("alexnet_star"), "conv2.weight", np.sqrt(2 / (48 * 25))),
        (zoo.get("alexnet_star"), "fc6.weight", np.sqrt(2 / 2304)),
        (zoo.get("resnet18_32"), "s1b1_conv2.weight", np.sqrt(2 / (64 * 9))),
        (zoo.get("resnet18_star"), "s1b1_conv1.weight", np.sqrt(2 / (64 * 9))),
        (zoo.get("resnet18_star"), "s1b1_conv2.weight", np.sqrt(2 / (64 * 9)) / np.sqrt(8)),
    ],
)
def test_spread_is_gain_over_root_of_fan_in(network, array, expected):
    values = filled(network)[0][array]
    assert abs(values.mean()) < 4 * expected / np.sqrt(values.size)
    assert values.std() == pytest.approx(expected, rel=4 / np.sqrt(values.size))


def test_sparse_filters_each_have_their_own_fan_in():
    network = zoo.get("lenet5_1998")
    std = initialize.weight_std(network, network["c3"])
    links = [len(row) for row in network["c3"].layer.connections]
    assert len(std) == sum(links) == 60
    assert std[0] == pytest.approx(1 / np.sqrt(links[0] * 25)) and std[-1] == pytest.approx(1 / np.sqrt(6 * 25))


def test_leaky_relu_has_the_gain_of_its_slope():
    network = chain("leaky", (4,), {"fc": Dense(3), "leaky": LeakyReLU(0.5)})
    assert initialize.weight_std(network, network["fc"]) == pytest.approx(np.sqrt(2 / 1.25 / 4))


def test_only_one_side_of_an_add_counts_as_its_branch():
    b = Builder()
    b.add("main", Conv(8, 1), "input")
    b.add("project", Conv(8, 1), "input")
    b.add("add1", Add(), "main", "project")
    b.add("more", Conv(8, 1))
    b.add("add2", Add(), "more", "add1")
    b.add("relu", ReLU())
    network = b.network("two", (8, 4, 4))
    std = {name: initialize.weight_std(network, network[name]) for name in ("main", "project", "more")}
    he = np.sqrt(2 / 8)  # all three reach the ReLU through nothing but Add
    assert std == {name: pytest.approx(he / np.sqrt(2) if name != "project" else he) for name in std}


def test_layers_without_random_weights():
    parameters, state = filled(zoo.get("lenet5_1998"))
    assert (parameters["s2.weight"] == 0.25).all() and (parameters["s2.bias"] == 0).all()
    assert (parameters["c1.bias"] == 0).all()
    parameters, state = filled(chain("norm", (3, 4, 4), {"norm": BatchNorm()}))
    assert (parameters["norm.weight"] == 1).all() and (parameters["norm.bias"] == 0).all()
    assert (state["norm.mean"] == 0).all() and (state["norm.variance"] == 1).all()


@pytest.mark.parametrize("seed", [-1, 1.5, "0", True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(LabError, match="seed"):
        filled(small(), seed=seed)
