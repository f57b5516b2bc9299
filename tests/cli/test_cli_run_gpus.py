"""`labkit run` on GPUs: what it says of ranks that share one, and which exchanges it refuses."""

import json

import pytest

from labkit.run.gpu.places import Place

WORDS = ("run", "allreduce", "--network", "lenet5", "--ranks", "2", "--batch", "7", "--steps", "1", "--on", "threads")
REMARK = "ranks 0 and 1 share one NVIDIA Test: their kernels take turns"


@pytest.fixture
def shared(monkeypatch):
    """Two ranks that share a GPU, as far as anybody is told."""
    monkeypatch.setattr(
        "labkit.run.gpu.places.take",
        lambda schedule, job, communicator, _: Place("NVIDIA Test", (1 - communicator.rank,), None, (REMARK,)),
    )


def test_ranks_that_share_a_gpu_are_told_below_the_table_and_in_json(labkit, shared):
    ran = labkit(*WORDS, "--no-predict")
    assert ran.status == 0 and REMARK in ran.out
    found = json.loads(labkit(*WORDS, "--no-predict", "--json").out)
    assert found["remarks"] == [REMARK]
    assert [(row["gpu"], row["shares_gpu_with"]) for row in found["per_rank"]] == [
        ("NVIDIA Test", [1]),
        ("NVIDIA Test", [0]),
    ]


def test_ranks_on_the_cores_have_nothing_to_say(labkit):
    found = json.loads(labkit(*WORDS, "--no-predict", "--json").out)
    assert found["remarks"] == [] and found["per_rank"][0]["gpu"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--exchange", "ncl"), "did you mean 'nccl'"),
        (("--exchange", "nccl"), "for ranks that do not compute on GPUs — take backend cuda"),
    ],
)
def test_exchanges_that_cannot_be_had_are_refused_in_one_line(labkit, words, said):
    ran = labkit(*WORDS, "--no-predict", *words)
    assert ran.status == 2 and said in ran.err and ran.err.count("\n") == 1 and not ran.out
