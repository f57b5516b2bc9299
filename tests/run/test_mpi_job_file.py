"""Jobs and schedules reach the ranks as JSON, and are the same there."""

import json
from pathlib import Path

import pytest

from labkit.engine import optimizers
from labkit.errors import LabError
from labkit.machine.links import Link
from labkit.network import zoo
from labkit.run.job import Job
from labkit.run.job_file import from_document, to_document
from labkit.schedule import Schedule, equal_shares
from labkit.schedule.pieces import buckets
from labkit.schedule.schedule import program

NETWORK = zoo.get("mlp", classes=10)
SCHEDULE = Schedule(
    "example",
    NETWORK,
    equal_shares(7, 2, 2),
    buckets(NETWORK, 0),
    tuple(program([f"F0:{len(NETWORK)}#1; allreduce g0 ring &; wait g0"]) for _ in range(2)),
)
JOBS = [
    Job(),
    Job(
        data="synthetic", steps=3, seed=4, backend="reference", dtype="float64", threads=2, timeout_s=2.5, record=False
    ),
    Job(optimizer=optimizers.get("adam", lr=0.002, beta1=0.8), loss="mean_squared_error"),
    Job(link=Link("slow", 1e-3, 1e6, 2, True), slowed_s=(0.0, 0.25), mapping={"conv1": "data"}),
]


@pytest.mark.parametrize("job", JOBS)
def test_there_and_back(job):
    document = json.loads(json.dumps(to_document(SCHEDULE, job)))
    assert from_document(document) == (SCHEDULE, job)


def test_folders_are_the_same_wherever_a_rank_stands(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    _, job = from_document(to_document(SCHEDULE, Job(checkpoint_folder=Path("here"), checkpoint_every=2)))
    assert job.checkpoint_folder == str(tmp_path / "here")


def test_a_mapping_that_json_cannot_hold():
    with pytest.raises(LabError, match="mapping"):
        to_document(SCHEDULE, Job(mapping=print))


def test_a_folder_of_images_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cats").mkdir()
    assert Job(data="cats").data == str(tmp_path / "cats")
    assert Job(data="sets/dogs", data_root="root").data_root == str(tmp_path / "root")
    (tmp_path / "digits").mkdir()
    assert Job(data="digits").data == "digits"  # the set of this name comes first, as in `load`
