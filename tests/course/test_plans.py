"""Plans that learners keep, and the scores that they get."""

import pytest

from labkit.course import store
from labkit.course.plans import keep_plan, kept_plan, kept_plans, scoreboard
from labkit.errors import LabError
from labkit.network import zoo
from labkit.partition.by_hand import plan_by_hand
from labkit.partition.methods import partition


@pytest.fixture(autouse=True)
def nothing_in_memory(monkeypatch):
    monkeypatch.setattr("labkit.course.plans._memory", {})


def lenet(*owners, parts=None):
    layers = ("conv1", "conv2", "conv3", "fc1", "fc2")
    return plan_by_hand(zoo.get("lenet5"), dict(zip(layers, owners, strict=True)), parts)


PLAN = lenet(0, [0] * 6 + [1] * 10, 1, 1, 1)


def test_a_kept_plan_comes_back(ledger_file):
    path = keep_plan(PLAN)
    assert path == ledger_file.parent / "plans" / "my-plan.json"
    assert kept_plan() == PLAN
    assert kept_plan("my-plan", zoo.get("lenet5")) == PLAN
    assert kept_plans() == ("my-plan",)


def test_the_last_one_under_a_name_counts(ledger_file):
    keep_plan(PLAN, "a-2")
    keep_plan(lenet(0, 1, 1, 1, 1), "a-2")
    keep_plan(PLAN, "b")
    assert kept_plans() == ("a-2", "b")
    assert kept_plan("a-2") == lenet(0, 1, 1, 1, 1)


def test_what_is_not_there_is_named():
    with pytest.raises(LabError, match="keep_plan"):
        kept_plan()
    keep_plan(PLAN, "towers")
    with pytest.raises(LabError, match="did you mean 'towers'"):
        kept_plan("tower")


@pytest.mark.parametrize("name", ["", "../a", "a/b", "A", "a b", "-a", "a.json", "a" * 41, None, 3, "ä"])
def test_names_that_are_no_names_of_files(name):
    with pytest.raises(LabError, match="small letters"):
        keep_plan(PLAN, name)


def test_a_plan_for_another_network_is_refused(monkeypatch):
    keep_plan(PLAN)
    with pytest.raises(LabError, match="lenet5"):
        kept_plan("my-plan", zoo.get("alexnet_star"))
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    keep_plan(PLAN)
    with pytest.raises(LabError, match="lenet5"):
        kept_plan("my-plan", zoo.get("alexnet_star"))


def test_a_damaged_file_says_where():
    path = keep_plan(PLAN)
    path.write_text('{"format": ')
    with pytest.raises(LabError, match="line 1"):
        kept_plan()


def test_while_nbgrader_grades_it_lives_in_memory_and_says_nothing(ledger_file, monkeypatch, capsys):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    path = keep_plan(PLAN)
    assert kept_plan() is PLAN and kept_plans() == ("my-plan",)
    assert not path.exists() and not capsys.readouterr().err


def test_where_nothing_can_be_written_it_lives_in_memory(tmp_path, monkeypatch, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setattr(store, "ledger_path", lambda: blocked / "ledger.json")
    keep_plan(PLAN)
    assert "memory" in capsys.readouterr().err
    assert kept_plan() is PLAN


def rows(table):
    return {row[0]: row for row in table.rows}


def test_the_least_rival_within_the_limits_is_worth_100():
    rivals = {method: partition(zoo.get("lenet5"), 2, method) for method in ("layer", "filter-incremental")}
    table = scoreboard(PLAN, rivals, imbalance=0.2)
    found = rows(table)
    assert found["layer"][-1] == "–"  # its largest load is 1.435 times the average
    assert found["filter-incremental"][-1] == "100.0"
    assert table.rows[0][0] == "yours"
    assert [row[-1] for row in table.rows] == ["101.9", "100.0", "–"]


def test_a_plan_with_an_idle_part_has_no_score():
    everything = lenet(0, 0, 0, 0, 0, parts=2)
    assert rows(scoreboard(everything, {"half": PLAN}, imbalance=10))["yours"][-1] == "–"


def test_without_a_rival_that_counts_there_is_no_score():
    table = scoreboard(PLAN, {"all": lenet(0, 0, 0, 0, 0, parts=2)}, imbalance=0.2)
    assert [row[-1] for row in table.rows] == ["–", "–"]


def test_plans_of_two_networks_are_not_compared():
    with pytest.raises(LabError, match="alexnet_star"):
        scoreboard(PLAN, {"other": partition(zoo.get("alexnet_star"), 2, "layer")})
