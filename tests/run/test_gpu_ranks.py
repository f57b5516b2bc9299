"""Ranks and GPUs: one for each in turn, sharing that is told, and the kernels' own backend on ranks under MPI."""

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import by_hand
import numpy as np
import pytest
from nccl_stand_in import World, rank_of_thread

from labkit.engine.optimizers import Momentum
from labkit.errors import LabError
from labkit.machine.gpu import first_gpu
from labkit.machine.gpu_choice import VISIBLE, visible
from labkit.network import Dense, Flatten, Softmax, chain, zoo
from labkit.run.communicators.threads import connect
from labkit.run.gpu import nccl_start
from labkit.run.gpu import places as gpu_places
from labkit.run.gpu.places import EXCHANGE, sharers, sharing
from labkit.run.gpu.rounds import LONGEST_BYTES, Round
from labkit.run.job import Job
from labkit.run.local import run_on_threads
from labkit.run.mpi import library as mpi_library
from labkit.run.mpi.launch import call_on_ranks
from labkit.run.mpi.run import run_on_mpi
from labkit.run.rank.feed import training_samples
from labkit.run.rank.waiting import Patience
from labkit.schedule.traffic import traffic
from labkit.schemes import registry

NETWORK = by_hand.small()
LIBRARY = by_hand.allreduce(NETWORK, 3, 7, "mpi")
PATIENCE = Patience(5.0, 0.0, lambda: None)


@pytest.fixture(autouse=True)
def no_wishes(monkeypatch):
    for name in (EXCHANGE, nccl_start.SEVERAL):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def mpi(require):
    try:
        mpi_library.launcher()
    except LabError as error:
        require(False, str(error))


def run(schedule=LIBRARY, **settings):
    job = by_hand.job(**{"backend": "cuda", "optimizer": Momentum(lr=0.05), **settings})
    return run_on_threads(schedule, job, samples=by_hand.samples(schedule.network, by_hand.job()))


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_SIZE": "8", "OMPI_COMM_WORLD_LOCAL_RANK": "1"}, 1),
        ({"PMI_RANK": "5", "PMI_SIZE": "8", "MPI_LOCALRANKID": "3", "SLURM_LOCALID": "0"}, 3),
        ({"PMIX_RANK": "5", "SLURM_NTASKS": "8", "SLURM_LOCALID": "2"}, 2),
        ({"PMI_RANK": "5", "PMI_SIZE": "8"}, None),
        ({"SLURM_LOCALID": "2"}, None),  # a shell that Slurm has started is no rank
    ],
)
def test_the_launcher_tells_the_place_on_the_machine(monkeypatch, variables, place):
    for name in [name for name in os.environ if name.startswith(("OMPI_", "PMI", "SLURM_", "MPI_"))]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert mpi_library.local_rank() == place


def test_ranks_take_turns_over_the_gpus_that_they_may_see(mpi, monkeypatch):
    monkeypatch.setenv(VISIBLE, "5,7")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    told = call_on_ranks("mpi_programs:sees", {}, 3)
    assert [value for ((_, value),) in told] == ["5", "7", "5"]


def test_processes_choose_by_their_place_on_the_machine(monkeypatch):
    """Where no launcher has told it: ranks 0 and 2 are one process (threads of it) here, rank 1 another."""
    World(monkeypatch)
    chosen = {}
    processes = SimpleNamespace(getpid=lambda: 100 + rank_of_thread() % 2, environ=os.environ)
    monkeypatch.setattr(gpu_places, "os", processes)
    monkeypatch.setattr("labkit.machine.gpu_choice.choose", lambda place: chosen.update({rank_of_thread(): place}))
    run(exchange="host")
    assert chosen == {0: 0, 1: 1, 2: 0}


def test_cuda_that_was_started_before_the_choice_is_told(monkeypatch):
    World(monkeypatch)
    monkeypatch.setattr(gpu_places, "os", SimpleNamespace(getpid=rank_of_thread, environ=os.environ))
    monkeypatch.setattr("labkit.machine.gpu_choice.choose", lambda place: None)
    card = SimpleNamespace(uuid="GPU-a", name="NVIDIA Test", visible=4)
    monkeypatch.setattr("labkit.machine.cuda_driver.card", lambda: card)
    with pytest.raises(LabError, match=r"process of rank \d before it chose one of 4 GPUs .*--gpus-per-task=1"):
        run()


def test_ranks_that_share_a_gpu_work_and_say_so(monkeypatch):
    world = World(monkeypatch, cards=("GPU-a", "GPU-b", "GPU-a"))
    result = run()
    assert np.array_equal(result.parameters, run(backend="reference").parameters)
    assert not world.communicators, "NCCL wants a GPU for each rank"
    assert [use.shares_gpu_with for use in result.use] == [(2,), (), (0,)]
    (remark,) = result.remarks
    assert remark.startswith("ranks 0 and 2 share one NVIDIA Test: their kernels take turns")
    with pytest.raises(LabError, match="exchange 'nccl': it wants a GPU for each rank"):
        run(exchange="nccl")


