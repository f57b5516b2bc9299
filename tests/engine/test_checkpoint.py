"""Checkpoint files: complete or not there, and never mistaken for something else."""

import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from labkit.engine import checkpoint
from labkit.engine.model import Model
from labkit.errors import LabError
from labkit.network import Dense, Flatten, ReLU, Softmax, chain

LAYERS = {"flatten": Flatten(), "fc1": Dense(5), "relu": ReLU(), "fc2": Dense(3), "softmax": Softmax()}
ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([0.1, np.pi])}


@pytest.fixture
def model():
    return Model(chain("small", (1, 2, 2), LAYERS), backend="reference", batch=2, seed=3)


def empty():
    return {name: np.zeros_like(array) for name, array in ARRAYS.items()}


def test_arrays_and_document_come_back_bit_for_bit(tmp_path):
    path = checkpoint.write(tmp_path / "runs" / "first", ARRAYS, {"step": 3})
    assert path == tmp_path / "runs" / "first" / "checkpoint.safetensors"
    found = empty()
    assert checkpoint.read(path, found)["step"] == 3
    assert all(np.array_equal(found[name], ARRAYS[name]) for name in ARRAYS)
    assert checkpoint.names(path.parent) == ["a", "b"]
    assert os.listdir(path.parent) == [path.name]


def test_a_failed_write_leaves_the_last_good_one(tmp_path, monkeypatch):
    path = checkpoint.write(tmp_path, ARRAYS, {"step": 1})
    good = path.read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LabError, match=r"cannot write .*No space left"):
        checkpoint.write(tmp_path, {"a": np.ones(9)}, {"step": 2})
    assert path.read_bytes() == good and os.listdir(tmp_path) == [path.name]


def test_an_interrupted_write_leaves_the_last_good_one(tmp_path, monkeypatch):
    path = checkpoint.write(tmp_path, ARRAYS, {"step": 1})
    good = path.read_bytes()

    def half(arrays, file, metadata):
        file.write_bytes(good[: len(good) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save_file", half)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.write(tmp_path, {"a": np.ones(9)}, {"step": 2})
    assert path.read_bytes() == good and os.listdir(tmp_path) == [path.name]


def test_what_a_killed_process_left_is_swept(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait(60)
    (tmp_path / f".{checkpoint.FILE}.{dead.pid}.part").write_bytes(b"half")
    (tmp_path / f".{checkpoint.FILE}.{os.getppid()}.part").write_bytes(b"somebody else's")
    checkpoint.write(tmp_path, ARRAYS, {})
    assert sorted(os.listdir(tmp_path)) == [f".{checkpoint.FILE}.{os.getppid()}.part", checkpoint.FILE]


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(LabError, match="cannot write"):
        checkpoint.write(tmp_path / "taken", ARRAYS, {})


def test_every_truncation_is_refused(tmp_path):
    path = checkpoint.write(tmp_path, ARRAYS, {"step": 1})
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 7), len(whole) - 1]:
        path.write_bytes(whole[:length])
        found = empty()
        with pytest.raises(LabError, match=r"checkpoint\.safetensors"):
            checkpoint.read(path, found)
        assert not any(array.any() for array in found.values())


class Bomb:
    """Unpickling this would leave a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def test_foreign_files_are_refused_and_never_run(tmp_path):
    path = tmp_path / checkpoint.FILE
    exploded = tmp_path / "exploded"
    for content in (pickle.dumps(Bomb(exploded)), b"\x80\x04.", b"PK\x03\x04" * 50, b"\x93NUMPY" * 9, os.urandom(500)):
        path.write_bytes(content)
        with pytest.raises(LabError, match="cannot read"):
            checkpoint.read(path)
    assert not exploded.exists()


@pytest.mark.parametrize("metadata", [None, {"other": "1"}, {"labkit": "{"}, {"labkit": "[]"}, {"labkit": "{}"}])
def test_safetensors_of_somebody_else(tmp_path, metadata):
    save_file(ARRAYS, tmp_path / checkpoint.FILE, metadata)
    with pytest.raises(LabError, match="no document of labkit"):
        checkpoint.read(tmp_path)


def test_a_later_format_is_named(tmp_path):
    save_file(ARRAYS, tmp_path / checkpoint.FILE, {"labkit": json.dumps({"format": 2})})
    with pytest.raises(LabError, match="has format 2"):
        checkpoint.read(tmp_path)


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "x.safetensors"):
        with pytest.raises(LabError, match="no checkpoint"):
            checkpoint.read(path)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"a": np.zeros((3, 2), np.float32)}, r"'a' has type F32 and shape \(2, 3\)"),
        ({"a": np.zeros((2, 3))}, "not float64"),
        ({"c": np.zeros(1)}, "no array 'c'"),
    ],
)
def test_other_arrays_are_refused_before_anything_is_written(tmp_path, wanted, message):
    checkpoint.write(tmp_path, ARRAYS, {})
    first = np.zeros_like(ARRAYS["b"])
    with pytest.raises(LabError, match=message):
        checkpoint.read(tmp_path, {"b": first} | wanted)
    assert not first.any()


def test_a_model_is_filled(tmp_path, model):
    checkpoint.write(tmp_path, checkpoint.host_arrays(model), checkpoint.describe(model))
    other = Model(model.network, backend="reference", batch=4, seed=9)
    assert checkpoint.load(tmp_path, other)["model_seed"] == 3
    assert np.array_equal(other.parameters.flat, model.parameters.flat)
    assert checkpoint.network(tmp_path) == model.network


def test_another_network_is_refused(tmp_path, model):
    checkpoint.write(tmp_path, checkpoint.host_arrays(model), checkpoint.describe(model))
    other = Model(chain("wider", (1, 2, 2), LAYERS | {"fc1": Dense(6)}), backend="reference", batch=2)
    before = other.parameters.flat.copy()
    with pytest.raises(LabError, match=r"holds network 'small' .* not 'wider'"):
        checkpoint.load(tmp_path, other)
    assert np.array_equal(other.parameters.flat, before)


def test_a_document_without_a_network(tmp_path, model):
    checkpoint.write(tmp_path, checkpoint.host_arrays(model), {"network": {"name": "x"}})
    with pytest.raises(LabError, match="describes no network"):
        checkpoint.load(tmp_path, model)
