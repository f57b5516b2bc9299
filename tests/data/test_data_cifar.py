"""CIFAR-10's binary batches, one by one, packed or not, or still in the archive."""

import gzip
import hashlib
import io
import tarfile
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.data import batches, load
from labkit.data.cifar import ROW_BYTES, read_batch, unpack
from labkit.data.records import FileRecord
from labkit.errors import LabError


def batch(n: int, seed: int = 0) -> tuple[np.ndarray, bytes]:
    """(table uint8 [n, 3073], its bytes); label of row i is i mod 10."""
    table = np.random.default_rng(seed).integers(0, 256, (n, ROW_BYTES), dtype=np.uint8)
    table[:, 0] = np.arange(n) % 10
    return table, table.tobytes()


def archive(path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def full_set(count: int = 4) -> dict[str, bytes]:
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    return {f"cifar-10-batches-bin/{name}": batch(count, seed)[1] for seed, name in enumerate(names)}


@pytest.mark.parametrize("place", ["", "cifar10", "cifar-10-batches-bin", "cifar10/cifar-10-batches-bin"])
@pytest.mark.parametrize("packed", [False, True])
def test_the_full_set_keeps_its_split_and_order(tmp_path, place, packed):
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    for name, data in full_set().items():
        name = name.split("/")[1]
        (tmp_path / place / (name + ".gz" * packed)).write_bytes(gzip.compress(data) if packed else data)
    dataset = load("cifar10", root=tmp_path)
    assert (len(dataset.train), len(dataset.test)) == (20, 4)
    x, y = dataset.train.take([0, 19, 6])  # from three files, not in order
    scaled = [batch(4, seed)[0][row, 1:].reshape(3, 32, 32) / 255 for seed, row in ((0, 0), (4, 3), (1, 2))]
    mean, std = (np.asarray(values).reshape(3, 1, 1) for values in (dataset.train.mean, dataset.train.std))
    assert np.allclose(x, (scaled - mean) / std, atol=1e-5)
    assert y.tolist() == [0, 3, 2]
    x, y = dataset.test.take([1])
    assert np.allclose(x[0], (batch(4, 5)[0][1, 1:].reshape(3, 32, 32) / 255 - mean) / std, atol=1e-5)


def test_the_archive_is_read_in_place_and_unpacked_on_request(tmp_path):
    path = tmp_path / "cifar-10-binary.tar.gz"
    archive(path, {**full_set(), "cifar-10-batches-bin/readme.html": b"<html>"})
    inside = load("cifar10", root=tmp_path)
    assert (len(inside.train), len(inside.test)) == (20, 4)
    published = tuple(
        FileRecord(name.split("/")[1], len(data), None if "data" in name else hashlib.sha256(data).hexdigest())
        for name, data in full_set().items()
    )
    folder = tmp_path / "cifar10"
    folder.mkdir()
    (folder / "data_batch_2.bin").write_bytes(b"half")  # of a copy that broke off
    lying = unpack(path, folder, published)
    assert lying == [folder / file.name for file in published]
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        name.split("/")[1]: data for name, data in full_set().items()
    }
    outside = load("cifar10", root=tmp_path)
    assert "data_batch_1.bin" in outside.source
    assert np.array_equal(outside.train.take(range(20))[0], inside.train.take(range(20))[0])
    path.write_bytes(b"")  # with all batches in place the archive is not opened again
    assert unpack(path, folder, published) == lying


@pytest.mark.parametrize(("size", "sha256"), [(4 * ROW_BYTES, "0" * 64), (30_730_000, None)])
def test_what_comes_out_of_an_archive_is_checked_and_not_kept(tmp_path, size, sha256):
    path = tmp_path / "cifar-10-binary.tar.gz"
    archive(path, {"../../test_batch.bin": batch(4)[1]})
    folder = tmp_path / "deep" / "cifar10"
    folder.mkdir(parents=True)
    with pytest.raises(LabError, match=r"test_batch\.bin: .*expected .* bytes with SHA-256 .*, found 12,292 bytes"):
        unpack(path, folder, (FileRecord("test_batch.bin", size, sha256),))
    assert list(folder.iterdir()) == []
    assert sorted(file.name for file in tmp_path.iterdir()) == ["cifar-10-binary.tar.gz", "deep"]


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_broken_archives(tmp_path, keep):
    path = tmp_path / "cifar-10-binary.tar.gz"
    archive(path, full_set())
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(LabError, match="tar archive"):
        load("cifar10", root=tmp_path)


