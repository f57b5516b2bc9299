"""Whole networks, random ones and one with every kind of branch, walked through by hand with the reference's layers."""

import numpy as np
import pytest

from labkit.engine import initialize, losses
from labkit.engine.gradient_check import gradient_error, numerical_gradient
from labkit.engine.ops import Draw, prepare
from labkit.engine.tensors import Tensors
from labkit.network import (
    INPUT,
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
    Logistic,
    Network,
    PadShortcut,
    Softmax,
    Subsample,
    Tanh,
    zoo,
)

SEEDS = 6

# Layers that keep the shape of 2 maps. Smooth ones only: a difference must not step over a kink somewhere within.
KEEPING = [
    Conv(2, 3, padding=1),
    Conv(2, 1, groups=2, bias=False),
    Conv(2, 3, padding=1, connections=((1,), (1, 0))),
    Tanh(),
    Logistic(),
    BatchNorm(),
    LRN(3, 0.3),
    Dropout(0.2),
    AvgPool(3, stride=1, padding=1),
]


def random_network(seed: int) -> Network:
    """A directed acyclic graph whose layers read any earlier ones, with a pool and a vector part at its end."""
    rng = np.random.default_rng(seed)
    b = Builder()
    names = [b.add("first", Conv(2, 3, padding=1))]
    for i in range(7):
        kind, two = rng.integers(4), [names[j] for j in rng.integers(len(names), size=2)]
        if kind == 0:
            names.append(b.add(f"add{i}", Add(), *two))
        elif kind == 1:
            names.append(b.add(f"join{i}", Conv(2, 1), b.add(f"concat{i}", Concat(), *two)))
        else:
            names.append(b.add(f"layer{i}", KEEPING[rng.integers(len(KEEPING))], two[0]))
    read = {source for node in b.nodes for source in node.inputs}
    ends = [name for name in names if name not in read]
    b.add("ends", Concat(), *ends, names[0])
    b.add("short", PadShortcut(2 * len(ends) + 3, stride=(1, 2)))
    b.add("subsample", Subsample(2))
    b.add("flatten", Flatten())
    b.add("dense", Dense(4))
    b.add("softmax", Softmax())
    return b.network(f"random {seed}", (1, 5, 6))


class Walk:
    """FP, BP and KU of a network with nothing but its layers and the sum of the gradients where it branches."""

    def __init__(self, network: Network, batch: int, seed: int):
        self.network = network
        self.parameters = Tensors(network.weights(), np.float64)
        self.gradients = Tensors(network.weights(), np.float64)
        self.state = Tensors(network.state(), np.float64)
        initialize.fill(network, self.parameters, self.state, seed)
        self.parameters.flat += np.random.default_rng(seed).normal(0, 0.1, self.parameters.flat.size)
        self.ops = {
            n.name: prepare("reference", n.layer, network.input_shapes(n), batch, np.dtype(np.float64))
            for n in network.nodes
        }

    def forward(self, x: np.ndarray) -> np.ndarray:
        out = {INPUT: x}
        for n in self.network.nodes:
            xs = tuple(out[source] for source in n.inputs)
            weights, state = self.parameters.of(n.name), self.state.of(n.name)
            out[n.name] = self.ops[n.name].forward(xs, weights, state, True, Draw(0, n.name))
        return out[self.network.output]

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Fills `gradients`; returns the gradient of the input."""
        arrived = {self.network.output: dy}
        for n in reversed(self.network.nodes):
            dy, weights = arrived.pop(n.name), self.parameters.of(n.name)
            if weights:
                self.ops[n.name].backward_weights(dy, weights, self.gradients.of(n.name))
            for source, dx in zip(n.inputs, self.ops[n.name].backward_data(dy, weights), strict=True):
                arrived[source] = arrived[source] + dx if source in arrived else dx
        return arrived[INPUT]


@pytest.mark.parametrize("loss", losses.names())
@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_weight_and_input_of_a_random_graph(seed, loss):
    walk, rng = Walk(random_network(seed), 3, seed), np.random.default_rng(seed)
    x, labels = rng.normal(size=(3, 1, 5, 6)), np.array([1, 3, 0])
    dx = walk.backward(losses.get(loss)(walk.forward(x), labels)[1])
    weights, gradients = walk.parameters.flat.copy(), walk.gradients.flat.copy()

    def of_weights(w):
        walk.parameters.flat[:] = w
        return losses.get(loss)(walk.forward(x), labels)[0]

    assert gradient_error(gradients, numerical_gradient(of_weights, weights)) < 1e-7
    walk.parameters.flat[:] = weights
    numeric = numerical_gradient(lambda v: losses.get(loss)(walk.forward(v), labels)[0], x)
    assert gradient_error(dx, numeric) < 1e-7


def test_random_graphs_branch_and_differ():
    networks = [random_network(seed) for seed in range(SEEDS)]
    assert len({network.nodes for network in networks}) == SEEDS
    kinds = {type(node.layer) for network in networks for node in network.nodes}
    assert {type(layer) for layer in KEEPING} <= kinds
    for network in networks:
        assert any(len(network.consumers(node.name)) > 1 for node in network.nodes)


@pytest.mark.parametrize("name", ["lenet5", "lenet5_1998"])
def test_lenet_along_random_directions(name):
    """All weights at once: the slope of the loss along a direction is the gradient times that direction."""
    network = zoo.get(name)
    walk, rng = Walk(network, 2, 0), np.random.default_rng(1)
    x, labels = rng.normal(size=(2, *network.input_shape)), np.array([7, 2])
    loss = losses.get("categorical_crossentropy")
    walk.backward(loss(walk.forward(x), labels)[1])
    start = walk.parameters.flat.copy()
    for _ in range(3):
        direction = rng.normal(size=start.size) / np.sqrt(start.size)

        def along(t, direction=direction):
            walk.parameters.flat[:] = start + t * direction
            return loss(walk.forward(x), labels)[0]

        assert numerical_gradient(along, 0.0) == pytest.approx(walk.gradients.flat @ direction, rel=1e-6)
