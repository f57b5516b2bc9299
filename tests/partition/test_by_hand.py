"""Plans written by hand: the three spellings, the input's place, and every mistake by name."""

import pytest

from labkit.errors import LabError
from labkit.network import zoo
from labkit.partition.by_hand import plan_by_hand

LENET = zoo.get("lenet5")
WHOLE = {"conv1": 0, "conv2": 0, "conv3": 1, "fc1": 1, "fc2": 1}


def test_three_spellings_are_one_plan():
    halves = [0] * 8 + [1] * 8
    spelled = [
        plan_by_hand(LENET, WHOLE | {"conv2": halves}),
        plan_by_hand(LENET, WHOLE | {"conv2": {0: range(8), 1: range(8, 16)}}),
        plan_by_hand(LENET, WHOLE | {"conv2": halves, "input": 0}, parts=2),
    ]
    assert spelled[0] == spelled[1] == spelled[2]
    assert spelled[0]["conv2"].owner.tolist() == halves


def test_the_input_lies_with_its_first_reader():
    assert plan_by_hand(LENET, dict.fromkeys(WHOLE, 2))["input"].owner.tolist() == [2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conv9": 0}, "no layer 'conv9'.*did you mean 'conv3'"),
        ({"conv1": [0, 0]}, "'conv1' has 6 filters, and 2 owners"),
        ({"conv1": {0: range(5)}}, "nobody owns filter 5 of layer 'conv1'"),
        ({"conv1": {0: range(4), 1: range(3, 6)}}, "filter 3 of layer 'conv1' is given to part 0 and to part 1"),
        ({"conv1": {0: range(7)}}, "'conv1' has no filter 6"),
        ({"conv1": -1}, "nobody owns filter 0"),
        ({"conv1": 0.5}, "'conv1' has 6 filters, and 1 owners"),
    ],
)
def test_mistakes_are_named(change, message):
    with pytest.raises(LabError, match=message):
        plan_by_hand(LENET, WHOLE | change)


def test_a_layer_without_owner_is_a_hole():
    with pytest.raises(LabError, match="nobody owns layer 'fc2'"):
        plan_by_hand(LENET, {name: 0 for name in WHOLE if name != "fc2"})


def test_a_part_beyond_the_number_of_parts_is_named():
    with pytest.raises(LabError, match=r"filter 0 of layer 'conv3' \(part 1\)"):
        plan_by_hand(LENET, WHOLE, parts=1)
