"""MNIST's files: read as they are published, and every way of being wrong told with file, byte and expectation."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.data import batches, load
from labkit.data.idx import read_idx, read_pair
from labkit.errors import LabError

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def idx(array: np.ndarray) -> bytes:
    """`array` (uint8) in IDX form."""
    return struct.pack(f">{1 + array.ndim}I", 0x0800 | array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def make(folder, n: int = 20, part: str = "train", packed: bool = False, seed: int = 0):
    """A small pair of MNIST files in `folder`; returns (images, labels)."""
    rng = np.random.default_rng(seed)
    images, labels = rng.integers(0, 256, (n, 28, 28)), np.arange(n) % 10
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
        data = idx(array)
        (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(data) if packed else data)
    return images, labels


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("place", ["", "mnist", "MNIST/raw"])
def test_both_parts_give_the_official_split(tmp_path, packed, place):
    images, labels = make(tmp_path / place, 20, "train", packed)
    make(tmp_path / place, 7, "t10k", packed, seed=1)
    dataset = load("mnist", root=tmp_path)
    assert (len(dataset.train), len(dataset.test)) == (20, 7)
    assert "official split" in dataset.source
    x, y = dataset.train.take(range(20))
    picture = x * np.float32(0.3081) + np.float32(0.1307)
    assert np.allclose(picture[:, 0], images / 255, atol=1e-5)
    assert np.array_equal(y, labels)


def test_one_part_alone_is_split_and_says_so(tmp_path):
    make(tmp_path, 50, "t10k")
    dataset = load("mnist", root=tmp_path)
    assert (len(dataset.train), len(dataset.test)) == (40, 10)
    assert "only the files of the official test part" in dataset.source
    assert "seed 0 into 40 for training and 10 held out" in dataset.source
    other = load("mnist", root=tmp_path, seed=5)
    assert not np.array_equal(dataset.train.indices, other.train.indices)


def test_unpacked_files_are_mapped_not_read(tmp_path):
    make(tmp_path, 3000)
    tracemalloc.start()
    try:
        dataset = load("mnist", root=tmp_path)
        count = sum(len(x) for x, _ in batches(dataset.train, 32))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 2400
    assert peak < 3000 * 28 * 28 / 2  # bytes: less than half of the file, although every sample was taken


def test_names_that_other_sites_use_and_content_unpacked_by_a_browser(tmp_path):
    make(tmp_path, 5)
    (tmp_path / "train-images-idx3-ubyte").rename(tmp_path / "train-images.idx3-ubyte")
    (tmp_path / "train-labels-idx1-ubyte").rename(tmp_path / "train-labels-idx1-ubyte.gz")  # not packed, despite .gz
    assert len(load("mnist", root=tmp_path).train) == 4


def test_fashion_mnist_is_not_taken_from_mnists_place(tmp_path, monkeypatch):
    make(tmp_path, 5)
    monkeypatch.setenv("LABKIT_DATASETS", str(tmp_path))
    assert len(load("mnist").train) == 4
    with pytest.raises(LabError, match="labkit data get fashion_mnist"):
        load("fashion_mnist")
    make(tmp_path / "fashion_mnist", 10)
    assert load("fashion_mnist").classes[9] == "Ankle boot"


def test_missing_files_say_what_to_do(tmp_path):
    with pytest.raises(LabError, match=r"labkit data get mnist.*t10k-images-idx3-ubyte\.gz"):
        load("mnist", root=tmp_path)
    with pytest.raises(LabError, match="no folder"):
        load("mnist", root=tmp_path / "nowhere")
    make(tmp_path, 5)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(LabError, match=r"train-labels-idx1-ubyte .* is missing beside"):
        load("mnist", root=tmp_path)


GOOD = idx(np.arange(2 * 3 * 4).reshape(2, 3, 4))


@pytest.mark.parametrize(
    ("data", "byte", "say"),
    [
        (b"", "0", "header of 16 bytes"),
        (GOOD[:9], "9", "header of 16 bytes"),
        (b"\0\0\x08\x01" + GOOD[4:], "0", "magic number 0x00000803, found 0x00000801"),
        (b"\0\0\x0d\x03" + GOOD[4:], "0", "found 0x00000D03"),
        (GOOD[:-1], "39", r"expected 40 bytes.*found 39 \(it is truncated\)"),
        (GOOD + b"x", "40", "expected 40 bytes.*more than that"),
        (GOOD[:4] + b"\0\0\0\0" + GOOD[8:], "4", "size of at least 1, found 0"),
        (GOOD[:4] + b"\xff\xff\xff\xff" + GOOD[8:], "40", "51,539,607,556 bytes"),
        (GOOD[:12] + b"\0\0\0\2" + GOOD[16:], "28", "28 bytes"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_damage_is_told_by_file_byte_and_expectation(tmp_path, data, byte, say, packed):
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(LabError, match=say) as error:
        read_idx(path, 3)
    assert f"{path}: at byte {byte} " in str(error.value)


def test_damage_of_the_packing_itself(tmp_path):
    path = tmp_path / "images.gz"
    whole = gzip.compress(idx(np.random.default_rng(0).integers(0, 256, (10, 20, 20))))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LabError, match="truncated"):
        read_idx(path, 3)
    path.write_bytes(whole[:100] + bytes(50) + whole[150:])  # the pixels are damaged, the header is not
    with pytest.raises(LabError, match="do not unpack"):
        read_idx(path, 3)
    packed = bytearray(gzip.compress(GOOD))
    packed[-6] ^= 1  # the checksum at the end
    path.write_bytes(packed)
    with pytest.raises(LabError, match="do not unpack"):
        read_pair(path, path, (1, 3, 4), 10)


def test_images_and_labels_must_belong_together(tmp_path):
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.write_bytes(GOOD)
    labels.write_bytes(idx(np.array([1, 2, 3])))
    with pytest.raises(LabError, match=r"labels: at byte 4 expected 2 labels.*found 3"):
        read_pair(images, labels, (1, 3, 4), 10)
    labels.write_bytes(idx(np.array([9, 10])))
    with pytest.raises(LabError, match=r"labels: at byte 9 expected a label from 0 to 9, found 10"):
        read_pair(images, labels, (1, 3, 4), 10)
    with pytest.raises(LabError, match=r"images: at byte 8 expected images of 28x28, found 3x4"):
        read_pair(images, labels, (1, 28, 28), 10)


@QUICK
@given(data=st.data(), packed=st.booleans())
def test_any_damage_gives_a_result_or_a_laberror(tmp_path, data, packed):
    """Fuzz: cut the file or change its bytes; what comes out is sound, and memory stays in proportion to the file."""
    whole = bytearray(gzip.compress(GOOD) if packed else GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    path = tmp_path / "fuzzed"
    path.write_bytes(whole[:cut])
    tracemalloc.start()
    try:
        result = read_idx(path, 3)
        assert result.ndim == 3
        assert packed or result.size == cut - 16
    except LabError as error:
        assert str(path) in str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 3 << 20  # bytes; a header may claim 2**96


def test_real_mnist(shared_data):
    dataset = load("mnist", shape=(1, 32, 32), root=shared_data)
    assert (len(dataset.train), len(dataset.test)) == (8000, 2000)
    assert sorted(np.concatenate([dataset.train.indices, dataset.test.indices])) == list(range(10_000))
    counts = np.bincount(np.concatenate([dataset.train.labels, dataset.test.labels]))
    assert counts.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]  # of the published test part
    x, y = load("mnist", root=shared_data).train.take(range(8000))
    assert abs(x.mean()) < 0.02
    assert abs(x.std() - 1) < 0.02
    assert y.dtype == np.int64


def test_real_mnist_epoch_holds_one_batch(shared_data):
    split = load("mnist", shape=(1, 32, 32), root=shared_data).train
    tracemalloc.start()
    try:
        count = sum(len(y) for _, y in batches(split, 64))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 8000
    assert peak < 8000 * 28 * 28 / 4  # bytes: a quarter of the set even as uint8
