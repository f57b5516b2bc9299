"""Numbers that the prose of notebook 11 states, from the same calls that its cells make."""

import re

import pytest

from labkit.course.charges import charges, fooled
from labkit.course.race import APART, race
from labkit.network import zoo
from labkit.partition import coarse, fine, flops, loads, tasks_of, volume
from labkit.partition.by_hand import plan_by_hand
from labkit.partition.figure import figure_network
from labkit.partition.methods import partition
from labkit.partition.stages import edge_cut

LENET = zoo.get("lenet5")
SMALL = figure_network()


def small_plan(conv1, conv2, conv3):
    return plan_by_hand(SMALL, {"input": 0, "conv1": conv1, "conv2": conv2, "conv3": conv3}, parts=4)


def test_the_plan_by_hand():
    plan = plan_by_hand(SMALL, {"conv1": [0, 0, 0, 1], "conv2": [0, 1, 1], "conv3": 1})
    assert [row.elements for row in volume(plan, 1).rows] == [192, 256, 64, 0]


def test_moves_that_change_only_one_of_cut_and_edges():
    """Vertex 7 lowers the cut by 128 and leaves the edges; filters 0 to 2 of conv1 leave the cut."""
    before = charges(small_plan([0, 0, 0, 1], [0, 1, 1], 1))
    seven, three = charges(small_plan([0, 0, 0, 1], 1, 1)), charges(small_plan([1, 0, 0, 1], [0, 1, 1], 1))
    assert (before["nets"] - seven["nets"], before["edges"] - seven["edges"]) == (128, 0)
    assert before["nets"] == three["nets"] and before["edges"] < three["edges"]


def test_lenet_halved():
    plan = plan_by_hand(LENET, {"conv1": 0, "conv2": [0] * 8 + [1] * 8, "conv3": 0, "fc1": 0, "fc2": 0})
    found = edge_cut(plan, batch=1)
    assert found.sent == 1376
    assert [row.factor for row in found.rows if row.sent] == [8, 120]
    assert round(found.factor) == 24


def test_vertices_of_both_grains():
    tasks = tasks_of(SMALL)
    sizes = [grain(tasks, flops(tasks), dense="neuron").hypergraph.vertices for grain in (coarse, fine)]
    assert sizes == [12, 42]
    tasks = tasks_of(LENET)
    assert coarse(tasks, flops(tasks)).hypergraph.vertices == 145


@pytest.mark.parametrize(("imbalance", "elements"), [(0.03, 1326), (0.1, 1301), (0.3, 1226), (0.5, 1176), (1.0, 84)])
def test_volume_against_balance(imbalance, elements):
    plan = partition(LENET, 2, imbalance=imbalance)
    assert volume(plan, 1).elements == elements
    if imbalance == 1.0:
        assert loads(plan, flops(plan.tasks)).max_over_avg / 2 == pytest.approx(0.998, abs=5e-4)


def gains(view):
    """Per pass: the gains of its moves as they are told, and how many of them are undone."""
    found = []
    for event in view.events:
        if event["kind"] == "pass":
            found.append(([], 0))
        elif event["kind"] == "move":
            gain = re.search(r"gain ([+−]?[\d,]+)", event["text"]).group(1)
            found[-1][0].append(int(gain.replace(",", "").replace("−", "-")))
        elif event["kind"] == "rollback":
            found[-1] = (found[-1][0], event["moves"])
    return found


def test_the_passes_that_are_watched():
    widgets = pytest.importorskip("labkit.widgets")
    first, second, *_ = gains(widgets.stepper("lenet5_head", parts=3, imbalance=0.3, seed=2, start="random"))
    assert (len(first[0]), first[1]) == (23, 17)
    assert sum(second[0][:15]) == 0 and min(second[0][:15]) == -809 and second[0][15] == 1024


def test_engines_on_small_networks():
    assert {one["elements"] for one in race(LENET, 4, ("multilevel", "counts")).values()} == {4168}


def test_what_it_helps_to_know_what_is_alike():
    pytest.importorskip("mtkahypar")
    found = race(zoo.get("alexnet"), 8, (APART, "mtkahypar", "counts"))
    apart, grouped, counts = (one["elements"] for one in found.values())
    assert 0.87 < grouped / apart < 0.93
    assert 0.97 < counts / grouped < 1


def test_the_open_task_has_a_solution():
    """The one in the instructor's notes; the plans that the notebook begins with fool nobody."""
    given = small_plan([0, 0, 1, 1], [1, 1, 2], 2), small_plan([0, 0, 0, 1], [1, 2, 3], 3)
    assert fooled(*given) == ()
    mine, other = small_plan([1, 2, 0, 1], [0, 1, 2], 2), small_plan([1, 2, 2, 2], [2, 0, 2], [0, 2])
    assert fooled(mine, other) == ("edges", "cut nets", "printed")
    assert list(charges(mine).values()) == [1024, 1024, 1344, 576, 1600]
    assert list(charges(other).values()) == [960, 960, 1408, 704, 1664]
