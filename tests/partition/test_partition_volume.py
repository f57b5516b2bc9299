"""The central test: the cut of the hypergraph and the count of who needs what are the same number, for every plan."""

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.network import (
    LRN,
    Add,
    BatchNorm,
    Builder,
    Concat,
    Conv,
    Dense,
    Dropout,
    Flatten,
    MaxPool,
    ReLU,
    Softmax,
    zoo,
)
from labkit.partition import Plan, Slice, coarse, cut, fine, flops, loads, part_weights, tasks_of, volume

BATCH = 3


def branched():
    """Residual addition, concatenation, normalisation across maps, groups and pooling behind a branch, all in one."""
    b = Builder()
    stem = b.add("stem", Conv(6, 3, padding=1))
    b.add("norm", LRN(size=3))
    left = b.add("left", Conv(6, 3, padding=1, groups=2))
    b.add("add", Add(), left, "norm")
    b.add("batch_norm", BatchNorm())
    split = b.add("relu", ReLU())
    a = b.add("a", Conv(5, 1), split)
    b.add("pool_b", MaxPool(3, stride=1, padding=1), split)
    c = b.add("b", Conv(3, 1))
    b.add("cat", Concat(), a, c, split)
    b.add("pool", MaxPool(2))
    b.add("last", Conv(7, 3, padding=1))
    b.add("flatten", Flatten())
    b.add("drop", Dropout(0.3))
    b.add("fc1", Dense(9))
    b.add("fc2", Dense(4))
    b.add("softmax", Softmax())
    assert stem
    return b.network("branched", (2, 6, 6))


NETWORKS = {name: zoo.get(name) for name in ("lenet5", "lenet5_1998", "resnet18_32", "mlp")} | {"branched": branched()}
KINDS = [
    ("coarse", {}),
    ("coarse", {"dense": "neuron"}),
    ("coarse", {"groups": 3}),
    ("fine", {}),
    ("fine", {"groups": 2}),
]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("grain", "options"), KINDS, ids=lambda value: str(value))
@pytest.mark.parametrize("parts", [1, 2, 5])
def test_cut_of_the_hypergraph_is_the_counted_volume(name, grain, options, parts):
    tasks = tasks_of(NETWORKS[name])
    weights = flops(tasks)
    problem = (coarse if grain == "coarse" else fine)(tasks, weights, **options)
    rng = np.random.default_rng(parts)
    for _ in range(3):
        part = rng.integers(0, parts, problem.vertices.count)
        plan = problem.plan(part, parts)
        counted = volume(plan, BATCH)
        assert counted.elements == BATCH * cut(problem.hypergraph, part)
        assert counted.sent.sum() == counted.received.sum() == counted.elements
        assert np.allclose(loads(plan, weights).work, part_weights(problem.hypergraph, part, parts))
        assert np.array_equal(problem.vector(plan), part)


@pytest.mark.parametrize("network", ["vgg16", "googlenet"])
@pytest.mark.parametrize("grain", [coarse, fine])
def test_they_agree_on_the_large_networks_too(network, grain):
    tasks = tasks_of(zoo.get(network))
    problem = grain(tasks, flops(tasks))
    rng = np.random.default_rng(5)
    part = rng.integers(0, 9, problem.vertices.count)
    assert volume(problem.plan(part, 9), 1).elements == cut(problem.hypergraph, part)


def test_backward_answers_every_map_but_the_images():
    tasks = tasks_of(NETWORKS["branched"])
    problem = fine(tasks, flops(tasks))
    plan = problem.plan(np.arange(problem.vertices.count) % 4, 4)
    forward, both = volume(plan, BATCH), volume(plan, BATCH, backward=True)
    images = next(row for row in forward.rows if row.name == "input").elements
    assert images > 0
    assert both.elements == 2 * forward.elements - images
    assert both.bytes == 4 * both.elements


def test_a_plan_in_one_part_sends_nothing():
    tasks = tasks_of(NETWORKS["branched"])
    problem = coarse(tasks, flops(tasks))
    assert volume(problem.plan(np.zeros(problem.vertices.count, int), 1)).elements == 0


def test_a_volume_by_hand():
    """conv2 of LeNet-5 in two halves, the rest in part 0: six maps of 14x14 go over, eight of 5x5 come back."""
    tasks = tasks_of(zoo.get("lenet5"))
    problem = coarse(tasks, flops(tasks))
    part = np.zeros(problem.vertices.count, int)
    part[problem.vertices.filters[tasks.number("conv2")][8:]] = 1
    found = volume(problem.plan(part, 2), 10)
    assert found.pairs.tolist() == [[0, 10 * 6 * 14 * 14], [10 * 8 * 5 * 5, 0]]


def test_a_bad_batch_is_named():
    tasks = tasks_of(zoo.get("mlp"))
    problem = coarse(tasks, flops(tasks))
    with pytest.raises(LabError, match="batch=0"):
        volume(problem.plan(np.zeros(problem.vertices.count, int), 1), 0)


def test_what_cannot_be_counted_in_64_bits_is_refused():
    tasks = tasks_of(zoo.get("lenet5", (1, 2**31 - 1, 2**31 - 1)))
    plan = Plan(tasks.network, 2, tuple(Slice(layer.name, np.zeros(layer.filters, int)) for layer in tasks.layers))
    for count in (lambda: volume(plan, 32), lambda: coarse(tasks, flops(tasks))):
        with pytest.raises(LabError, match=r"lenet5 has .* values in the maps of a sample, too many to count"):
            count()


SIZES = {  # network -> coarse vertices, nets of maps, pins of those; nets of halos (local response normalisation)
    "vgg16": (4228, 4227, 1_639_109, 0),
    "resnet18": (4802, 4801, 1_399_937, 0),
    "googlenet": (7282, 7281, 2_637_233, 256),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_of_the_hypergraphs(name):
    """Sizes of the field notes; their GoogLeNet leaves local response normalisation out."""
    tasks = tasks_of(zoo.get(name))
    problem = coarse(tasks, flops(tasks))
    halos = {t.name for t in tasks.tensors if any(getattr(r, "what", "") == "halo" for r in t.readers)}
    halo = np.isin(problem.row_of_net, [i for i, row in enumerate(problem.rows) if row[0] in halos])
    pins = problem.hypergraph.sizes
    vertices, nets, pin_count, halo_nets = SIZES[name]
    assert problem.hypergraph.vertices == vertices
    assert (int((~halo).sum()), int(pins[~halo].sum()), int(halo.sum())) == (nets, pin_count, halo_nets)


def test_sizes_of_the_fine_vgg16():
    tasks = tasks_of(zoo.get("vgg16"))
    found = fine(tasks, flops(tasks)).hypergraph
    assert (found.vertices, found.nets, len(found.pins)) == (1_638_726, 8_453, 3_277_959)
