"""The volume that is counted is the volume that an execution needs, forward and backward: plans are executed."""

import numpy as np
import pytest
from plan_execution import Execution, random_plan

from labkit.engine import Model
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
    MaxPool,
    Network,
    PadShortcut,
    ReLU,
    Softmax,
    Subsample,
    Tanh,
)
from labkit.partition import coarse, cut, fine, flops, tasks_of, volume
from labkit.partition.memory import activation_elements, weight_elements

BATCH = 3


def head(b: Builder, softmax: bool = True) -> Builder:
    """Flatten, a dense layer and, unless left out, softmax after the layer added last."""
    b.add("flatten", Flatten())
    b.add("fc", Dense(4))
    if softmax:
        b.add("softmax", Softmax())
    return b


def residual() -> Network:
    """A block with a projection, then one with a shortcut without weights."""
    b = Builder()
    x = b.add("stem", Conv(3, 3, padding=1))
    b.add("a1", Conv(4, 3, padding=1, stride=2))
    b.add("a_norm", BatchNorm())
    b.add("a_relu", ReLU())
    left = b.add("a2", Conv(4, 3, padding=1))
    right = b.add("project", Conv(4, 1, stride=2, bias=False), x)
    b.add("a_add", Add(), left, right)
    x = b.add("a_out", ReLU())
    left = b.add("b1", Conv(6, 3, padding=1, stride=2))
    right = b.add("pad", PadShortcut(6), x)
    b.add("b_add", Add(), left, right)
    b.add("b_out", Tanh())
    return head(b).network("residual", (2, 6, 6))


def pre_activation() -> Network:
    """Normalisation and activation before the convolution: the sum itself goes on as well."""
    b = Builder()
    x = b.add("stem", Conv(4, 3, padding=1))
    for i in range(2):
        b.add(f"norm{i}", BatchNorm(), x)
        b.add(f"relu{i}", ReLU())
        b.add(f"conv{i}", Conv(4, 3, padding=1))
        x = b.add(f"add{i}", Add(), x, f"conv{i}")
    b.add("drop", Dropout(0.0))
    return head(b).network("pre-activation", (2, 4, 4))


def inception() -> Network:
    """Branches of which one begins with a pool, one is only a pool; normalisation of neighbours after them."""
    b = Builder()
    x = b.add("stem", Conv(4, 3, padding=1))
    one = b.add("one", Conv(2, 1), x)
    b.add("reduce", Conv(2, 1), x)
    b.add("reduce_relu", ReLU())
    three = b.add("three", Conv(3, 3, padding=1))
    b.add("pool", MaxPool(3, stride=1, padding=1), x)
    pooled = b.add("pooled", Conv(2, 1))
    mean = b.add("mean", AvgPool(3, stride=1, padding=1), x)
    b.add("join", Concat(), one, three, pooled, mean, x)
    b.add("norm", LRN(size=3, alpha=0.1))
    b.add("half", MaxPool(2))
    b.add("last", Conv(3, 2))
    return head(b, softmax=False).network("inception", (2, 4, 4))


def dense_blocks() -> Network:
    """DenseNet: every layer reads the maps of all before it, normalised anew."""
    b = Builder()
    x = b.add("stem", Conv(3, 3, padding=1))
    for i in range(3):
        b.add(f"norm{i}", BatchNorm(), x)
        b.add(f"relu{i}", ReLU())
        b.add(f"conv{i}", Conv(2, 3, padding=1, bias=False))
        x = b.add(f"cat{i}", Concat(), x, f"conv{i}")
    b.add("mean", AvgPool(2))
    return head(b).network("dense-blocks", (1, 4, 4))


