"""Memory of the parts of a plan: sums by hand, and what must hold for every plan."""

import numpy as np
import pytest
from plan_execution import random_plan

from labkit.errors import LabError
from labkit.network import (
    LRN,
    Add,
    BatchNorm,
    Builder,
    Concat,
    Conv,
    Dense,
    Flatten,
    MaxPool,
    PadShortcut,
    ReLU,
    activation_bytes,
    chain,
    training_bytes,
    zoo,
)
from labkit.partition import Plan, Slice, tasks_of, volume
from labkit.partition.memory import activation_elements, memory

NETWORKS = [zoo.get(name) for name in zoo.names()]


def whole(plan_network, **parts) -> Plan:
    """A plan by owners: a part for a whole layer, or a list with the part of each filter."""
    tasks = tasks_of(plan_network)
    slices = [Slice(layer.name, np.broadcast_to(parts[layer.name], layer.filters)) for layer in tasks.layers]
    return Plan(plan_network, 3, tuple(slices))


def dealt(network, parts, is_fine=False) -> Plan:
    return random_plan(network, parts, np.random.default_rng(parts), is_fine)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_one_part_needs_what_one_process_needs(network):
    found = memory(dealt(network, 1), 8, optimizer_slots=2)
    expected = training_bytes(network, 8, optimizer_slots=2)
    for what in ("weights", "gradients", "optimizer", "activations"):
        assert getattr(found, what).tolist() == [expected[what]]
    assert found.received.tolist() == [0]
    assert found.total.tolist() == [sum(expected.values()) - expected["activation_gradients"]]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
@pytest.mark.parametrize("is_fine", [False, True])
def test_the_parts_hold_all_weights_once_and_what_they_receive(network, is_fine):
    for parts in (2, 7):
        plan = dealt(network, parts, is_fine)
        found = memory(plan, 5, optimizer_slots=1)
        assert found.weights.shape == (parts,)
        assert found.weights.sum() == 4 * network.parameters
        assert np.array_equal(found.gradients, found.weights) and np.array_equal(found.optimizer, found.weights)
        assert np.array_equal(found.received, 4 * volume(plan, 5).received)
        if network.name == "googlenet":  # whose readers pool for themselves
            assert found.activations.sum() > activation_bytes(network, 5)
        else:
            assert found.activations.sum() == activation_bytes(network, 5)
        pieces = (found.weights, found.gradients, found.optimizer, found.activations, found.received)
        assert np.array_equal(found.total, sum(pieces))


CHAIN = chain(
    "tiny",
    (3, 8, 8),
    {
        "conv1": Conv(4, 3),
        "relu": ReLU(),
        "pool": MaxPool(2),
        "conv2": Conv(6, 3),
        "flatten": Flatten(),
        "fc": Dense(5),
    },
)


def test_a_fine_plan_by_hand():
    """Filters 0, 1 and 4 of conv2 are divided: channels 0 and 1 in part 0, the others and the sum in part 2."""
    divided, other = [0, 0, 2, 2], [1, 1, 1, 1]
    plan = Plan(
        CHAIN,
        3,
        (
            Slice("input", np.zeros(3, int)),
            Slice("conv1", np.array([0, 0, 0, 1])),
            Slice("conv2", np.array([2, 2, 1, 1, 2, 1]), np.array([divided, divided, other, other, divided, other])),
            Slice("fc", np.full(5, 2)),
        ),
    )
    found = memory(plan, 10, optimizer_slots=1)
    conv1, channel = 3 * 9 + 1, 9  # values of a filter of conv1 with its bias, of a channel of a filter of conv2
    weights = [3 * conv1 + 6 * channel, conv1 + 3 * (4 * channel + 1), 6 * channel + 3 + 6 * 5 + 5]
    assert found.weights.tolist() == [4 * w for w in weights]
    made = [3 * 64 + 3 * 36 + 3 * 9, 36 + 9 + 3, 3 + 5]  # images, maps of conv1, pooled ones; of conv2; outputs
    assert found.activations.tolist() == [40 * a for a in made]
    maps = [0, 3 * 64 + 3 * 9, 2 * 9 + 3]  # images and three pooled maps; two pooled maps and three of conv2
    assert found.maps_received.tolist() == [40 * r for r in maps]
    assert found.sums_received.tolist() == [0, 0, 40 * 3]


