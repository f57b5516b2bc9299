"""Tables of eserol-2019 made again: which figures come out, which do not, and what is said of those."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.partition.engines.registry import ENGINES
from labkit.partition.thesis import workshop as workshops
from labkit.partition.thesis.best_found import WITH_FLOPS, best_found, has_idle_parts, target_with_flops
from labkit.partition.thesis.races import RACES, race_limits
from labkit.partition.thesis.reproduction import ALL_TABLES, reproduce
from labkit.partition.thesis.tables import IMBALANCES, PARTS, TABLES, figures
from labkit.partition.thesis.workshop import IDLE_ALLOWED, Workshop

SECTION = {  # volumes that the field notes of this project give, in 2^20 values, for N = 2, 4, 8, ...
    ("filter-horizontal", "gathered"): (484.77, 1144.03, 2307.43, 4556.66, 9016.34, 17916.3),
    ("filter-incremental", "gathered"): (42.5, 117.2, 372.9, 667.2, 1295.7, 2225, 4086),
    ("filter-incremental", "connectivity"): (42.5, 111.7, 291, 567, 1171, 2079),
}


@pytest.fixture(scope="module")
def naive() -> list[dict]:
    """Every row of tables 5.1 to 5.8."""
    return list(reproduce(tables=["5.1", "5.4", "5.5", "5.8"]))


@pytest.fixture(scope="module")
def in_8() -> list[dict]:
    """Tables 5.10 and 5.14 for N = 8, by the engine 'counts'."""
    return list(reproduce(["5.10", "5.14"], [8], ["counts"], ["thesis-max"]))


def chosen(rows: list[dict], **keys) -> list[dict]:
    return [row for row in rows if all(row[key] == value for key, value in keys.items())]


@dataclass(frozen=True)
class Stub:
    """An engine that calls `do(progress)`, then leaves all but a few vertices in the last part."""

    do: Callable | None = None
    empty: bool = False
    name: str = "stub"
    version: str = "1"

    def __call__(self, problem, limits, seed=0, progress=None):
        if self.do:
            self.do(progress)
        return np.minimum(np.arange(problem.vertices.count), limits.parts - 1)


@pytest.fixture
def engine(monkeypatch):
    """`engine(do)`: every engine's name stands for a `Stub(do)`."""

    def use(do=None):
        monkeypatch.setattr(workshops, "engine_named", lambda name, grain: Stub(do))

    return use


def test_layer_wise_volumes_are_the_printed_ones(naive):
    for row in chosen(naive, method="layer"):
        low, high = figures("layer", row["parts"]).between("volume")
        assert low <= row["volume"] < high
        assert row["max_comm"] == pytest.approx(row["thesis_max_comm"])
        assert row["max_load"] == pytest.approx(row["thesis_max_load"], rel=0.005)


def test_layer_wise_cut_points():
    shop = Workshop()
    names = [layer.name for layer in shop.tasks.layers]
    cuts = {}
    for parts in (2, 4, 8):
        found = shop.find(figures("layer", parts), None, "as defined")
        owner = np.array([piece.owner[0] for piece in found.plan.slices])
        cuts[parts] = [names[i] for i in np.flatnonzero(np.diff(owner))]
    assert cuts[2] == ["conv6"]
    assert cuts[4] == ["conv3", "conv6", "conv9"]
    assert cuts[8] == [f"conv{i}" for i in (2, 3, 4, 6, 7, 9, 10)]


@pytest.mark.parametrize("which", SECTION, ids=" ".join)
def test_naive_volumes_are_those_of_the_field_notes(naive, which):
    method, measure = which
    found = [row["volume"] for row in chosen(naive, method=method, measure=measure)]
    assert found[: len(SECTION[which])] == pytest.approx(list(SECTION[which]), rel=0.002)


def test_gathering_is_what_the_naive_tables_count(naive):
    """Within 2.5 % everywhere but where the thesis spreads 64 filters over 128 parts; connectivity is not."""
    for row in chosen(naive, measure="gathered"):
        if (row["method"], row["parts"]) != ("filter-horizontal", 128):
            assert row["ratio"] == pytest.approx(1, abs=0.025), row
            assert row["max_comm"] == pytest.approx(row["thesis_max_comm"], rel=0.025)
    far = [
        row["ratio"] for row in chosen(naive, measure="connectivity") if row["parts"] == 8 and row["method"] != "layer"
    ]
    assert max(far) < 0.9


