"""`labkit run`: the keys of the contract, tables for people, checkpoints, refusals; ranks as threads where it matters
not what they are.
"""

import json

import pytest

from labkit.errors import LabError
from labkit.machine.links import Link
from labkit.network import zoo
from labkit.run.calibration.value import Calibration
from labkit.run.mpi import library as mpi_library
from labkit.schedule.costs import Costs, flops_costs, save_costs
from labkit.schedule.simulate import simulate
from labkit.schedule.traffic import traffic
from labkit.schemes import build

KEYS = {
    *("scheme", "network", "ranks", "batch", "steps", "regime", "seconds", "loss", "parameters_l2", "staleness"),
    *("per_rank", "predicted", "origin", "link", "communicator", "oversubscribed", "exact"),
}
RANK_KEYS = {"rank", "compute", "communicate", "idle", "messages_sent", "bytes_sent", "memory_bytes"}
S = 4 * 61_706
REFUSED = [
    (("allreduse",), "did you mean 'allreduce'"),
    (("allreduce", "--steps", "0"), "steps=0"),
    (("allreduce", "--data", "digts"), "digts"),
    (("allreduce", "--link", "memry"), "did you mean 'memory'"),
    (("allreduce", "--link", "emulated:500"), "emulated:LATENCY_US,MB_PER_S"),
    (("allreduce", "--optimizer", "sgdd"), "did you mean 'sgd'"),
    (("allreduce", "--backend", "gpu"), "gpu"),
    (("allreduce", "--mapping", "data"), "mapping"),
    (("allreduce", "--timeout", "0"), "timeout"),
    (("allreduce", "--on", "mpy"), "did you mean 'mpi'"),
    (("allreduce", "--resume"), "--checkpoint DIR"),
    (("allreduce", "--compute", "virtuel"), "did you mean 'virtual'"),
    (("allreduce", "--compute", "virtual"), "--link emulated:500,100"),
    (("allreduce", "--compute", "virtual", "--link", "emulated:500,100"), "--no-predict"),
    (("allreduce", "--compute", "virtual", "--link", "emulated:500,100", "--checkpoint", "x"), "--checkpoint"),
    (("allreduce", "--costs", "no_such_file.json"), "no_such_file.json"),
    (("allreduce", "--checkpoint-every", "2"), "--checkpoint DIR"),
    (("allreduce", "--algorithm", "mpi", "--link", "emulated:500,100"), "ring"),
    (("allreduce", "--network", "vgg17"), "vgg16"),
]


@pytest.fixture
def run(labkit):
    """`run("master", ...)` -> Ran, LeNet-5 on two threads, batch 7, 3 steps, no times predicted, unless other words
    say otherwise.
    """

    def call(scheme: str, *words: str):
        usual = {"--network": "lenet5", "--ranks": "2", "--batch": "7", "--steps": "3", "--on": "threads"}
        filled = [word for pair in usual.items() if pair[0] not in words for word in pair]
        silent = () if {"--costs", "--predict"} & {*words} else ("--no-predict",)
        return labkit("run", scheme, *filled, *words, *silent)

    return call


@pytest.fixture
def document(run):
    """The JSON document, which must be the only thing on stdout."""

    def call(*words: str) -> dict:
        ran = run(*words, "--json")
        assert ran.status == 0, ran.err
        return json.loads(ran.out)

    return call


def test_keys_of_the_contract(document):
    found = document("allreduce")
    assert found.keys() >= KEYS and found["per_rank"][1].keys() >= RANK_KEYS
    assert (found["scheme"], found["network"], found["ranks"], found["batch"]) == ("allreduce", "lenet5", 2, 7)
    assert (found["steps"], found["regime"], found["origin"], found["link"]) == (3, "real", "measured here", "memory")
    assert len(found["loss"]) == 3 and found["exact"] is True and found["fault"] is None
    assert [(row["rank"], row["messages_sent"], row["bytes_sent"]) for row in found["per_rank"]] == [
        (0, 6, 3 * S),
        (1, 6, 3 * S),
    ]
    assert (found["predicted"]["messages"], found["predicted"]["bytes"]) == (12, 6 * S)
    assert all(row["compute"] > 0 and row["idle"] >= 0 for row in found["per_rank"])


