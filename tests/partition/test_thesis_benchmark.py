"""benchmarks/partition.py: a rehearsal, what it does with a case that fails, and the tables written from its file."""

import importlib
import importlib.util
import json
import subprocess
import sys

import pytest

from labkit.errors import LabError

TIMEOUT_S = 240


@pytest.fixture
def parts_of(root, monkeypatch):
    """`parts_of(name)`: a module of benchmarks/partition_parts, imported as the benchmark does."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return lambda name: importlib.import_module(f"partition_parts.{name}")


@pytest.fixture
def script(root, request, monkeypatch):
    """`script(name)`: a script of benchmarks as a module."""

    def load(name: str):
        monkeypatch.setattr(sys, "path", list(sys.path))  # the scripts put their folder there
        spec = importlib.util.spec_from_file_location(f"{name}_script", root / "benchmarks" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="module")
def rehearsal(request, tmp_path_factory):
    """The file of `partition.py --quick` for the parts that take least."""
    root, folder = request.getfixturevalue("root"), tmp_path_factory.mktemp("results")
    command = [sys.executable, "benchmarks/partition.py", "--quick", "--out", str(folder)]
    command += ["--parts", "hypergraphs", "naive", "coarse"]
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (path,) = folder.glob("partition-*.json")
    return path


def test_a_rehearsal_writes_the_file_as_it_is_described(rehearsal, parts_of):
    stored, found = json.loads(rehearsal.read_text()), parts_of("document").read(rehearsal)
    assert stored["format"] == "labkit-partition" and stored["complete"] and stored["quick"]
    assert stored["origin"].startswith(f"recorded on {stored['machine']['cpu']}")
    assert {"numpy", "numba"} <= set(stored["versions"])
    assert list(found["parts"]) == ["hypergraphs", "naive", "coarse"]
    assert not any(part["errors"] for part in found["parts"].values())
    (graph,) = found["parts"]["hypergraphs"]["rows"]
    assert (graph["network"], graph["vertices"], graph["peak_bytes"] > graph["array_bytes"]) == ("lenet5", 2167, True)
    layer, *epochs = found["parts"]["naive"]["rows"]
    assert layer["method"] == "layer" and len(epochs) == 3 and layer["remarks"][0].startswith("weights:")
    (row,) = found["parts"]["coarse"]["rows"]
    assert row["kept"] and row["engine"] == "counts" and row["volume"] < row["thesis_volume"]


def test_the_tables_of_the_pages_are_written_from_it(rehearsal, script):
    report = script("report")
    text = "\n".join(f"<!-- table:{name} -->\n<!-- /table:{name} -->" for name in report.TABLES if "partition" in name)
    found = " ".join(report.with_tables(text, rehearsal.parent).split())
    assert "| 2 | 27 | 26.2 (0.97) |" in found
    assert "| 2, 16 | 4,123.4 | 107.7 | 97% | 430.7 | 90% | 153 |" in found
    assert "| lenet5 | fine | 2,167 | 286 | 4,451 |" in found
    assert "| 0.1 | 2 | 27 (21195–21825) | 26.2 (" in found
    assert "| coarse | counts | thesis-max | 1 | 1 | 1 | 0.97 |" in found


def test_the_newest_file_is_taken_whatever_the_machine(script, tmp_path):
    report = script("report")
    for name in ("partition-a-2026-01-02", "partition-b-cpu-2025-12-31", "ladder-sm_90-2026-01-01", "accuracy"):
        (tmp_path / f"{name}.json").write_text("{}")
    assert report.newest(tmp_path, "partition:races").stem == "partition-a-2026-01-02"
    assert report.newest(tmp_path, "ladder-sm_90").stem == "ladder-sm_90-2026-01-01"
    assert report.newest(tmp_path, "accuracy").stem == "accuracy"
    assert report.newest(tmp_path, "cpu_engine") is None


def test_cases_that_fail_or_take_too_long_are_recorded(script, parts_of, tmp_path):
    benchmark, cases = script("partition"), parts_of("cases")
    wrong = cases.Case("hypergraphs", "hypergraph", 60, {"network": "lenet", "grain": "fine"})
    rows, seconds, error = benchmark.run(wrong)
    assert rows == [] and seconds > 0 and "LabError: unknown network 'lenet'" in error
    slow = cases.Case("coarse", "reproduction", 0.01, {"tables": ["5.10"], "engines": ["counts"]})
    rows, _, late = benchmark.run(slow)
    assert rows == [] and late.endswith("stopped after 0 s")
    header = {"origin": "here", "versions": {}, "quick": True}
    document = parts_of("document").Document(tmp_path / "a.json", header)
    document.add("coarse", [{"a": 1 / 3, "remarks": ["x", "y"]}, {"b": None, "remarks": ["y"]}], 1.26, error)
    document.add("coarse", [{"a": 2}], 1, None)
    found = parts_of("document").read(tmp_path / "a.json")
    assert found["complete"] is False and found["parts"]["coarse"]["errors"] == [error]
    assert found["parts"]["coarse"]["seconds"] == 2.3
    assert found["parts"]["coarse"]["rows"][0] == {"a": 0.333333, "remarks": ["x", "y"], "b": None}
    assert found["parts"]["coarse"]["rows"][2] == {"a": 2, "remarks": None, "b": None}


def test_runs_of_different_parts_share_a_file(parts_of, tmp_path):
    document, path = parts_of("document"), tmp_path / "a.json"
    header = {"origin": "here", "versions": {"numpy": "2"}, "quick": False}
    one, two = document.Document(path, header), document.Document(path, header)
    one.add("coarse", [{"a": 1, "remarks": ["x"]}], 1, None)
    two.add("fine", [{"a": 2, "remarks": ["y", "x"]}], 1, None)
    two.end()
    one.add("coarse", [{"a": 3, "remarks": ["y"]}], 1, None)
    found = document.read(path)
    assert [row["a"] for row in found["parts"]["coarse"]["rows"]] == [1, 3] and not found["complete"]
    assert found["parts"]["fine"]["rows"] == [{"a": 2, "remarks": ["y", "x"]}] and found["parts"]["fine"]["complete"]
    one.end()
    assert document.read(path)["complete"] and [p.name for p in tmp_path.iterdir()] == ["a.json"]
    again = document.Document(path, header)
    again.add("fine", [{"a": 4, "remarks": []}], 1, None)
    assert [row["a"] for row in document.read(path)["parts"]["fine"]["rows"]] == [4]
    with pytest.raises(LabError, match=r"has versions .* move that file away"):
        document.Document(path, header | {"versions": {"numpy": "3"}})


def test_a_lock_that_was_left_behind_is_broken(parts_of, tmp_path, monkeypatch):
    document = parts_of("document")
    monkeypatch.setattr(document, "LOCK_S", 0.1)
    (tmp_path / "a.lock").touch()
    document.Document(tmp_path / "a.json", {"origin": "here", "versions": {}, "quick": True})
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_idle_parts_are_told_in_the_tables(parts_of):
    tables = parts_of("tables")
    row = {"what": "partition", "imbalance": 0.1, "parts": 64, "race": "thesis-max", "kept": True}
    row |= {
        "thesis_volume": 2236,
        "thesis_min_load": 5,
        "thesis_max_load": 9,
        "min_load": 4,
        "max_load": 8,
        "seconds": 1,
        "peak_bytes": 0,
    }
    ours = row | {"engine": "counts", "volume": 1603.2, "ratio": 0.72, "idle_parts": 0}
    idle = row | {"engine": "counts, empty parts allowed", "volume": 1563.7, "ratio": 0.7, "idle_parts": 16}
    document = {"versions": {}, "origin": "here", "date": "today", "parts": {"coarse": {"rows": [ours, idle]}}}
    front, races, engines = (
        " ".join(write(document).split()) for write in (tables.front, tables.races, tables.engines)
    )
    assert "| 64 | 2236 | 1603.2 (0.72) | 1563.7 (0.70), 16 idle |" in front
    assert "| 1603.2 (4–8) | 1563.7 (4–8), 16 idle | – | – |" in races
    assert " 0.70 | 16 | 1.0 " in engines


def test_the_whole_takes_75_minutes_at_most(parts_of):
    cases = parts_of("cases").full()
    assert sum(case.about_s for case in cases) < 75 * 60
    assert all(case.limit_s > case.about_s for case in cases)


def test_work_of_the_other_parts(parts_of):
    work = parts_of("work").WORK
    first, later = work["speed"]("lenet5", 2, "counts", "flops", again=1)
    assert first["first_in_process"] and not later["first_in_process"] and (later["run"], later["seed"]) == (1, 1)
    (target,) = work["targets"]("coarse", [2])
    assert target["kept"] and target["over_target"] < 1.01 and target["break_even_batch"] > 100
    tight, loose = work["beyond"]("lenet5", "counts", [3])
    assert tight["kept"] and loose["kept"] and loose["volume"] <= tight["volume"] <= tight["incremental_volume"]
    assert tight["max_over_avg"] <= tight["incremental_max_over_avg"] * (1 + 1e-9) and loose["max_over_avg"] <= 1.1


def test_the_library_is_compared_as_it_comes(parts_of, require):
    require(importlib.util.find_spec("mtkahypar"), "the package mtkahypar is not installed")
    (library,) = parts_of("work").WORK["against"]("lenet5", 2, "mtkahypar, ungrouped")
    assert library["kept"] and library["volume"] > 0 and library["first_s"] > 0


def test_every_part_has_a_case_and_every_case_its_work(parts_of):
    cases, work = parts_of("cases"), parts_of("work")
    assert {case.part for case in cases.full()} >= {case.part for case in cases.quick()}
    assert {case.work for case in cases.full()} == set(work.WORK)
    reproduced = [case.arguments for case in cases.full() if case.work == "reproduction"]
    tables = {table for arguments in reproduced for table in arguments["tables"]}
    assert {"5.2", "5.14", "A.7", "A.12"} <= tables
    assert all(json.loads(json.dumps(arguments)) for arguments in reproduced)


def test_it_says_what_parts_there_are(root):
    command = [sys.executable, "benchmarks/partition.py", "--parts", "fin"]
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert ran.returncode == 2 and "invalid choice: 'fin'" in ran.stderr
