"""The plan as a value: it covers every task once, it can be compared and kept in sets, and its repr is a table."""

import dataclasses

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.network import Conv, Dense, Flatten, chain
from labkit.partition import Plan, Slice

NETWORK = chain("tiny", (2, 6, 6), {"conv1": Conv(4, 3), "conv2": Conv(3, 3), "flatten": Flatten(), "fc": Dense(5)})
CHOSEN = chain("chosen", (3, 3, 3), {"conv": Conv(2, 1, connections=((0,), (0, 2)))})


def slices(**changed) -> list[Slice]:
    """Owners of NETWORK in three parts, some layers changed: name=owners, or name=(owners, channels)."""
    owners = {"input": [0, 0], "conv1": [0, 0, 1, 1], "conv2": [1, 1, 2], "fc": [2] * 5} | changed
    return [
        Slice(name, *(np.array(a) for a in own)) if isinstance(own, tuple) else Slice(name, np.array(own))
        for name, own in owners.items()
    ]


def plan(network=NETWORK, parts=3, **changed) -> Plan:
    return Plan(network, parts, tuple(slices(**changed)))


FINE = ([1, 1, 2], [[1, 1, 1, 1], [0, 0, 1, 1], [2, 2, 2, 2]])


def test_a_plan_holds_small_arrays_and_cannot_be_changed():
    found = plan(conv2=FINE)
    assert found["conv2"].owner.dtype == found["conv2"].channels.dtype == np.int16
    assert found["conv1"].channels is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.parts = 4
    for array in (found["conv1"].owner, found["conv2"].owner, found["conv2"].channels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 2


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"conv1": [0, 0, 1]}, "layer 'conv1' has 4 filters, but the plan has owners of shape (3,) — give 4 part"),
        ({"conv1": [0, 0, 1, -1]}, "nobody owns filter 3 of layer 'conv1' — give it a part from 0 to 2"),
        ({"conv1": [0, 3, 1, 4]}, "an unknown part owns filter 1 of layer 'conv1' (part 3) — give it a part from 0"),
        ({"conv1": [0.0, 0, 1, 1]}, "part numbers of layer 'conv1' are float64 — give whole numbers"),
        ({"conv1": [True, False, True, True]}, "part numbers of layer 'conv1' are bool"),
        ({"input": [0, -1]}, "nobody owns filter 1 of layer 'input'"),
        ({"conv2": ([1, 1, 2], [[0] * 4] * 2)}, "layer 'conv2' has (3, 4) filters and channels, but the plan has an"),
        ({"conv2": ([1, 1, 2], [[0] * 4, [0] * 4, [0, 1, -1, 0]])}, "nobody owns filter 2, channel 2 of layer 'conv2'"),
        ({"conv2": ([1, 1, 2], [[0] * 4, [0, 9, 0, 0], [0] * 4])}, "an unknown part owns filter 1, channel 1 of layer"),
        ({"conv2": ([1, 1, 2], [[0.5] * 4] * 3)}, "part numbers of layer 'conv2' are float64"),
        ({"fc": ([2] * 5, [[2] * 3] * 5)}, "layer 'fc' (dense) is divided by channels — divide it by filters"),
        ({"fc2": [0]}, "the plan has a layer 'fc2', which tiny has not — did you mean 'fc'?; or"),
    ],
)  # fmt: skip
def test_each_hole_and_misfit_is_named(changed, words):
    with pytest.raises(LabError) as caught:
        plan(**changed)
    assert str(caught.value).startswith(words)


def test_layers_must_be_all_there_and_in_order():
    with pytest.raises(LabError, match="the plan says nothing of layer 'conv2' of tiny"):
        Plan(NETWORK, 3, tuple(s for s in slices() if s.layer != "conv2"))
    with pytest.raises(LabError, match="not in the order of tiny"):
        Plan(NETWORK, 3, tuple(reversed(slices())))


@pytest.mark.parametrize("parts", [0, -1, 2**15, 2.0, "3"])
def test_the_number_of_parts_is_checked(parts):
    with pytest.raises(LabError, match="parts="):
        plan(parts=parts)


def test_only_channels_that_a_filter_reads_have_owners():
    def chosen(channels):
        return Plan(CHOSEN, 2, (Slice("input", np.zeros(3, int)), Slice("conv", np.array([0, 1]), np.array(channels))))

    assert chosen([[1, -1, -1], [0, -1, 1]]).grain == "fine"
    with pytest.raises(LabError, match="filter 0 of layer 'conv' does not read channel 1, which the plan gives away"):
        chosen([[1, 0, -1], [0, -1, 1]])
    with pytest.raises(LabError, match="nobody owns filter 1, channel 2"):
        chosen([[1, -1, -1], [0, -1, -1]])
    whole = chosen([[0, -1, -1], [1, -1, 1]])
    assert whole["conv"].channels is None
    assert whole["conv"].by_channel(3, whole.tasks.layers[1].links).tolist() == [[0, -1, -1], [1, -1, 1]]


def test_an_unknown_layer_is_asked_for():
    with pytest.raises(LabError, match="did you mean 'conv1'"):
        plan()["conv_1"]


def test_plans_with_the_same_owners_are_equal_whatever_made_them():
    one = plan()
    other = Plan(NETWORK, 3, tuple(slices()), "coarse", {"seed": 4})
    assert one == other and hash(one) == hash(other)
    assert len({one, other, plan(fc=[1] * 5)}) == 2
    assert one != plan(conv1=[0, 0, 0, 1])
    assert one != plan(parts=4)
    assert one != "a plan"


def test_whole_filters_are_the_same_spelled_out():
    spelled = plan(conv2=([1, 1, 2], [[1] * 4, [1] * 4, [2] * 4]))
    assert spelled == plan() and hash(spelled) == hash(plan())
    assert spelled.grain == "coarse"


def test_one_channel_elsewhere_makes_a_plan_fine_and_another_plan():
    fine = plan(conv2=([1, 1, 2], [[1] * 4, [1, 1, 0, 1], [2] * 4]))
    assert fine.grain == "fine"
    assert fine != plan() and fine == plan(conv2=([1, 1, 2], [[1] * 4, [1, 1, 0, 1], [2] * 4]))
    assert fine != plan(conv2=([1, 0, 2], [[1] * 4, [1, 1, 0, 1], [2] * 4]))  # another part adds filter 1 up


def test_a_plan_for_another_network_is_another_plan():
    renamed = dataclasses.replace(NETWORK, name="other")
    assert plan(network=renamed) != plan()


def test_the_repr_is_a_table_of_tasks_per_part():
    assert repr(plan()) == (
        "Plan of tiny in 3 parts (by hand, coarse grain)\n"
        "layer  tasks  part 0  part 1  part 2\n"
        "input      2       2       ·       ·\n"
        "conv1      4       2       2       ·\n"
        "conv2      3       ·       2       1\n"
        "fc         5       ·       ·       5"
    )


def test_the_repr_of_a_fine_plan_counts_channels():
    lines = repr(plan(conv2=FINE)).splitlines()
    assert lines[0] == "Plan of tiny in 3 parts (by hand, fine grain)"
    assert lines[4].split() == ["conv2", "12", "2", "6", "4"]


def test_the_repr_of_many_parts_lists_those_that_own_something():
    found = plan(parts=9, conv1=[8, 0, 8, 8])
    lines = repr(found).splitlines()
    assert lines[1].split() == ["layer", "tasks", "tasks", "by", "part"]
    assert lines[3].split() == ["conv1", "4", "0:1", "8:3"]
    assert "part 0" in repr(plan(parts=8)).splitlines()[1]