def test_every_reader_pools_a_branch_for_itself():
    """Both filters behind the pool lie away from the stem: each of their parts pools both maps, part 0 none."""
    b = Builder()
    b.add("stem", Conv(2, 1))
    b.add("left", Conv(3, 2, stride=2), "stem")
    b.add("pool", MaxPool(2), "stem")
    b.add("right", Conv(2, 1))
    b.add("cat", Concat(), "left", "right")
    b.add("last", Conv(4, 1))
    network = b.network("branch", (1, 4, 4))
    plan = whole(network, input=0, stem=0, left=0, right=[1, 2], last=0)
    away = 2 * 4 + 4 + 4  # pooled maps, one of `right`, its copy in `cat`
    assert activation_elements(plan).tolist() == [16 + 2 * 16 + 3 * 4 + 3 * 4 + 4 * 4, away, away]


def test_a_pool_before_a_concatenation_lies_with_its_readers():
    """Nobody needs the pooled maps but the filter that reads the concatenation, in part 2."""
    b = Builder()
    b.add("stem", Conv(2, 1))
    b.add("left", Conv(3, 2, stride=2), "stem")
    b.add("pool", MaxPool(2), "stem")
    b.add("cat", Concat(), "left", "pool")
    b.add("last", Conv(1, 1))
    plan = whole(b.network("branch", (1, 4, 4)), input=0, stem=0, left=1, last=2)
    cat = {0: 2 * 4, 1: 3 * 4}  # the concatenation itself is counted where the maps are made
    assert activation_elements(plan).tolist() == [16 + 2 * 16 + cat[0], 3 * 4 + cat[1], 2 * 4 + 4]


def test_a_padded_shortcut_lies_with_those_who_add_it():
    """Map c of the shortcut, zeros or not, is made by the owner of filter c of the convolution that it is added to."""
    b = Builder()
    b.add("stem", Conv(2, 1))
    b.add("conv", Conv(3, 3, stride=2, padding=1), "stem")
    b.add("pad", PadShortcut(3), "stem")
    b.add("add", Add(), "conv", "pad")
    plan = whole(b.network("block", (1, 4, 4)), input=0, stem=0, conv=[1, 2, 0])
    assert activation_elements(plan).tolist() == [16 + 2 * 16 + 3 * 4, 3 * 4, 3 * 4]


def test_normalisation_needs_the_neighbours():
    """Maps pooled at the reader are needed where they and their neighbours are normalised: by two, three, two parts."""
    b = Builder()
    b.add("stem", Conv(3, 1))
    b.add("pool", MaxPool(2), "stem")
    b.add("norm", LRN(size=3))
    b.add("conv", Conv(3, 2, stride=2), "stem")
    b.add("add", Add(), "norm", "conv")
    network = b.network("normalised", (1, 4, 4))
    plan = whole(network, input=0, stem=[0, 1, 2], conv=0)
    assert 4 * activation_elements(plan).sum() == activation_bytes(network, 1) + 4 * 4 * (2 + 3 + 2 - 3)


def test_batch_norm_lies_with_the_owner_of_the_map():
    layers = {"conv": Conv(4, 1, bias=False), "norm": BatchNorm(), "flatten": Flatten(), "norm2": BatchNorm()}
    plan = whole(chain("normalised", (2, 3, 3), layers), input=1, conv=[0, 0, 0, 2])
    each = 2 + 2 + 2 * 9  # a filter, gamma and beta of its map, and of the nine features that its map becomes
    assert memory(plan, 1).weights.tolist() == [4 * 3 * each, 0, 4 * each]


def test_groups_and_chosen_connections():
    plan = whole(chain("grouped", (4, 3, 3), {"conv": Conv(6, 2, groups=2)}), input=0, conv=[0, 0, 0, 0, 1, 2])
    assert memory(plan, 1).weights.tolist() == [4 * 4 * (2 * 4 + 1), 4 * 9, 4 * 9]
    rows = ((0,), (0, 1), (0, 1, 2))
    plan = whole(chain("chosen", (3, 3, 3), {"conv": Conv(3, 1, connections=rows)}), input=0, conv=[0, 1, 2])
    assert memory(plan, 1).weights.tolist() == [4 * 2, 4 * 3, 4 * 4]


@pytest.mark.parametrize(("options", "words"), [((0,), "batch=0"), ((1, -1), "optimizer_slots=-1"), ((1, 0.5), "=0.5")])
def test_bad_numbers_are_named(options, words):
    with pytest.raises(LabError, match=words):
        memory(dealt(CHAIN, 2), *options)
