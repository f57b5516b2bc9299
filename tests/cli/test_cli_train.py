"""`labkit train`: the keys that scripts rely on, what a person sees, Ctrl-C and going on, and what is refused."""

import json
import os
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from labkit.cli_run import INTERRUPTED
from labkit.cli_train import Tally, _follow
from labkit.engine.checkpoint import FILE, read
from labkit.machine.gpu import first_gpu

KEYS = {"network", "data", "backend", "mapping", "epochs", "steps", "batch", "seconds", "seconds_per_phase"}
KEYS |= {"train_loss", "train_accuracy", "test_accuracy", "seed", "origin"}
QUICK = ("train", "mlp", "--data", "digits", "--batch", "64", "--optimizer", "momentum", "--threads", "1")


def test_json_has_the_keys_of_the_contract(labkit):
    ran = labkit(*QUICK, "--epochs", "3", "--lr", "0.05", "--seed", "4", "--json")
    assert ran.status == 0, ran.err
    found = json.loads(ran.out)
    assert set(found) == KEYS and set(found["seconds_per_phase"]) == {"fp", "bp", "ku"}
    assert (found["network"], found["data"], found["backend"], found["mapping"]) == ("mlp", "digits", "cpu", None)
    assert (found["epochs"], found["steps"], found["batch"], found["seed"]) == (3, 3 * 23, 64, 4)
    assert found["origin"] == "measured here"
    assert 0 < sum(found["seconds_per_phase"].values()) <= found["seconds"]
    assert found["test_accuracy"] > 0.9 and found["train_accuracy"] > 0.9 and found["train_loss"] < 0.5


def test_kernels_on_the_cores_with_a_mapping(labkit):
    ran = labkit(*QUICK, "--epochs", "1", "--backend", "cuda-cpu", "--mapping", "model,fc2=data", "--json")
    assert ran.status == 0, ran.err
    found = json.loads(ran.out)
    assert (found["backend"], found["mapping"]) == ("cuda-cpu", {"*": "model", "fc2": "data"})
    assert found["test_accuracy"] > 0.7 and min(found["seconds_per_phase"].values()) > 0


@pytest.mark.skipif(first_gpu() is not None, reason="this machine has a GPU")
def test_without_a_gpu_the_backend_cuda_says_what_to_use(labkit):
    ran = labkit(*QUICK, "--backend", "cuda")
    assert (ran.status, ran.out) == (2, "") and "no NVIDIA GPU" in ran.err and "--backend cuda-cpu" in ran.err


def test_the_last_line_tells_the_accuracy_on_held_out_samples(labkit):
    ran = labkit(*QUICK, "--epochs", "2")
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert len(lines) == 1 and lines[0].startswith("mlp on digits: test accuracy ")
    assert "(359 held-out samples) after 2 epochs, 46 steps of 64" in lines[0]
    assert [line.split(":")[0] for line in ran.err.splitlines()] == ["epoch 1", "epoch 2"]


def test_the_same_seed_and_either_backend_give_the_same_accuracy(labkit):
    runs = [labkit(*QUICK, "--epochs", "1", "--json", "--backend", b) for b in ("cpu", "cpu", "reference")]
    first, again, reference = (json.loads(ran.out) for ran in runs)
    assert first["train_loss"] == again["train_loss"]
    assert reference["train_loss"] == pytest.approx(first["train_loss"], rel=1e-4)


def test_classes_follow_the_data_set(labkit, tmp_path):
    from PIL import Image

    for label, value in (("dark", 30), ("light", 220), ("middling", 120)):
        (tmp_path / label).mkdir()
        for i in range(12):
            Image.new("L", (28, 28), value + i).save(tmp_path / label / f"{i}.png")
    ran = labkit("train", "mlp", "--data", str(tmp_path), "--epochs", "20", "--batch", "4", "--lr", "0.002", "--json")
    assert ran.status == 0, ran.err
    assert json.loads(ran.out)["test_accuracy"] == 1


def test_resume_goes_on_where_the_checkpoint_was(labkit, tmp_path):
    straight = json.loads(labkit(*QUICK, "--epochs", "3", "--json").out)
    kept = ("--checkpoint", str(tmp_path / "kept"))
    assert labkit(*QUICK, "--epochs", "2", *kept).status == 0
    resumed = json.loads(labkit(*QUICK, "--epochs", "3", *kept, "--resume", "--json").out)
    for key in KEYS - {"seconds", "seconds_per_phase"}:
        assert resumed[key] == straight[key], key
    over = json.loads(labkit(*QUICK, "--epochs", "3", *kept, "--resume", "--json").out)
    assert over["test_accuracy"] == straight["test_accuracy"] and over["steps"] == straight["steps"]
    refused = labkit(*QUICK, "--epochs", "3", *kept)
    assert refused.status == 2 and "add --resume, or give another folder" in refused.err
    other = labkit(*QUICK, "--epochs", "3", *kept, "--resume", "--lr", "0.2")
    assert other.status == 2 and "optimizer is" in other.err


def test_a_network_that_takes_vectors_is_told_that_data_sets_hold_images(labkit, tmp_path):
    file = tmp_path / "vector.json"
    layers = [{"name": "fc", "kind": "dense", "K": 10}, {"name": "softmax", "kind": "softmax"}]
    file.write_text(json.dumps({"name": "vector", "input_shape": [64], "layers": layers}))
    ran = labkit("train", str(file))
    assert ran.status == 2 and "'vector' takes 64 values" in ran.err and "flatten" in ran.err