@pytest.mark.parametrize("words", [("master",), ("chunked", "--chunks", "3"), ("parameter-server", "--ranks", "3")])
def test_the_same_seed_gives_every_synchronous_scheme_the_same_weights(document, words):
    alone = document("single", "--ranks", "1", "--seed", "3")
    found = document(*words, "--seed", "3")
    assert found["parameters_l2"] == pytest.approx(alone["parameters_l2"], rel=1e-6)
    assert found["loss"] == pytest.approx(alone["loss"], rel=1e-4)


def test_one_rank_needs_neither_mpi_nor_a_number(labkit):
    ran = labkit("run", "single", "--network", "lenet5", "--batch", "4", "--steps", "2", "--no-predict", "--json")
    found = json.loads(ran.out)
    assert (ran.status, found["ranks"], found["communicator"]) == (0, 1, "threads of one process")
    assert found["per_rank"][0]["messages_sent"] == 0


def test_staleness_of_a_server(document):
    """One update for each push of 3 steps, 2 workers and 10 arrays; what the schedule says was sent."""
    found = document("parameter-server", "--ranks", "3", "--mode", "async")
    assert found["staleness"]["count"] == 3 * 2 * 10 and 0 <= found["staleness"]["mean"] <= found["staleness"]["max"]
    assert found["exact"] is False and "async" in found["fault"]
    expected = traffic(build("parameter-server", zoo.get("lenet5"), 3, 7, mode="async")).times(3)
    assert [row["bytes_sent"] for row in found["per_rank"]] == [expected.of(rank).bytes for rank in range(3)]


def test_what_is_not_sgd_is_said_to_be(document, run):
    found = document("error-average")
    assert found["exact"] is False and "maths" in found["fault"]
    assert "not what one process with the whole batch computes" in run("error-average").out


def test_outputs_are_the_classes_of_the_data(document):
    """AlexNet* has 1000 outputs unless the data says otherwise."""
    found = document("single", "--network", "alexnet_star", "--ranks", "1", "--batch", "2", "--steps", "1")
    assert found["loss"][0] < 10


def test_checkpoints_and_going_on(document, run, tmp_path):
    kept = ("--checkpoint", str(tmp_path / "kept"))
    whole = document("master", "--steps", "4")
    document("master", "--steps", "2", *kept)
    assert "--resume" in run("master", "--steps", "4", *kept).err
    found = document("master", "--steps", "4", "--resume", *kept)
    assert found["steps"] == 2 and found["loss"] == whole["loss"][2:]
    assert found["parameters_l2"] == whole["parameters_l2"]
    assert found["predicted"]["messages"] == sum(row["messages_sent"] for row in found["per_rank"])


@pytest.fixture
def mpi(require):
    try:
        mpi_library.launcher()
    except LabError as error:
        require(False, str(error))


def test_processes_do_what_threads_do(document, program, mpi):
    """As a program: ranks under MPI, progress kept off stdout, the same weights as on threads."""
    words = ("--network", "lenet5", "--ranks", "2", "--batch", "7", "--steps", "3", "--no-predict", "--json")
    ran = program("run", "allreduce", *words)
    assert ran.status == 0, ran.err
    apart, together = json.loads(ran.out), document("allreduce")
    assert apart["communicator"] != together["communicator"]
    assert (apart["parameters_l2"], apart["loss"]) == (together["parameters_l2"], together["loss"])
    assert all(row["memory_bytes"] > 10**7 for row in apart["per_rank"])


