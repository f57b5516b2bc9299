"""Five ways to say what a plan costs: which of them agree, and by how much the others are off."""

import pytest

from labkit.course.charges import WAYS, charge_table, charges, fooled, random_charges, random_plans
from labkit.errors import LabError
from labkit.network import Conv, chain, zoo
from labkit.partition.by_hand import plan_by_hand
from labkit.partition.figure import figure_network, residual_block

FAN = chain("fan", (1, 4, 4), {"a": Conv(1, 1), "b": Conv(4, 1)})
# Map 0 of `a` is read by four filters; those of `b` are gathered where its filter 0 is.
TOGETHER = plan_by_hand(FAN, {"a": 0, "b": 1}, 3)
APART = plan_by_hand(FAN, {"a": 0, "b": [0, 1, 2, 2]})


def test_charges_by_hand():
    assert charges(TOGETHER) == {"counted": 16, "nets": 16, "edges": 64, "cut nets": 16, "printed": 32}
    apart = {"counted": 5 * 16, "nets": 5 * 16, "edges": 6 * 16, "cut nets": 4 * 16, "printed": 9 * 16}
    assert charges(APART, 10) == {way: 10 * said for way, said in apart.items()}


def test_a_plan_that_sends_nothing_is_charged_nothing():
    assert set(charges(plan_by_hand(figure_network(), dict.fromkeys(("conv1", "conv2", "conv3"), 0), 2)).values()) == {
        0
    }


@pytest.mark.parametrize("network", [figure_network(), residual_block(), zoo.get("lenet5_1998")], ids=lambda n: n.name)
@pytest.mark.parametrize("grain", ["coarse", "fine"])
def test_only_nets_say_what_is_sent(network, grain):
    rows = random_charges({"it": network}, grain, 12)
    assert len({row["counted"] for row in rows}) > 6
    assert all(row["nets"] == row["counted"] for row in rows)
    assert all(row["cut nets"] <= row["counted"] <= row["edges"] for row in rows)
    assert all(row["printed"] == row["nets"] + row["cut nets"] for row in rows)
    assert any(row["edges"] > row["counted"] for row in rows)
    assert {row["grain"] for row in rows} == {grain}


def test_random_plans_repeat_and_differ():
    first, again = (list(random_plans(figure_network(), "fine", 5, seed=3)) for _ in range(2))
    assert first == again
    assert len({hash(plan) for plan in first}) == 5
    assert {plan.grain for plan in first} <= {"fine", "coarse"} and any(plan.grain == "fine" for plan in first)


def test_ways_that_prefer_what_sends_more():
    two_strays = plan_by_hand(FAN, {"a": 0, "b": [0, 0, 1, 2]})
    assert charges(two_strays)["counted"] > charges(TOGETHER)["counted"]
    assert fooled(two_strays, TOGETHER) == fooled(TOGETHER, two_strays) == ()
    one = plan_by_hand(FAN, {"a": 0, "b": [1, 1, 1, 1]}, 3)
    with pytest.raises(LabError, match="both plans send 16 values"):
        fooled(one, TOGETHER)


def test_edges_are_fooled_by_a_block_of_readers():
    lenet = zoo.get("lenet5")
    rest = dict.fromkeys(("conv1", "conv3", "fc1", "fc2"), 0)
    block = plan_by_hand(lenet, rest | {"conv2": 1}, 3)
    strays = plan_by_hand(lenet, rest | {"conv2": [0] * 14 + [1, 2]})
    assert (charges(block)["counted"], charges(strays)["counted"]) == (1576, 2402)
    assert (charges(block)["edges"], charges(strays)["edges"]) == (66_816, 8352)
    assert "edges" in fooled(block, strays)


def test_the_table_names_plans_and_ways():
    table = charge_table({"together": TOGETHER, "apart": APART}, 2)
    assert table.head == ("plan", *WAYS)
    assert table.rows[0] == ("together", 32, 32, 128, 32, 64)
    assert "2 samples" in table.caption and "modelled" in table.caption