@pytest.mark.parametrize("kept", [True, False])
def test_ctrl_c_ends_after_the_step_and_says_how_to_go_on(tmp_path, kept):
    folder = tmp_path / "kept"
    words = [*QUICK, "--epochs", "100000"] + (["--checkpoint", str(folder)] if kept else [])
    process = subprocess.Popen(
        [sys.executable, "-m", "labkit.cli", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    watchdog = threading.Timer(100, process.kill)
    watchdog.start()
    try:
        assert process.stderr.readline().startswith("epoch 1")
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        watchdog.cancel()
        process.kill()
    assert process.returncode == INTERRUPTED and out == ""
    last = err.splitlines()[-1]
    assert last.startswith("labkit: stopped by Ctrl-C after step ") and "Traceback" not in err
    assert ("go on with the same command and --resume" if kept else "add --checkpoint DIR") in last
    if kept:
        step = read(folder)["progress"]["step"]
        assert f"after step {step};" in last and os.listdir(folder) == [FILE]


def event(step: int, steps: int) -> SimpleNamespace:
    seconds = {"fp": 1.0, "bp": 2.0, "ku": 4.0}
    last = {"train_loss": 0.5, "train_accuracy": 0.8, "test_accuracy": 0.7}
    return SimpleNamespace(
        step=step, steps=steps, epoch=0, epoch_end=step + 1 == steps, loss=1.0, elapsed_s=9.0, seconds=seconds, **last
    )


def test_seconds_of_the_phases_add_up_over_the_steps():
    tally = Tally({"step": 3, "epoch": 1})
    for step in (3, 4):
        tally.add(event(step, 5))
    assert (tally.steps, tally.epochs, tally.seconds) == (5, 1, 9.0)
    assert tally.phases == {"fp": 2.0, "bp": 4.0, "ku": 8.0}
    assert tally.last == {"train_loss": 0.5, "train_accuracy": 0.8, "test_accuracy": 0.7}


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to a process")
def test_ctrl_c_in_the_last_step_comes_too_late_to_stop_anything(capsys):
    def steps():
        yield event(0, 2)
        os.kill(os.getpid(), signal.SIGINT)
        yield event(1, 2)

    assert _follow(steps(), Tally({}), "n")


def test_a_killed_run_goes_on_from_its_last_epoch(labkit, tmp_path):
    words = [*QUICK, "--epochs", "30", "--checkpoint", str(tmp_path)]
    process = subprocess.Popen([sys.executable, "-m", "labkit.cli", *words], stderr=subprocess.PIPE, text=True)
    watchdog = threading.Timer(100, process.kill)
    watchdog.start()
    try:
        assert process.stderr.readline().startswith("epoch 1")
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate(timeout=60)
    done = read(tmp_path)["progress"]["epoch"]
    resumed = labkit(*words, "--resume", "--json")
    assert done >= 1 and json.loads(resumed.out)["epochs"] == 30
    assert json.loads(resumed.out)["train_loss"] == json.loads(labkit(*words[:-2], "--json").out)["train_loss"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("lenet6",), "did you mean 'lenet5'?"),
        (("mlp", "--data", "digit"), "did you mean 'digits'?"),
        (("mlp", "--optimizer", "adams"), "did you mean 'adam'?"),
        (("mlp", "--backend", "gpu"), "unknown backend 'gpu'"),
        (("mlp", "--mapping", "data"), "'cpu' has no mapping"),
        (("mlp", "--backend", "cuda-cpu", "--mapping", "daat"), "'data'"),
        (("mlp", "--backend", "cuda-cpu", "--mapping", "data,fc7=model"), "'fc7'"),
        (("mlp", "--epochs", "0"), "epochs=0"),
        (("mlp", "--lr", "0"), "lr=0.0"),
        (("mlp", "--lr", "-1"), "lr=-1.0"),
        (("mlp", "--lr", "nan"), "lr=nan"),
        (("mlp", "--batch", "0"), "batch=0"),
        (("mlp", "--batch", "5000"), "more than the 1438 training samples"),
        (("mlp", "--batch", "1000000000000"), "more than the 1438 training samples"),
        (("mlp", "--seed", "-1"), "seed=-1"),
        (("mlp", "--threads", "0"), "threads=0"),
        (("mlp", "--resume"), "add --checkpoint DIR"),
    ],
    ids=lambda part: part if isinstance(part, str) else " ".join(part),
)
def test_refusals_are_one_line(labkit, words, message):
    ran = labkit("train", *words)
    assert ran.status == 2 and ran.out == ""
    lines = ran.err.splitlines()
    assert lines[-1].startswith("labkit: ") and message in lines[-1]


def test_divergence_is_a_finding_not_a_refusal(labkit):
    ran = labkit("train", "mlp", "--lr", "1e30", "--epochs", "1")
    assert ran.status == 1 and ran.out == ""
    assert ran.err.splitlines()[-1].startswith("labkit: ") and "lower the learning rate" in ran.err


def test_resume_without_a_checkpoint(labkit, tmp_path):
    ran = labkit(*QUICK, "--checkpoint", str(tmp_path / "none"), "--resume")
    assert ran.status == 2 and "there is no checkpoint" in ran.err