def test_a_folder_with_a_batchs_name_is_no_batch(tmp_path):
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as tar:
        folder = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    with pytest.raises(LabError, match="none of CIFAR-10's binary files"):
        load("cifar10", root=tmp_path)


def test_an_archive_without_batches(tmp_path):
    archive(tmp_path / "cifar-10-binary.tar.gz", {"cifar-10-batches-py/data_batch_1": b"pickled"})
    with pytest.raises(LabError, match="none of CIFAR-10's binary files"):
        load("cifar10", root=tmp_path)


@pytest.mark.parametrize(
    ("data", "byte", "say"),
    [
        (b"", "0", "0 bytes after 0 whole images"),
        (batch(2)[1][:-1], "3,073", "3,072 bytes after 1 whole images"),
        (batch(2)[1] + b"x", "6,146", "1 bytes after 2 whole images"),
        (batch(2)[1] + b"\x0a" + bytes(ROW_BYTES - 1), "6,146", r"label from 0 to 9, found 10 \(of sample 2\)"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_damage_is_told_by_file_byte_and_expectation(tmp_path, data, byte, say, packed):
    path = tmp_path / "test_batch.bin"
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(LabError, match=say) as error:
        read_batch(path)
    assert f"{path}: at byte {byte} " in str(error.value)


def test_a_small_file_that_unpacks_to_a_huge_one_is_stopped(tmp_path):
    path = tmp_path / "test_batch.bin.gz"
    with gzip.open(path, "wb", compresslevel=9) as stream:
        for _ in range(200):
            stream.write(bytes(1 << 20))
    with pytest.raises(LabError, match="60,000 images"):
        read_batch(path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), packed=st.booleans())
def test_any_damage_gives_a_result_or_a_laberror(tmp_path, data, packed):
    whole = batch(2)[1]
    whole = bytearray(gzip.compress(whole) if packed else whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.one_of(st.sampled_from([0, 1, 2, 3, -1]), st.integers(0, len(whole) - 1)))
        whole[at] = data.draw(st.integers(0, 255))
    path = tmp_path / "fuzzed"
    path.write_bytes(whole[: data.draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole))))])
    tracemalloc.start()
    try:
        images, labels = read_batch(path)
        assert images.shape == (len(labels), 3, 32, 32)
        assert labels.max() < 10
    except LabError as error:
        assert str(path) in str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 3 << 20  # bytes


def test_an_epoch_over_mapped_files_never_copies_them(tmp_path):
    n = 2000
    (tmp_path / "test_batch.bin").write_bytes(batch(n)[1])
    dataset = load("cifar10", root=tmp_path)
    tracemalloc.start()
    try:
        count = sum(len(x) for x, _ in batches(dataset.train, 16))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 1600
    assert peak < n * ROW_BYTES / 4  # bytes


def test_real_cifar10(shared_data):
    dataset = load("cifar10", root=shared_data)
    assert (len(dataset.train), len(dataset.test)) == (8000, 2000)
    labels = np.concatenate([dataset.train.labels, dataset.test.labels])
    assert np.bincount(labels).tolist() == [1000] * 10
    assert "only the files of the official test part" in dataset.source
    x, _ = dataset.train.take(range(8000))
    assert abs(x.mean()) < 0.05
    assert abs(x.std() - 1) < 0.05


def test_real_cifar10_in_the_shape_of_other_networks(shared_data):
    for shape in ((1, 28, 28), (3, 56, 56), (1, 32, 32)):
        x, _ = load("cifar10", shape=shape, root=shared_data).test.take(range(64))
        assert x.shape == (64, *shape)
        assert abs(x.mean()) < 0.3
