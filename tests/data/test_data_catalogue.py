"""What `labkit data list` and `labkit data check` report, and the text of datasets/ against the records."""

import gzip
import json
import re
import shutil
import struct

import numpy as np
import pytest

from labkit.data import catalogue, download, load, records, status
from labkit.data.describe import tables
from labkit.data.places import data_root
from labkit.errors import LabError
from labkit.machine.folders import datasets_folder

KEYS = {"name", "present", "files", "samples", "shape", "classes"}


def mnist(folder, count: int = 10) -> None:
    """A small test part of MNIST in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    images = struct.pack(">4I", 0x803, count, 28, 28) + bytes(count * 784)
    labels = struct.pack(">2I", 0x801, count) + bytes(count)
    (folder / "t10k-images-idx3-ubyte").write_bytes(images)
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))


def test_the_catalogue_has_the_promised_keys_and_is_json(tmp_path):
    rows = json.loads(json.dumps(catalogue(tmp_path)))
    assert [row["name"] for row in rows] == list(records.names())
    assert list(records.names()) == [
        "digits",
        "mnist",
        "fashion_mnist",
        "cifar10",
        "tiny_imagenet",
        "dogs_vs_cats",
        "synthetic",
    ]
    for row in rows:
        assert set(row) >= KEYS
        assert row["present"] == (row["name"] in ("digits", "synthetic"))
        assert (row["problem"] is None) == row["present"]
        assert row["files"] == []
        assert (len(row["shape"]), row["shape"][0] in (1, 3), row["classes"] > 1) == (3, True, True)


def test_files_are_reported_with_size_and_checksum(tmp_path):
    mnist(tmp_path / "mnist")
    state = status("mnist", tmp_path)
    images, labels = state["files"]
    assert state["present"]
    assert state["samples"] == 10
    assert images["path"] == str(tmp_path / "mnist" / "t10k-images-idx3-ubyte")
    assert images["bytes"] == 16 + 7840
    assert re.fullmatch("[0-9a-f]{64}", images["sha256"])
    assert not images["ok"]  # it has the name of a published file, and other bytes
    assert "differs from the published" in images["note"]
    assert "differs from the published" in labels["note"]
    assert state["problem"].startswith(images["path"])


def test_a_file_that_was_never_published_is_only_computed(tmp_path):
    (tmp_path / "test_batch.bin.gz").write_bytes(gzip.compress(bytes(3073 * 4)))
    state = status("cifar10", tmp_path)
    assert [(row["ok"], row["note"]) for row in state["files"]] == [(True, "no published checksum known")]
    assert (state["present"], state["problem"], state["samples"]) == (True, None, 4)


def test_without_a_published_checksum_the_size_tells(tmp_path):
    """Rows of another number than was published: it loads, as a part of the set, but is not the published file."""
    (tmp_path / "data_batch_1.bin").write_bytes(bytes(3073 * 4))
    state = status("cifar10", tmp_path)
    assert (state["present"], state["samples"]) == (True, 4)
    assert [row["ok"] for row in state["files"]] == [False]
    assert "12,292 bytes; the published file has 30,730,000" in state["problem"]


def test_a_damaged_file_is_named_and_not_ok(tmp_path):
    mnist(tmp_path)
    path = tmp_path / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-5])
    state = status("mnist", tmp_path)
    assert not state["present"]
    assert "truncated" in state["problem"]
    assert [row["ok"] for row in state["files"]] == [False, False]
    assert "truncated" in state["files"][0]["note"]
    assert state["samples"] == 70_000


def test_half_a_pair_is_listed(tmp_path):
    mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    state = status("mnist", tmp_path)
    assert not state["present"]
    assert "missing beside" in state["problem"]
    assert len(state["files"]) == 1


def test_real_files_have_the_published_checksums_packed_or_not(shared_data, tmp_path):
    (tmp_path / "mnist").mkdir()
    for path in (shared_data / "mnist").iterdir():
        (tmp_path / "mnist" / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    for root in (shared_data, tmp_path):
        state = status("mnist", root)
        assert [row["note"] for row in state["files"]] == ["SHA-256 as published"] * 2
        assert (state["present"], state["problem"], state["samples"]) == (True, None, 10_000)
    sizes = {file.name: file.bytes for file in (*records.MNIST.files, *records.MNIST.unpacked)}
    for path in (*(shared_data / "mnist").iterdir(), *(tmp_path / "mnist").iterdir()):
        assert path.stat().st_size == sizes[path.name]


def test_a_file_that_was_packed_again_is_as_good(shared_data, tmp_path):
    for path in (shared_data / "mnist").iterdir():
        (tmp_path / path.name).write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1))
    state = status("mnist", tmp_path)
    assert {row["note"] for row in state["files"]} == {"packed anew; the content has the published SHA-256"}
    assert state["problem"] is None


def test_a_file_of_another_set_is_recognised(shared_data, tmp_path):
    shutil.copytree(shared_data / "mnist", tmp_path / "fashion_mnist")
    state = status("fashion_mnist", tmp_path)
    assert {row["note"] for row in state["files"]} == {"by its SHA-256 this is a file of mnist"}
    assert not any(row["ok"] for row in state["files"])


def test_pictures_that_do_not_decode_are_all_listed(tmp_path, write):
    cats = {f"Cat/{i}.jpg": (9, 9, 9) for i in range(4)}
    dogs = {f"Dog/{i}.jpg": (9, 9, 9) for i in range(4)}
    write(tmp_path / "dogs_vs_cats", {**cats, **dogs, "Dog/7.jpg": b"broken", "Dog/8.jpg": b""})
    state = status("dogs_vs_cats", tmp_path)
    folder, first, second = state["files"]
    assert (folder["sha256"], folder["ok"], folder["path"]) == (None, True, str(tmp_path / "dogs_vs_cats"))
    assert (first["path"].endswith("Dog/7.jpg"), first["ok"], first["bytes"]) == (True, False, 6)
    assert second["path"].endswith("Dog/8.jpg")
    assert "does not decode" in state["problem"]
    assert len(status("dogs_vs_cats", tmp_path, decode_all=False)["files"]) == 1


@pytest.mark.parametrize("place", ["pictures", "pictures.zip"])
def test_an_image_folder_has_a_status_too(tmp_path, write, place):
    path = write(tmp_path / place, {f"{word}/{i}.png": (1, 2, 3) for word in "ab" for i in range(3)})
    state = status(str(path))
    assert (state["present"], state["samples"], state["shape"], state["classes"]) == (True, 6, [3, 6, 8], 2)
    assert (state["files"][0]["sha256"] is None) == (place == "pictures")
    with pytest.raises(LabError, match="did you mean 'digits'"):
        status("digit")


def test_files_that_may_not_be_read_are_named(tmp_path, monkeypatch):
    mnist(tmp_path)

    def refuse(path, *args):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("labkit.data.idx.head", refuse)
    with pytest.raises(LabError, match=r"t10k-images-idx3-ubyte cannot be read: Permission denied"):
        load("mnist", root=tmp_path)


def test_where_data_sets_are_looked_for(tmp_path, monkeypatch, root):
    monkeypatch.delenv("LABKIT_DATASETS", raising=False)
    assert data_root() == root / "datasets"
    monkeypatch.setenv("LABKIT_DATASETS", str(tmp_path / "mine"))
    assert data_root() == tmp_path / "mine"
    with pytest.raises(LabError, match="labkit data get mnist"):
        load("mnist")
    assert data_root(tmp_path) == tmp_path
    assert datasets_folder() == tmp_path / "mine"  # where the doctor looks
    with pytest.raises(LabError, match="no data set ''"):
        load("")


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_fetched(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match=r"file/mnist is no folder that can be written to — .*LABKIT_DATASETS"):
        download("mnist", root=tmp_path / "file")


def test_records_are_whole_and_frozen():
    for record in records.RECORDS.values():
        assert len(record.mean) == len(record.std) == record.shape[0]
        assert record.labels == () or len(record.labels) == record.classes
        for file in (*record.files, *record.unpacked):
            assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
            assert file.bytes > 0
        assert all(file.urls for file in record.files)
    with pytest.raises(AttributeError):
        records.MNIST.name = "other"


def test_names_of_classes_are_the_published_ones():
    """Of Fashion-MNIST: the table "Labels" of its README. Of CIFAR-10: batches.meta.txt in its archive."""
    cifar = "airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck"
    assert records.CIFAR10.labels == tuple(cifar.split(","))
    fashion = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"
    assert records.FASHION_MNIST.labels == tuple(fashion.split(","))
    assert records.MNIST.labels == records.DIGITS.labels == tuple(map(str, range(10)))
    assert records.DOGS_VS_CATS.labels == ("cat", "dog")


def test_the_text_of_the_folder_agrees_with_the_records(root):
    text = (root / "datasets" / "README.md").read_text("utf-8")
    assert tables() in text, "run `python -m labkit.data.describe` and put what it prints into datasets/README.md"
    assert all(f"`{name}`" in text for name in records.names())


def test_constants_are_those_of_the_published_test_files(shared_data):
    for name, record in (("mnist", records.MNIST), ("cifar10", records.CIFAR10)):
        dataset = load(name, root=shared_data)
        x = np.concatenate([dataset.train.take(slice(None))[0], dataset.test.take(slice(None))[0]])
        assert np.abs(x.mean(axis=(0, 2, 3))).max() < 0.03, record.name
        assert np.abs(x.std(axis=(0, 2, 3)) - 1).max() < 0.03, record.name