@pytest.fixture
def calibrated(monkeypatch, tmp_path):
    """No calibration is kept yet, and none is measured: a model takes its place. The list of what would have been."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    measured = []

    def calibrate(network, backend, threads, communicator=None, progress=None, *, link=None, mapping=None):
        measured.append((network.name, backend, threads, link and link.name))
        costs = Costs(flops_costs(network, 1e9), link or Link("memory", 1e-5, 1e9), overhead_s=1e-5)
        about = (network.name, backend, threads, "float32", "a machine", "threads of one process")
        return Calibration(*about, costs, ((4, 1e-5),), (4, 32), 1e9, 0.0, 0.0, 2)

    monkeypatch.setattr("labkit.run.calibration.kept.calibrate", calibrate)
    return measured


def test_predicted_beside_measured(document, run, calibrated):
    """What is measured once is kept; --calibrate measures anew. Times are those of the simulation."""
    found = document("master", "--predict")
    schedule = build("master", zoo.get("lenet5"), 2, 7)
    costs = Costs(flops_costs(zoo.get("lenet5"), 1e9), Link("memory", 1e-5, 1e9), overhead_s=1e-5)
    assert found["predicted"]["seconds"] == pytest.approx(simulate(schedule, costs, 3).seconds)
    assert found["predicted"]["origin"] == "modelled" and found["predicted"]["busy"] is False
    assert [row["bytes_sent"] for row in found["predicted"]["per_rank"]] == [3 * S, 3 * S]
    assert all(row["compute"] > 0 for row in found["predicted"]["per_rank"])
    assert calibrated == [("lenet5", "cpu", 1, None)]
    ran = run("master", "--predict")
    assert "computing, s (predicted)" in ran.out and "[modelled]" in ran.out and len(calibrated) == 1
    document("master", "--predict", "--calibrate")
    document("master", "--predict", "--threads", "2")
    assert calibrated[1:] == [("lenet5", "cpu", 1, None), ("lenet5", "cpu", 2, None)]


def test_emulated_links_share_a_calibration(document, calibrated):
    """What the emulation costs by itself is measured once; the figures are those of the link asked for."""
    slow, slower = (document("master", "--predict", "--link", f"emulated:{us},100") for us in (500, 5000))
    assert [slow["regime"], slow["link"]] == ["emulated", "emulated:500,100"]
    assert slower["predicted"]["seconds"] > slow["predicted"]["seconds"]
    assert calibrated == [("lenet5", "cpu", 1, "emulated:500,100")]


def test_computing_that_is_slept_through(document, run, calibrated):
    words = ("--ranks", "5", "--link", "emulated:500,100", "--compute", "virtual", "--predict")
    found = document("allreduce", *words)
    assert (found["regime"], found["loss"], found["oversubscribed"]) == ("simulated", [], False)
    assert "slept" in found["origin"]
    assert "regime: simulated" in run("allreduce", *words).out


def test_costs_from_a_file(document, run, tmp_path):
    path = str(tmp_path / "costs.json")
    save_costs(Costs(flops_costs(zoo.get("lenet5"), 1e9), Link("memory", 1e-3, 1e9)), path)
    found = document("master", "--costs", path)
    assert found["predicted"]["seconds"] > 3 * 2e-3 and found["predicted"]["costs"] == path
    link = ("--link", "emulated:9000,100")
    assert document("master", "--costs", path, *link)["predicted"]["seconds"] > 3 * 2 * 9e-3
    save_costs(Costs(flops_costs(zoo.get("mlp"), 1e9), Link("memory", 1e-3, 1e9)), path)
    assert "lenet5" in run("master", "--costs", path).err


def test_table_for_people(run):
    ran = run("master", "--ranks", "3")
    assert ran.status == 0
    assert "regime: real [measured here]" in ran.out and "3 steps" in ran.out
    assert "12 messages (predicted 12)" in ran.out and "loss" in ran.out


def test_more_ranks_than_cores_prove_nothing(document, run, monkeypatch):
    monkeypatch.setattr("labkit.run.rank.result.usable_cores", lambda: 2)
    assert document("master", "--ranks", "3")["oversubscribed"] is True
    assert "3 ranks share 2 cores: these times prove nothing" in run("master", "--ranks", "3").out


def test_a_run_that_diverges_ends_with_1_and_one_line(run):
    ran = run("allreduce", "--lr", "1e38", "--steps", "9")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.count("\n") == 1 and "diverged" in ran.err and "rank" in ran.err


def test_ctrl_c_ends_with_130_and_says_what_is_kept(run, monkeypatch, tmp_path):
    def pressed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("labkit.run.local.run_on_threads", pressed)
    ran = run("allreduce", "--checkpoint", str(tmp_path))
    assert (ran.status, ran.out) == (130, "")
    assert ran.err.count("\n") == 1 and "nothing was kept" in ran.err


@pytest.mark.parametrize(("words", "said"), REFUSED, ids=lambda value: " ".join(value) if value else "")
def test_refusals_are_one_line(run, words, said):
    ran = run(*words)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err and " — " in ran.err and ran.err.count("\n") == 1