def test_what_could_not_be_reproduced_is_said(naive):
    assert all(any("not published" in remark for remark in row["remarks"]) for row in naive)
    (row,) = chosen(naive, method="filter-horizontal", parts=128, measure="gathered")
    assert any("64 parts only" in remark for remark in row["remarks"])
    (row,) = chosen(naive, method="filter-incremental", parts=128, measure="gathered")
    assert (row["filled"], row["idle_parts"]) == (122, 6)
    assert any("6 of the thesis's 128 are empty" in remark for remark in row["remarks"])
    (row,) = chosen(naive, method="layer", parts=2)
    assert any("is not 51308" in remark for remark in row["remarks"])


def test_the_incremental_partition_costs_less_than_patoh_s_from_8_parts_up(naive):
    """In one measure, and if table 5.10 is that measure."""
    for row in chosen(naive, method="filter-incremental", measure="connectivity"):
        below = row["volume"] < float(figures("coarse", row["parts"], 0.1).volume)
        assert below == (row["parts"] >= 8)


def test_counts_beats_the_thesis_at_its_own_largest_load(in_8):
    row = in_8[0]
    assert row["kept"] and row["excess"] == 0 and row["error"] is None
    assert row["max_load"] <= row["thesis_max_load"] * (1 + 1e-9)
    assert row["volume"] <= 1.02 * row["best_found"] and row["ratio"] < 0.9
    assert (row["filled"], row["idle_parts"]) == (8, 0) and row["engine"] == "counts" and row["seconds"] > 0
    json.dumps(row, allow_nan=False)


def test_the_best_plan_for_64_parts_has_idle_ones_and_that_is_said():
    ours, idle = reproduce(["5.10"], [64], ["counts"], ["thesis-max"])
    assert (ours["engine"], idle["engine"]) == ("counts", IDLE_ALLOWED)
    assert ours["idle_parts"] == 0 and idle["idle_parts"] > 8 and ours["kept"] and idle["kept"]
    assert ours["volume"] > 1.01 * idle["volume"] and idle["volume"] <= 1.005 * idle["best_found"]
    for row in (ours, idle):
        assert row["best_found_idle"] and any(remark.startswith("best found: of a plan") for remark in row["remarks"])
    assert idle["remarks"][-1].startswith("parts: some may be without work here")


def test_other_best_plans_have_no_idle_parts(in_8):
    assert not in_8[0]["best_found_idle"] and has_idle_parts("coarse", 128, "thesis-max")
    assert not has_idle_parts("coarse", 128, "imbalance") and not has_idle_parts("fine", 64, "thesis-max")


def test_races_have_the_limits_that_they_name():
    shop = Workshop()
    work = shop.problem("coarse").hypergraph.weights
    printed = figures("coarse", 16, 0.2)
    most, asked, both = (race_limits(printed, race, work) for race in RACES)
    assert most.cap == pytest.approx(np.full(16, 47_220 / 16)) and most.floor == 0
    assert asked.cap == pytest.approx(np.full(16, 1.2 * work.sum() / 16))
    assert both.cap == pytest.approx(most.cap) and both.floor == 2328
    with pytest.raises(LabError, match="unknown race 'thesis'"):
        race_limits(printed, "thesis", work)


def test_fc1_has_a_part_to_itself_at_128_parts(engine):
    engine()
    wide, _, tight = reproduce(["5.9"], [128], ["counts"])
    assert (wide["race"], tight["race"]) == ("thesis-max", "imbalance")
    alone = "FC1 alone is heavier"
    assert any(alone in remark for remark in tight["remarks"])
    assert not any(alone in remark for remark in wide["remarks"])
    work = Workshop().problem("coarse").hypergraph.weights
    cap = race_limits(figures("coarse", 128, 0.1), "imbalance", work).cap
    assert sorted(set(cap.round(6))) == pytest.approx([1.1 * work.sum() / 128, work.max()])
    assert work.max() / work.mean() / len(work) * 128 == pytest.approx(1.62, abs=0.01)


def test_limits_that_are_broken_are_told(engine):
    engine()
    (row,) = reproduce(["5.10"], [4], ["counts"], ["imbalance"])
    assert not row["kept"] and row["excess"] > 0 and row["max_load"] > 2 * row["avg_load"]


