"""Numbers that the prose of notebook 12 and its instructor's notes state, from the same calls that its cells make."""

import pytest

from labkit.course.plans import scoreboard
from labkit.course.residual import projected_block
from labkit.network import zoo
from labkit.partition import flops, loads, tasks_of, thesis, volume
from labkit.partition.by_hand import plan_by_hand
from labkit.partition.engines.blocks import Blocks
from labkit.partition.memory import memory
from labkit.partition.methods import partition
from labkit.partition.report import report

VGG16 = zoo.get("vgg16")
WORK = flops(tasks_of(VGG16))


def sent(plan, batch=32):
    return volume(plan, batch).elements / 2**20


@pytest.fixture(scope="module")
def eight():
    """VGG16 in 8 parts by the methods without an engine, and by the hypergraph: method -> plan."""
    methods = ("layer", "filter-horizontal", "filter-incremental", "channel-incremental", "coarse")
    return {method: partition(VGG16, 8, method) for method in methods}


def test_whole_layers():
    plan = partition(VGG16, 4, "layer")
    assert sent(plan) == 85.75 and report(plan, WORK)["max_over_avg"] == pytest.approx(1.196, abs=5e-4)
    assert float(thesis.figures("layer", 4).volume) == 85.7


def test_halving_is_as_even_and_sends_more(eight):
    names = tasks_of(VGG16).names[1:]
    after = [names.index(f"conv{i}") for i in (2, 3, 4, 6, 7, 9, 10)]
    halved = plan_by_hand(VGG16, {name: sum(i > cut for cut in after) for i, name in enumerate(names)})
    even = [loads(plan, WORK).max_over_avg for plan in (halved, eight["layer"])]
    assert even == pytest.approx([1.435, 1.435], abs=5e-4)
    assert 1 - sent(eight["layer"]) / sent(halved) == pytest.approx(0.37, abs=0.005)
    lightest = loads(eight["layer"], WORK).work.min() / loads(eight["layer"], WORK).average
    assert lightest < 0.02


def test_six_methods(eight):
    least = min(eight, key=lambda method: sent(eight[method]))
    even = [method for method, plan in eight.items() if loads(plan, WORK).max_over_avg <= 1.1 + 1e-9]
    assert least == "layer" and "layer" not in even
    assert min(even, key=lambda method: sent(eight[method])) == "coarse"
    assert sent(eight["filter-horizontal"]) / sent(eight["coarse"]) == pytest.approx(12, abs=0.3)
    assert 1 - sent(eight["coarse"]) / sent(eight["filter-incremental"]) == pytest.approx(0.1, abs=0.01)


def test_the_first_task_of_the_studio(eight):
    owners = {piece.layer: piece.owner.copy() for piece in eight["layer"].slices}
    owners["conv4"][-26:] = 7
    painted = plan_by_hand(VGG16, owners)
    work = loads(painted, WORK)
    assert work.work[1] / work.average == pytest.approx(1.24, abs=0.005)
    assert work.max_over_avg == pytest.approx(1.43, abs=0.01)
    assert sent(painted) - sent(eight["layer"]) == 49


def test_the_sweep(eight):
    tight, loose, looser, arrived = (partition(VGG16, 8, imbalance=e) for e in (0.03, 0.2, 0.3, 0.435))
    assert 1 - sent(loose) / sent(tight) == pytest.approx(0.08, abs=0.01)
    least = loads(looser, WORK).work.min() / loads(looser, WORK).average
    assert least == pytest.approx(1 / 7, abs=0.02)
    assert sent(arrived) == pytest.approx(sent(eight["layer"]), abs=0.01)


def test_the_race_with_the_thesis():
    race = {row["parts"]: row for row in thesis.reproduce(["5.10"], (8, 16, 32), ["counts"], ["thesis-range"])}
    assert all(row["kept"] for row in race.values())
    assert [round(race[n]["volume"]) for n in (8, 16)] == [251, 489]
    assert [race[n]["ratio"] for n in (16, 32)] == pytest.approx([0.74, 0.74], abs=0.01)


