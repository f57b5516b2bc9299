"""The tables of README.md are written from the results of the benchmarks."""

import importlib.util
import json

import pytest


@pytest.fixture(scope="module")
def report(request):
    path = request.getfixturevalue("root") / "benchmarks" / "report.py"
    spec = importlib.util.spec_from_file_location("report", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ROW = {
    "network": "lenet5",
    "batch": 8,
    "threads": 1,
    "labkit_step_s": 0.0005,
    "torch_step_s": 0.001,
    "ratio": 2.0,
    "ratio_quartiles": [1.9, 2.1],
    "labkit_first_step_s": 0.4,
    "torch_first_step_s": 0.1,
    "labkit_peak_bytes": 2**27,
    "torch_peak_bytes": 2**28,
    "versions": {"labkit": "1", "torch": "2"},
    "date": "2026-01-02",
}


def test_a_table_is_replaced_and_the_rest_stays(report, tmp_path):
    results = {"origin": "recorded on x", "rows": [ROW, ROW | {"threads": 4, "batch": 32}]}
    (tmp_path / "cpu_engine.json").write_text(json.dumps(results))
    text = "before\n<!-- table:cpu_engine -->\nold\n<!-- /table:cpu_engine -->\nafter <!-- table:accuracy -->"
    new = report.with_tables(text, tmp_path)
    assert new.startswith("before\n") and new.endswith("\nafter <!-- table:accuracy -->")
    assert "old" not in new
    assert "| lenet5 | 8 | 0.50 | 1.00 | **2.00** (1.90–2.10) | 128 / 256 | 0.4 / 0.1 |" in " ".join(new.split())
    assert "4 threads each" in new and "recorded on x, 2026-01-02; labkit 1, torch 2" in new
    assert report.with_tables(new, tmp_path) == new


def test_tables_in_the_pages_are_those_of_the_results(report):
    pages = {page: page.read_text(encoding="utf-8") for page in report.PAGES}
    for text in pages.values():
        assert report.with_tables(text, report.RESULTS) == text, "run: python benchmarks/report.py"
    assert all(any(f"<!-- table:{name} -->" in text for text in pages.values()) for name in report.TABLES)


RUNG = {
    "rung": 2,
    "change": "unchecked",
    "instructions_per_ffma": 5.9,
    "issue_bound": 0.17,
    "lsu_bound": 0.125,
    "registers": 36,
    "code_bytes": 2048,
}


def test_the_latest_of_dated_results_is_shown(report, tmp_path):
    for day, registers in (("2026-01-02", 36), ("2026-11-01", 37)):
        rows = [RUNG | {"registers": registers}]
        results = {"origin": "modelled", "what": "compiled", "date": day, "versions": {"ptxas": "13"}, "rows": rows}
        (tmp_path / f"ladder-sm_90-{day}.json").write_text(json.dumps(results))
    new = report.with_tables("<!-- table:ladder-sm_90 --><!-- /table:ladder-sm_90 -->", tmp_path)
    assert "| 2 | unchecked | 5.90 | 17.0% | 12.5% | 37 | 2.0 |" in " ".join(new.split())
    assert "*modelled: compiled; 2026-11-01; ptxas 13.*" in new
