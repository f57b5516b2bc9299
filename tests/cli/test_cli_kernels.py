"""`labkit kernels`: the keys of the contract, where numbers come from, and what is refused."""

import json

import pytest

from labkit.kernels.experiments import recording as recordings
from labkit.kernels.experiments.recording import Writer
from labkit.machine.gpu import first_gpu

ROW = {"network", "layer", "mapping", "batch", "device", "origin"}
LAUNCH = {"layer", "mapping", "grid", "block", "shared_bytes", "registers", "blocks_per_sm", "waves", "tail_efficiency"}
WITHOUT_GPU = pytest.mark.skipif(first_gpu() is not None, reason="there is a GPU, so nothing is missing")


def document(labkit, *words: str) -> dict:
    """What `labkit kernels WORDS --json` printed; it must be the one document on stdout."""
    ran = labkit("kernels", *words, "--json")
    assert ran.status == 0, ran.err
    return json.loads(ran.out)


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """A made-up recording is the only one there is."""
    header = {"date": "2026-11-21", "machine": {}, "gpu": {"name": "Made-up 1"}, "versions": {}}
    writer = Writer(tmp_path / "madeup1-2026-11-21.json", header)
    row = {"network": "lenet5", "layer": None, "mapping": "data", "batch": 8, "device": "Made-up 1"}
    writer.add("batch_sweep", [row | {"steps": 7500, "step_s": 0.001, "epoch_s": 7.5}], 1.0)
    writer.add("energy", [], 1.0, error="LabError: made up")
    monkeypatch.setattr(recordings, "checkout", lambda: tmp_path.parent)
    monkeypatch.setattr(recordings, "recordings", lambda folder=None: [recordings.read(writer.path)])


def test_explain_has_the_keys_of_the_contract(labkit):
    found = document(
        labkit, "explain", "--network", "lenet5", "--mapping", "model", "--batch", "64", "--device", "h200"
    )
    assert found.keys() >= LAUNCH | {"occupancy", "blocks", "limited_by", "origin"}
    assert (found["layer"], found["grid"], found["device"]) == ("conv1", [6, 1, 1], "H200")
    assert found["origin"] == "modelled"


def test_explain_says_it_in_words(labkit):
    ran = labkit("kernels", "explain", "--network", "lenet5", "--mapping", "model", "--device", "k40")
    assert ran.status == 0 and "9 of its 15 SMs get no block at all" in " ".join(ran.out.split())


@pytest.mark.parametrize("over", ["batch", "forward", "channels", "images", "gpus"])
def test_every_sweep_can_be_modelled(labkit, over):
    words = ["sweep", over, "--device", "p100", "--batch", "2,4", "--network", "lenet5", "--layer", "conv1"]
    found = document(labkit, *words)
    assert found["origin"] == "modelled" and found["rows"]
    assert all(row.keys() >= ROW and row["origin"] == "modelled" for row in found["rows"])


def test_memory_is_computed(labkit):
    found = document(labkit, "sweep", "memory", "--network", "lenet5", "--batch", "1,8")
    assert [row["batch"] for row in found["rows"]] == [1, 8] and found["what"] == "footprint"


@WITHOUT_GPU
def test_without_a_gpu_a_sweep_runs_on_the_cores_and_says_so(labkit):
    words = ["sweep", "--network", "lenet5", "--mapping", "data", "--batch", "2", "--seconds", "30", "--json"]
    ran = labkit("kernels", *words)
    found = json.loads(ran.out)
    assert (ran.status, found["what"], found["origin"]) == (0, "batch_sweep", "measured here")
    assert "no GPU here, so the kernels run on the cores" in ran.err
    (row,) = found["rows"]
    assert row["steps"] == 30_000 and row["epoch_s"] == pytest.approx(30_000 * row["step_s"])


def test_a_sweep_ends_when_its_time_is_up_and_keeps_its_rows(labkit):
    words = ["sweep", "forward", "--device", "k40", "--batch", "1,2,3", "--seconds", "0.000001", "--json"]
    ran = labkit("kernels", *words)
    assert ran.status == 0 and len(json.loads(ran.out)["rows"]) == 1
    assert "stopped after 1e-06 s, 1 rows" in ran.err


def test_profile_names_layers_and_phases(labkit):
    found = document(labkit, "profile", "--network", "lenet5", "--mapping", "hybrid", "--device", "h200")
    assert found["what"] == "profile" and {row["phase"] for row in found["rows"]} == {"fp", "bp", "ku"}
    assert {"conv1", "conv2", "conv3", "fc1"} <= {row["layer"] for row in found["rows"]}


def test_loads_are_counted(labkit):
    found = document(labkit, "loads", "--layer", "conv1", "--mapping", "model", "--batch", "1")
    assert {row["level"] for row in found["rows"]} == {"global", "shared", "sectors"}
    assert all(row.keys() >= ROW for row in found["rows"]) and found["origin"] == "modelled"


def test_a_recording_is_shown_with_its_origin(labkit, recorded):
    found = document(labkit, "sweep", "--recorded", "newest")
    assert found["origin"] == "recorded on Made-up 1" and found["rows"][0]["epoch_s"] == 7.5
    assert "recorded on Made-up 1" in labkit("kernels", "sweep", "--recorded", "madeup1").out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("energy", "--recorded", "newest"), "no rows: LabError: made up"),
        (("sweep", "--recorded", "newest", "--network", "lenet6"), "has no batch_sweep of network 'lenet6'"),
        (("sweep", "--recorded", "h100"), "unknown recording 'h100'"),
        (("profile", "--recorded", "newest"), "has no part 'profile'"),
    ],
)
def test_what_was_not_recorded_is_refused(labkit, recorded, words, told):
    ran = labkit("kernels", *words)
    assert (ran.status, ran.out) == (2, "") and told in ran.err and " — " in ran.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("sweep", "batches"), "did you mean 'batch'"),
        (("sweep", "--device", "h20"), "unknown GPU 'h20'"),
        (("sweep", "--device", "h200", "--batch", "1,many"), "--batch '1,many'"),
        (("sweep", "--device", "h200", "--batch", "0"), "0"),
        (("sweep", "--device", "h200", "--network", "lenet6"), "did you mean 'lenet5'"),
        (("sweep", "--device", "h200", "--mapping", "date"), "unknown mapping 'date'"),
        (("sweep", "--device", "h200", "--network", "lenet5", "--mapping", "tuned"), "take mapping data"),
        (("explain", "--layer", "conv9", "--device", "h200"), "no layer 'conv9'"),
        (("explain", "--mapping", "dat", "--device", "h200"), "did you mean 'data'"),
    ],
)
def test_bad_input_is_refused_with_one_line(labkit, words, told):
    ran = labkit("kernels", *words)
    assert (ran.status, ran.out) == (2, "") and len(ran.err.splitlines()) == 1
    assert told in ran.err and " — " in ran.err


@WITHOUT_GPU
def test_energy_needs_a_gpu_and_is_never_made_up(labkit):
    ran = labkit("kernels", "energy")
    assert (ran.status, ran.out) == (2, "") and "no GPU here whose energy" in ran.err and "--recorded" in ran.err