def test_nccl_may_be_told_to_try_it_on_a_shared_gpu(monkeypatch):
    world = World(monkeypatch, cards=("GPU-a",) * 3)
    monkeypatch.setenv(nccl_start.SEVERAL, "1")
    result = run()
    assert len(world.communicators) == 3 and result.communicator.endswith("NCCL 2.32.3")
    assert result.remarks == (sharing([{"uuid": "GPU-a", "name": "NVIDIA Test"}] * 3))
    assert result.remarks[0].startswith("ranks 0, 1 and 2 share one")


def test_two_shared_gpus_are_two_sentences():
    words = [{"uuid": uuid, "name": "NVIDIA Test"} for uuid in "abcab"]
    assert len(sharing(words)) == 2 and [sharers(words, rank) for rank in range(5)] == [(3,), (4,), (), (0,), (1,)]


def test_ranks_on_the_cores_have_no_place_and_nothing_to_say():
    result = run(backend="cpu", dtype="float32")
    assert result.remarks == () and {(use.gpu, use.shares_gpu_with) for use in result.use} == {(None, ())}


def test_without_a_gpu_the_backend_says_what_else_to_take():
    if first_gpu() is not None:
        pytest.skip("there is a GPU")
    with pytest.raises(LabError, match=r"no NVIDIA GPU here.*cuda-cpu"):
        run()


def test_what_a_rank_says_of_its_gpu_reaches_the_launcher(monkeypatch):
    from labkit.run import local
    from labkit.run.mpi.rank_files import pack, unpack
    from labkit.run.rank.result import merge

    World(monkeypatch, cards=("GPU-a",) * 3)
    monkeypatch.setattr(local, "merge", lambda rs, s, j: merge([unpack(pack(r), s) for r in rs], s, j))
    result = run()
    assert result.use[1] == replace(result.use[1], gpu="NVIDIA Test", shares_gpu_with=(0, 2)) and result.remarks


def test_a_round_is_a_word_of_everybody_to_everybody():
    rounds = [Round(communicator) for communicator in connect(3)]
    for rank, one in enumerate(rounds[:2]):
        one.say({"rank": rank})
    assert not rounds[0].listen() and rounds[0].heard.keys() == {0, 1}
    rounds[2].say({"rank": 2})
    assert [one.words(PATIENCE, "a word") for one in rounds] == [[{"rank": rank} for rank in range(3)]] * 3


def test_a_rank_that_says_nothing_is_named():
    first, second, _ = (Round(communicator) for communicator in connect(3))
    first.say({})
    second.say({})
    with pytest.raises(LabError, match=r"waited 0.1 s for the word of the ranks 2"):
        first.words(replace(PATIENCE, timeout_s=0.1), "the word")
    with pytest.raises(LabError, match="bytes to all ranks"):
        second.say({"too": "l" * LONGEST_BYTES + "ng"})


def test_kernels_on_ranks_under_mpi_in_the_simulator(mpi, monkeypatch):
    """Backend cuda as on a GPU, each rank a process with Numba's simulator; from its second step on recorded."""
    network = chain("tiny", (1, 8, 8), {"flatten": Flatten(), "fc": Dense(10), "softmax": Softmax()})
    schedule, settings = by_hand.overlapped(network, 2, 5, "ring"), {"dtype": "float32", "timeout_s": 60.0}
    wanted = run_on_threads(schedule, by_hand.job(**settings))
    monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "1")
    found = run_on_mpi(schedule, by_hand.job(backend="cuda", mapping="tuned", **settings))
    np.testing.assert_allclose(found.parameters, wanted.parameters, atol=1e-6)
    assert found.traffic == wanted.traffic and found.remarks == ()


def on_gpu(ranks: int, start, **settings):
    """LeNet-5 on the GPU by all-reduce on so many ranks, its job, and what one process on the reference has."""
    network = zoo.get("lenet5")
    plain = {"data": "synthetic", "optimizer": Momentum(lr=0.01), "steps": 4, "seed": 4, **settings}
    job, scheme = Job(backend="cuda", **plain), registry.build("allreduce", network, ranks, 16, algorithm="mpi")
    samples = training_samples(network, job)
    weights, _ = by_hand.one_process(network, Job(backend="reference", **plain), 16, samples)
    result = start(scheme, job)
    np.testing.assert_allclose(result.parameters, weights, rtol=1e-3, atol=1e-4)
    assert result.traffic == traffic(scheme).times(4)
    return result


@pytest.mark.parametrize("mapping", ["hybrid", "tuned"])
def test_threads_as_ranks_share_this_machines_gpu(mapping):
    if first_gpu() is None:
        pytest.skip("no NVIDIA GPU")
    result = on_gpu(2, run_on_threads, mapping=mapping)
    assert [use.shares_gpu_with for use in result.use] == [(1,), (0,)] and "share one" in result.remarks[0]


def test_processes_as_ranks_on_this_machines_gpus(mpi):
    if first_gpu() is None:
        pytest.skip("no NVIDIA GPU")
    result = on_gpu(2, run_on_mpi)
    assert bool(result.remarks and "share one" in result.remarks[0]) == (len(visible()) == 1)


def test_nccl_between_this_machines_gpus(mpi):
    if len(visible()) < 2:
        pytest.skip("fewer than two NVIDIA GPUs")
    try:
        from labkit.run.communicators.nccl import library

        library()
    except LabError as error:
        pytest.skip(str(error))
    assert "NCCL" in on_gpu(2, run_on_mpi, exchange="nccl").communicator
