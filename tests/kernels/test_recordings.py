"""Recordings of a GPU: written part by part, read back with their origin. All of these are made up."""

import json

import pytest

from labkit.errors import LabError
from labkit.kernels.experiments.recording import LARGEST_BYTES, Writer, find, read, recordings

HEADER = {"date": "2026-11-21", "machine": {"cpu": "made up"}, "gpu": {"name": "Made-up 1"}, "versions": {}}
ROWS = [
    {"network": "lenet5", "mapping": "data", "batch": 1, "seconds": 0.00123456789, "grid": (1, 1, 1)},
    {"network": "lenet5", "mapping": "model", "batch": 1, "seconds": float("nan"), "bound": "issue"},
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "madeup1-2026-11-21.json"


def test_rows_come_back_with_their_origin(path):
    Writer(path, HEADER).add("batch_sweep", ROWS, 1.234)
    first, second = read(path).rows("batch_sweep")
    assert first["seconds"] == 0.001235 and first["grid"] == [1, 1, 1] and first["bound"] is None
    assert second["seconds"] is None and second["bound"] == "issue"
    assert {first["origin"], second["origin"]} == {"recorded on Made-up 1"}


def test_every_part_is_on_disk_at_once_and_a_failure_keeps_the_rows(path):
    writer = Writer(path, HEADER)
    writer.add("loads", ROWS[:1], 1.0, error="ZeroDivisionError: made up")
    document = json.loads(path.read_text())
    assert document["complete"] is False
    part = document["parts"]["loads"]
    assert (part["ok"], part["error"], len(part["rows"])) == (False, "ZeroDivisionError: made up", 1)
    writer.add("energy", [], 0.5, error="LabError: no GPU")
    writer.end()
    found = read(path)
    assert found.document["complete"] is True and found.parts == ["loads"]
    with pytest.raises(LabError, match="no rows: LabError: no GPU"):
        found.rows("energy")
    with pytest.raises(LabError, match="did you mean 'loads'"):
        found.rows("load")


def test_one_row_is_one_line(path):
    Writer(path, HEADER).add("a", ROWS * 10, 1.0)
    assert sum(line.strip().startswith('["lenet5"') for line in path.read_text().splitlines()) >= 19


def test_the_newest_is_taken_and_names_may_be_cut(tmp_path):
    for gpu, date in (("one", "2026-11-20"), ("two", "2026-11-22")):
        header = HEADER | {"date": date, "gpu": {"name": gpu}}
        Writer(tmp_path / f"{gpu}-{date}.json", header)
    (tmp_path / "cpu_engine.json").write_text('{"rows": []}')
    assert [r.gpu for r in recordings(tmp_path)] == ["two", "one"]
    assert find(folder=tmp_path).gpu == "two" and find("ONE", tmp_path).gpu == "one"
    with pytest.raises(LabError, match="unknown recording 'three'"):
        find("three", tmp_path)


def test_without_recordings_it_says_how_to_make_one(tmp_path):
    assert recordings(tmp_path) == []
    with pytest.raises(LabError, match=r"python benchmarks/gpu\.py"):
        find(folder=tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot be read"),
        ("[1]", "not a recording"),
        ('{"format": "another"}', "not a recording"),
        ('{"format": "labkit-gpu-recording", "version": 2}', "of version 2, this labkit reads 1"),
    ],
)
def test_other_files_are_refused(path, text, words):
    path.write_text(text)
    with pytest.raises(LabError, match=words):
        read(path)


def test_a_recording_that_grows_too_large_is_refused_and_the_old_one_stays(path):
    writer = Writer(path, HEADER)
    with pytest.raises(LabError, match=f"{LARGEST_BYTES:,} are allowed"):
        writer.add("a", [{"text": "x" * LARGEST_BYTES}], 1.0)
    assert read(path).parts == []


def test_recordings_in_the_repository_can_be_read(root):
    for recording in recordings(root / "benchmarks" / "results"):
        assert recording.parts and recording.document["complete"], recording.name
        for part in recording.parts:
            assert all(row["origin"] == recording.origin for row in recording.rows(part))
        assert (root / "benchmarks" / "results" / f"{recording.name}.json").stat().st_size <= LARGEST_BYTES