def test_two_measures():
    patoh = {n: float(thesis.figures("coarse", n).volume) for n in (2, 4, 8, 16, 32)}
    rows = {(row["parts"], row["measure"]): row for row in thesis.reproduce(["5.6"], tuple(patoh))}
    printed = {n: rows[n, "gathered"]["thesis_volume"] for n in patoh}
    for n in patoh:
        assert rows[n, "gathered"]["volume"] == pytest.approx(printed[n], rel=0.012)
    assert [n for n in patoh if patoh[n] < printed[n]] == [2, 4, 8, 16]
    ahead = [n for n in patoh if rows[n, "connectivity"]["volume"] < patoh[n]]
    assert ahead == [8, 16, 32]
    assert all(rows[n, "connectivity"]["max_load"] < float(thesis.figures("coarse", n).max_work) for n in ahead)


def test_data_parallelism(eight):
    even = thesis.break_even_batch(VGG16.parameters, 8, thesis.values_per_sample(eight["coarse"]))
    assert even == pytest.approx(184, abs=2)
    lines = thesis.table_5_14()
    assert sum(one.reduction for one in lines) / 9 == pytest.approx(0.733, abs=5e-4)
    assert sum(one.mixed_reduction for one in lines) / 9 == pytest.approx(0.933, abs=5e-4)
    assert [round(batch) for batch in thesis.break_even_of_table_5_14().values()] == [153, 207, 99]


def test_memory(eight):
    weights = memory(eight["coarse"], 32).weights / 2**20
    assert weights.sum() == pytest.approx(528, abs=0.5)
    assert weights.max() / weights.sum() > 0.9


def test_fine_pays_with_many_parts():
    coarse, fine = sent(partition(VGG16, 32)), sent(partition(VGG16, 32, "fine", Blocks(moves=5_000_000)))
    assert fine / coarse == pytest.approx(0.757, abs=0.01)
    printed = {(grain, n): float(thesis.figures(grain, n).volume) for grain in ("coarse", "fine") for n in (8, 32, 128)}
    assert printed["fine", 8] > printed["coarse", 8]
    assert printed["fine", 128] < printed["coarse", 128] / 2


def test_the_block():
    block, halves = projected_block(18), [0] * 9 + [1] * 9
    owners = {"stem": 1, "project": 0, "conv1": halves, "conv2": halves, "fc": 0}
    apart, together = (
        volume(plan_by_hand(block, owners | {"project": one}), 1).elements for one in (owners["project"], halves)
    )
    assert 1 - together / apart == pytest.approx(0.3, abs=0.005)
    tasks = tasks_of(block)
    assert tasks.layers[tasks.number("project")].macs / block.macs == pytest.approx(0.015, abs=0.001)


@pytest.mark.parametrize(("name", "saved"), [("resnet18", 0.42), ("googlenet", 0.42)])
def test_other_networks(name, saved):
    network = zoo.get(name)
    incremental, coarse = (sent(partition(network, 8, method)) for method in ("filter-incremental", "coarse"))
    assert 1 - coarse / incremental == pytest.approx(saved, abs=0.01)


def test_two_towers_are_worth_nearly_all_points():
    star = zoo.get("alexnet_star")
    towers = {"input": 0, "conv1": [0] * 48 + [1] * 48, "conv2": [0] * 128 + [1] * 128, "conv3": 2}
    towers |= {"conv4": [2] * 192 + [0] * 192, "conv5": [2] * 128 + [0] * 128, "fc6": 2, "fc7": 2, "fc8": 2}
    rivals = {method: partition(star, 3, method) for method in ("layer", "filter-incremental", "coarse")}
    scores = {row[0]: row[-1] for row in scoreboard(plan_by_hand(star, towers), rivals).rows}
    assert scores == {"coarse": "100.0", "yours": "99.7", "filter-incremental": "41.6", "layer": "–"}