def test_an_engine_that_fails_is_a_row(engine):
    def fail(progress):
        raise RuntimeError("no luck")

    engine(fail)
    (row,) = reproduce(["A.7"], [4], ["multilevel"], ["imbalance"])
    assert row["error"] == "RuntimeError: no luck" and row["volume"] is None and not row["kept"]
    json.dumps(row, allow_nan=False)
    *printed, ours = reproduce(["5.14"], [4], ["multilevel"], ["imbalance"])
    assert len(printed) == 3 and ours["error"] == "RuntimeError: no luck"


def test_an_engine_that_takes_too_long_is_stopped(engine):
    def wait(progress):
        while True:
            progress(0.5, "waiting")

    engine(wait)
    (row,) = reproduce(["A.7"], [4], ["multilevel"], ["imbalance"], longest_s=0.05)
    assert row["error"].startswith("TooLong: stopped after") and row["seconds"] >= 0.05


class Enough(Exception):
    pass


def test_what_progress_raises_ends_the_work(engine):
    engine(lambda progress: progress(0.5, "half"))
    seen = []

    def progress(done, what):
        seen.append((done, what))
        if "half" in what:
            raise Enough

    with pytest.raises(Enough):
        list(reproduce(["5.10"], [2, 4], ["counts"], progress=progress))
    assert seen[0] == (0, "coarse N = 2, imbalance 0.1, counts, thesis-max")
    assert seen[-1] == (0.125, "coarse N = 2, imbalance 0.1, counts, thesis-max: half")


def test_every_line_of_every_table_is_planned(engine, monkeypatch):
    """All rows, without the work: partitions of ours are replaced by one that failed."""
    missing = workshops.Found(None, None, None, None, 0.0, "not made")
    monkeypatch.setattr(Workshop, "find", lambda *args: missing)
    steps = []
    rows = list(reproduce(races=RACES, progress=lambda done, what: steps.append(done)))
    lines = {(row["method"], row["imbalance"], row["parts"]) for row in rows if row["what"] == "partition"}
    assert len(lines) == 4 + 11 * len(PARTS)
    assert {table for row in rows for table in row["tables"]} == set(ALL_TABLES)
    assert steps == sorted(steps) and steps[-1] == 1
    hypergraph = [row for row in rows if row["what"] == "partition" and row["engine"] in ENGINES]
    idle = [row for row in rows if row.get("engine") == IDLE_ALLOWED]
    assert len(hypergraph) == 2 * len(IMBALANCES) * len(PARTS) * len(ENGINES) * len(RACES)
    assert {row["race"] for row in hypergraph} == set(RACES)
    assert [(row["parts"], row["race"]) for row in idle] == [(64, "thesis-max"), (128, "thesis-max")] * 4
    doubted = chosen(hypergraph, method="fine", imbalance=0.15, parts=16)
    assert all(any("426.2 is not 16 times" in remark for remark in row["remarks"]) for row in doubted)


def test_table_5_14_with_a_plan_of_ours(in_8):
    printed, ours = in_8[1:4], in_8[4:]
    assert [row["engine"] for row in printed + ours] == [None] * 3 + ["counts"] * 3
    assert all(round(row["break_even_batch"]) == 99 for row in printed)
    for theirs, better in zip(printed, ours, strict=True):
        assert better["reduction"] > theirs["reduction"]
        assert better["break_even_batch"] > theirs["break_even_batch"]
        assert better["plan_gib"] == pytest.approx(4 * better["plan_gi_values"])


def test_table_5_13_is_the_lab_s_vgg16():
    rows = list(reproduce(["5.13"]))
    assert len(rows) == 22 and all(row["equal"] for row in rows)


def test_best_found_is_there_for_every_partition_of_the_thesis():
    for method, imbalance in TABLES.values():
        for parts in PARTS:
            for race in ("thesis-max", "imbalance"):
                found = best_found(method, parts, imbalance, race)
                assert (found is not None) == (method in ("coarse", "fine"))
    assert best_found("coarse", 8, 0.1, "thesis-range") == 250.7 and best_found("fine", 8, 0.1, "thesis-range") is None
    assert target_with_flops("fine", 128) == 1766 and all(len(row) == len(PARTS) for row in WITH_FLOPS.values())


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"tables": ["5.15"]}, "unknown table '5.15' — did you mean"),
        ({"parts": [3]}, "unknown number of parts 3 — "),
        ({"engines": ["patoh"]}, "unknown engine 'patoh' — choose one of: counts, mtkahypar, multilevel"),
        ({"races": ["max"]}, "unknown race 'max' — "),
    ],
)
def test_what_is_not_there_is_named(question, message):
    with pytest.raises(LabError, match=message):
        reproduce(**question)
