"""Costs: from FLOPs, and as files."""

import json
from math import inf

import pytest
from simulated import LINK, costs, seconds, three_layers

from labkit.errors import LabError
from labkit.machine.links import Link
from labkit.network import phase_macs, zoo
from labkit.schedule.costs import (
    Compute,
    Costs,
    LayerSeconds,
    Seconds,
    costs_document,
    costs_from,
    flops_costs,
    load_costs,
    no_compute,
    save_costs,
)


@pytest.mark.parametrize("name", ["lenet5", "vgg16", "resnet18"])
def test_flops_are_two_for_each_mac_of_every_phase(name):
    network, flops_per_s = zoo.get(name), 2e9
    compute = flops_costs(network, flops_per_s)
    for phase, macs in phase_macs(network).items():
        per_sample = sum(getattr(layer, phase).per_sample_s for layer in compute.layers)
        assert per_sample == pytest.approx(2 * macs / flops_per_s, rel=1e-12)
        assert sum(getattr(layer, phase).fixed_s for layer in compute.layers) == 0
    assert (compute.network, compute.origin, compute.update_s_per_value) == (name, "modelled", 1e-9)


def test_memory_bounds_small_batches_and_layers_without_arithmetic():
    """fc1 of LeNet-5 has 48,120 weights, which are read once for each call; a pooling layer only moves data."""
    network = zoo.get("lenet5")
    compute = flops_costs(network, 1e12, 1e9, optimizer_slots=1, call_s=1e-5)
    by_name = dict(zip([node.name for node in network.nodes], compute.layers, strict=True))
    assert by_name["fc1"].fp.fixed_s == pytest.approx(1e-5 + 4 * (120 * 84 + 84) / 1e9)
    pool = by_name["pool1"]
    assert pool.fp == pytest.approx((1e-5, 2 * 4 * 6 * 14 * 14 / 1e9)) and pool.ku == Seconds()
    assert by_name["conv1"].bp == Seconds() and by_name["conv1"].ku.per_sample_s > 0
    assert compute.update_s_per_value == pytest.approx(5 * 4 / 1e9)


def test_no_samples_take_no_time():
    assert Seconds(3.0, 1.0).of(0) == 0 and Seconds(3.0, 1.0).of(2) == 5


def test_files_come_back(tmp_path):
    made = Costs(flops_costs(zoo.get("lenet5"), 1e10, 1e9), Link("any", 1e-5, 1e9, 2, True), 5e9, 2e-5)
    save_costs(made, tmp_path / "costs.json")
    assert load_costs(tmp_path / "costs.json") == made
    without_limit = costs(seconds(1), seconds(2, 3), seconds(4, 5, 6))
    document = json.loads(json.dumps(costs_document(without_limit), allow_nan=False))
    assert document["reduce_bytes_per_s"] is None and costs_from(document) == without_limit
    assert costs_from(document).reduce_bytes_per_s == inf


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "labkit-plan"}, "labkit-plan"),
        ({"version": 2}, "no document of costs"),
        ({"link": {"name": "x"}}, "fault"),
        ({"link": {"name": "x", "latency_s": -1, "bytes_per_s": 1}}, "latency -1"),
        ({"layers": [{"fp": [1, 2]}]}, "fault"),
        ({"layers": [{"fp": [1, -2], "bp": [0, 0], "ku": [0, 0]}]}, "-2"),
        ({"overhead_s": "much"}, "fault"),
        ({"overhead_s": -1}, "overhead of -1"),
        ({"slowed_s": [0, -1]}, "slowed_s"),
    ],
)
def test_faulty_documents(change, message):
    with pytest.raises(LabError, match=message):
        costs_from(costs_document(costs()) | change)


def test_files_that_are_none(tmp_path):
    (tmp_path / "bad.json").write_text("{")
    for path in (tmp_path / "bad.json", tmp_path / "none.json"):
        with pytest.raises(LabError, match="cannot be read"):
            load_costs(path)
    with pytest.raises(LabError, match="list"):
        costs_from([])


def test_bad_numbers():
    for rates in ((0, 1), (1, -1)):
        with pytest.raises(LabError):
            flops_costs(three_layers(), *rates)
    with pytest.raises(LabError, match="inf"):
        Compute((LayerSeconds(Seconds(inf, 0)),))
    with pytest.raises(LabError):
        Costs(no_compute(three_layers()), LINK, reduce_bytes_per_s=0)
