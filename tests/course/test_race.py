"""Engines side by side: same limits for everybody, and what each of them says about itself."""

import pytest

from labkit.course.race import APART, race, race_table
from labkit.errors import LabError
from labkit.network import zoo
from labkit.partition import flops, loads, volume

LENET = zoo.get("lenet5")


def test_every_runner_is_measured_by_its_plan():
    pytest.importorskip("mtkahypar")
    found = race(LENET, 2, ("counts", APART, "multilevel"), imbalance=0.2)
    assert list(found) == ["counts", APART, "multilevel"]
    for one in found.values():
        assert one["plan"].parts == 2
        assert one["elements"] == volume(one["plan"], 1).elements
        assert one["max_over_avg"] == loads(one["plan"], flops(one["plan"].tasks)).max_over_avg <= 1.2 + 1e-9
        assert one["seconds"] > 0
    table = race_table(found, "LeNet-5 in 2 parts")
    assert [row[0] for row in table.rows] == list(found)
    assert "modelled" in table.caption and "measured here" in table.head[-1]


def test_the_library_is_left_out_where_it_is_missing(monkeypatch):
    monkeypatch.setattr("labkit.course.race.find_spec", lambda name: None)
    assert list(race(LENET, 2, ("counts", "mtkahypar", APART))) == ["counts"]


def test_an_unknown_runner_is_named():
    with pytest.raises(LabError, match="multilevel"):
        race(LENET, 2, ("multilvel",))