def sums() -> Network:
    """Additions of three inputs, of concatenations, and of a layer with itself."""
    b = Builder()
    p, q, r = (b.add(name, Conv(2, 3, padding=1), INPUT) for name in "pqr")
    three = b.add("three", Add(), p, q, r)
    cat = b.add("cat", Concat(), three, q)
    four = b.add("four", Conv(4, 1), r)
    both = b.add("both", Add(), cat, four)
    twice = b.add("twice", Add(), both, both)
    b.add("again", Concat(), twice, three, twice)
    b.add("conv", Conv(3, 1))
    b.add("pool", MaxPool(2))
    b.add("padded", PadShortcut(5, stride=1))
    b.add("squash", Tanh())
    return head(b, softmax=False).network("sums", (2, 4, 4))


def links() -> Network:
    """Depthwise convolution, groups, chosen connections of which one map is read by nobody, and subsampling."""
    b = Builder()
    b.add("depthwise", Conv(6, 3, padding=1, groups=3))
    b.add("sub", Subsample(2))
    b.add("groups", Conv(4, 1, groups=2))
    b.add("chosen", Conv(3, 2, connections=((2, 0), (1,), (0, 1, 2))))
    return head(b).network("links", (3, 4, 4))


def input_everywhere() -> Network:
    """The images are read by a convolution, a pool, a concatenation and an addition."""
    b = Builder()
    b.add("conv", Conv(2, 3, padding=1), INPUT)
    b.add("add", Add(), "conv", INPUT)
    b.add("pool", MaxPool(3, stride=1, padding=1), INPUT)
    b.add("cat", Concat(), INPUT, "add", "pool")
    b.add("conv2", Conv(3, 3))
    b.add("half", MaxPool(2), INPUT)
    b.add("cat2", Concat(), "half", "conv2")
    return head(b).network("input-everywhere", (2, 4, 4))


def vectors() -> Network:
    """No image at all: dense layers with a shortcut, normalised."""
    b = Builder()
    b.add("fc1", Dense(5))
    b.add("norm", BatchNorm())
    x = b.add("relu", ReLU())
    b.add("fc2", Dense(5, bias=False))
    b.add("add", Add(), x, "fc2")
    b.add("fc3", Dense(3))
    return b.network("vectors", (4,))


def pieces() -> Network:
    """Vectors of flattened maps joined with, and added to, vectors of neurons."""
    b = Builder()
    b.add("conv", Conv(3, 3))
    flat = b.add("flat", Flatten())
    b.add("fc1", Dense(5))
    b.add("cat", Concat(), "fc1", flat)
    b.add("norm", BatchNorm())
    x = b.add("relu", ReLU())
    b.add("fc2", Dense(17))
    b.add("add", Add(), x, "fc2")
    b.add("fc3", Dense(12))
    b.add("add2", Add(), "fc3", flat)
    b.add("fc4", Dense(17))
    b.add("add3", Add(), "add", "fc4")
    b.add("both", Concat(), "add2", "add3")
    b.add("tanh", Tanh())
    return b.network("pieces", (2, 4, 4))


def no_head() -> Network:
    """No dense layer: softmax over maps that are pooled where they are read, beside the maps themselves."""
    b = Builder()
    maps = b.add("conv", Conv(3, 2))
    flat = b.add("flat", Flatten())
    b.add("pool", MaxPool(2, stride=1), maps)
    b.add("pooled", Flatten())
    b.add("softmax", Softmax())
    b.add("cat", Concat(), "softmax", flat)
    return b.network("no-head", (2, 4, 4))


HARD = residual, pre_activation, inception, dense_blocks, sums, links, input_everywhere, vectors, pieces, no_head
NETWORKS = {network.name: network for network in (make() for make in HARD)}


