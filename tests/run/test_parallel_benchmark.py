"""benchmarks/parallel.py: what its parts work out from runs, cases that fail, and the tables written from its file."""

import importlib
import json
import sys

import pytest

from labkit.run.local import run_on_threads


@pytest.fixture
def parts(root, monkeypatch):
    """`parts(name)`: a module of benchmarks/parallel_parts, imported as the benchmark does."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return lambda name: importlib.import_module(f"parallel_parts.{name}")


@pytest.fixture
def driver(root, monkeypatch):
    """The script as a module."""
    monkeypatch.setattr(sys, "path", [str(root / "benchmarks"), *sys.path])
    return importlib.import_module("parallel")


def test_all_schemes_send_what_schedules_and_formulas_say(parts):
    rows = list(parts("counts").counts([3], chunks=[2, 5]))
    assert {row["scheme"] for row in rows} == {"master", "error-average", "allreduce", "parameter-server", "chunked"}
    assert len(rows) == 2 + 10 + 9 + 2 and all(row["bytes"] > 0 for row in rows)
    assert [row["difference"] for row in rows] == [0] * len(rows)


def test_a_difference_would_be_seen(parts):
    counts = parts("counts")
    right = counts.measured(2, [("master", {})], "threads")[0]
    assert counts.row("master", {}, 2, "threads", right)["difference"] == 0
    assert counts.row("master", {}, 2, "threads", [right[0], (right[1][0], right[1][1] + 4)])["difference"] == 4


def test_a_case_is_the_schedule_and_job_that_it_says(parts):
    ranks, steps = parts("ranks"), parts("steps")
    network = ("lenet5", 4, 64, 1, "master", {})
    costs = steps.costs_of({("lenet5", "alone"): Known()}, network)
    schedule, job = ranks.made(steps.plain(network, costs, 2), 4)
    assert (schedule.size, schedule.batch, job.steps, job.link.name) == (4, 64, steps.STEPS, steps.LINKS[1])
    assert job.compute == costs.compute
    assert run_on_threads(schedule, job).timeline.regime == "simulated"


class Known:
    """Stands for a calibration of LeNet-5."""

    @property
    def costs(self):
        from labkit.machine.links import Link
        from labkit.network import zoo
        from labkit.schedule.costs import Costs, flops_costs

        return Costs(flops_costs(zoo.get("lenet5"), 1e12), Link("memory", 1e-5, 1e9))


def test_every_held_out_configuration_can_be_made_and_is_none_that_was_calibrated(parts):
    ranks, steps = parts("ranks"), parts("steps")
    assert len(steps.HELD_OUT) >= 24 and steps.CALIBRATED_LINK not in steps.LINKS
    assert max(case[1] for case in steps.HELD_OUT) == 8
    for case in steps.HELD_OUT:
        what = {"network": case[0], "batch": case[2], "scheme": case[4], "options": case[5], "job": {"steps": 2}}
        assert ranks.made(what, case[1])[0].size == case[1]


def test_step_times_and_their_errors(parts):
    steps = parts("steps")
    assert steps.per_step([5.0, 6.0, 6.5, 7.0, 7.5]) == 0.5
    rows = [{"measured_s": m, "predicted_s": p, "error": p / m - 1} for m, p in ((1.0, 1.1), (2.0, 1.0), (1.05, 2.0))]
    found = steps.summary(rows)
    assert found["configurations"] == 3 and found["max_error"] == pytest.approx(0.95 / 1.05)
    assert (found["pairs"], found["in_order"]) == (2, 0.0)  # 1 and 1.05 are too close to have an order


def test_ends_of_steps_are_those_of_the_last_rank(parts):
    one = {"rank": 0, "began_s": 10.0, "ended_s": 13.0, "step_ends_s": [11.0, 12.9], "messages": 2, "bytes": 8}
    two = {"rank": 1, "began_s": 10.5, "ended_s": 12.5, "step_ends_s": [11.5, 12.5], "messages": 3, "bytes": 9}
    found = parts("ranks")._together([row | {"cpu_s": 0.5, "compute_s": 0.1} for row in (one, two)])
    assert (found["seconds"], found["step_ends_s"], found["cpu_s"]) == (3.0, [1.5, pytest.approx(2.9)], 1.0)
    assert found["sent"] == [[0, 2, 8], [1, 3, 9]]


def test_a_case_that_fails_is_recorded_with_what_it_found(driver, parts, tmp_path):
    case = parts("cases").Case("counts", "counts", 60, {"ranks": [2, "many"]})
    rows, seconds, error = driver.run(case)
    assert len(rows) == 21 and seconds > 0
    assert "TypeError" in error and "counts" in error
    _, _, error = driver.run(parts("cases").Case("counts", "counts", 0.05, {"ranks": [2]}))
    assert "stopped after 0 s" in error


def test_cases_name_what_there_is(driver, parts):
    work, cases = parts("work").WORK, parts("cases")
    assert {case.work for case in cases.full()} == {case.work for case in cases.quick()} == set(work)
    assert {case.part for case in cases.quick()} == set(driver.PARTS)
    assert set(driver.USUAL) == set(driver.PARTS) - {"faults"}


def test_tables_are_written_from_whatever_was_measured(driver, parts, tmp_path):
    tables = parts("tables")
    head = {"origin": "recorded on a machine", "date": "2026-11-21", "versions": {"numpy": "2"}, "load_average": 0.1}
    counted = list(parts("counts").counts([2]))
    exchanged = [row(1024, 1.0, 1.1), row(2**16, 1.0, 1.25)]
    ways = [way("one rank", 1.0), way("ring", 1.9), way("ring", 1.7)]
    overhead = [{"what": "wait", "recorded": True, "seconds": 2e-6}]
    found = {"counts": counted, "collectives": exchanged, "speedup": ways, "overhead": overhead}
    document = head | {"parts": {name: {"rows": rows} for name, rows in found.items()}}
    front = tables.TABLES["parallel"](document)
    assert "difference **0**" in front and "**1.80** (ring)" in front and "**2.0 µs**" in front
    assert "**20.0%** mean" in front and "killed" not in front
    for write in tables.TABLES.values():
        assert "recorded on a machine, 2026-11-21, load average 0.1 before" in write(document)
    assert json.dumps(document)


def row(size: int, predicted_s: float, measured_s: float) -> dict:
    """One of the collectives."""
    about = {"backend": "mpi", "ranks": 2, "algorithm": "ring", "bytes": size, "cpu_share": 0.1}
    return about | {"predicted_s": predicted_s, "measured_s": measured_s, "error": predicted_s / measured_s - 1}


def way(name: str, ratio: float) -> dict:
    """One of the ways in a round of the speed-up."""
    about = {"way": name, "ratio": ratio, "network": "lenet5", "batch": 8}
    return about | {"step_s": 1 / ratio, "compute_s": 0.1, "samples_per_s": 8 * ratio}
