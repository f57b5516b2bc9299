"""Every scheme is valid for every number of ranks, except for the one that is kept because it is wrong."""

import pytest

from labkit.network import zoo
from labkit.schedule.validate import validate
from labkit.schemes import build

VALID = [
    *[("allreduce", {"algorithm": how, "bucket_bytes": 0}) for how in ("ring", "tree", "doubling", "halving", "mpi")],
    ("allreduce", {"overlap": False}),
    ("allreduce", {"micro_batches": 3, "bucket_bytes": 4_000}),
    ("master", {}),
    *[("chunked", {"chunks": K}) for K in (1, 2, 3, 16)],
    ("parameter-server", {}),
    ("parameter-server", {"overlap": False}),
    ("parameter-server", {"mode": "async"}),
    ("parameter-server", {"mode": "ssp", "bound": 2}),
    *[("parameter-server", {"servers": "sharded", "placement": how}) for how in ("round-robin", "greedy")],
    ("parameter-server", {"servers": "sharded", "overlap": False, "mode": "ssp", "bound": 0}),
]


@pytest.mark.parametrize(("name", "options"), VALID, ids=str)
def test_no_fault_is_found(name, options):
    """With odd shares, with fewer samples than ranks, and for a network that branches."""
    for ranks in range(2, 9):
        assert validate(build(name, zoo.get("lenet5"), ranks, 5, **options)) == ()
    assert validate(build(name, zoo.get("resnet18_32"), 3, 7, **options)) == ()


@pytest.mark.parametrize("micro_batches", [1, 3])
def test_one_process_is_valid(micro_batches):
    assert validate(build("single", zoo.get("lenet5"), 1, 5, micro_batches=micro_batches)) == ()


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_error_average_is_exposed(ranks):
    """It runs (no fault of kind 'hang'), but its gradients lack what the other ranks saw."""
    faults = validate(build("error-average", zoo.get("lenet5"), ranks, 13))
    assert faults and {fault.kind for fault in faults} == {"maths"}
    assert any(fault.rank == 0 and "activations" in fault.message for fault in faults)