def random_network(seed: int) -> Network:
    """Any layers on any of the layers before; what nobody has read in the end is flattened and joined."""
    rng, b = np.random.default_rng(seed), Builder()
    open_, shapes = [INPUT], {INPUT: (2, 4, 4)}

    def pick(good) -> str:
        return str(rng.choice([name for name in shapes if good(shapes[name])] or [INPUT]))

    def add(layer, *sources: str) -> None:
        name = b.add(f"{layer.kind}{len(b.nodes)}", layer, *sources)
        shapes[name] = layer.output_shape(*(shapes[source] for source in sources))
        open_[:] = [source for source in open_ if source not in sources] + [name]

    for _ in range(int(rng.integers(4, 12))):
        x = pick(lambda shape: True) if rng.random() < 0.4 else open_[-1]
        shape = shapes[x]
        others = [pick(lambda other, own=shape: other == own) for _ in range(int(rng.integers(1, 3)))]
        beside = [pick(lambda other, own=shape: other[1:] == own[1:]) for _ in range(2)]
        mapwise = [ReLU(), Tanh(), BatchNorm(), Dropout(0.0)]
        several = [(Add(), x, *others)] * all(shapes[other] == shape for other in others)
        several += [(Concat(), x, *beside)] * all(shapes[other][1:] == shape[1:] for other in beside)
        if len(shape) == 3:
            groups = int(rng.choice([g for g in (1, 2, 3) if shape[0] % g == 0]))
            one = [Conv(groups * int(rng.integers(1, 4)), 3, padding=1, groups=groups, bias=rng.random() < 0.5)] * 3
            one += [MaxPool(3, stride=1, padding=1), AvgPool(1, stride=2), LRN(size=3, alpha=0.5), Subsample(1)]
            one += [PadShortcut(shape[0] + int(rng.integers(0, 3)), stride=1), Flatten()]
        else:
            one = [Dense(int(rng.choice([2, 5, shape[0]])))] * 3 + [Softmax()]
        several += [(layer, x) for layer in one + mapwise]
        add(*several[int(rng.integers(len(several)))])
    for name in [name for name in open_ if len(shapes[name]) == 3]:
        add(Flatten(), name)
    if len(open_) > 1:
        add(Concat(), *open_)
    return b.network(f"random{seed}", (2, 4, 4))


def check(network: Network, rng: np.random.Generator, is_fine: bool, parts: int) -> None:
    """Execute a random plan: same results as without a plan, and every value that it sends is counted, none besides."""
    model = Model(network, "reference", batch=BATCH, dtype=np.float64)
    model.parameters.flat += 0.1 * rng.standard_normal(len(model.parameters.flat))
    x, labels = rng.standard_normal((BATCH, *network.input_shape)), np.arange(BATCH) % network.output_shape[0]
    model.gradients_of(x, labels, "mse")
    plan = random_plan(network, parts, rng, is_fine)
    run = Execution(plan, x, model)
    assert np.allclose(run.forward(), model.outputs[network.output], rtol=1e-9, atol=1e-12)
    run.backward(labels)
    for name, gradient in model.gradients.items():
        assert np.allclose(run.gradients[name], gradient, rtol=1e-7, atol=1e-10), name
    assert np.array_equal(run.sent, volume(plan, BATCH).pairs)
    assert np.array_equal(run.sent + run.answered, volume(plan, BATCH, backward=True).pairs)
    held = np.bincount([key[0] for key in run.used], list(run.used.values()), parts)
    assert np.array_equal(held, weight_elements(plan))
    assert np.array_equal(run.kept(), activation_elements(plan))


@pytest.mark.parametrize("is_fine", [False, True], ids=["coarse", "fine"])
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_an_execution_sends_what_is_counted(network, is_fine):
    for parts in (1, 2, 3, 5):
        check(network, np.random.default_rng(parts), is_fine, parts)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_the_network_is(seed):
    rng = np.random.default_rng(seed)
    check(random_network(seed), rng, bool(seed % 2), int(rng.integers(2, 5)))


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_their_hypergraphs_cost_the_same(network):
    tasks, rng = tasks_of(network), np.random.default_rng(3)
    for grain in (coarse, fine):
        for options in ({}, {"dense": "neuron"}, {"groups": 2}):
            problem = grain(tasks, flops(tasks), **options)
            part = rng.integers(0, 4, problem.vertices.count)
            assert cut(problem.hypergraph, part) == volume(problem.plan(part, 4), 1).elements
