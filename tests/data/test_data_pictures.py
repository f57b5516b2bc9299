"""Folders and zips of pictures with one subfolder per class: read in place, and damage named."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from labkit.data import load
from labkit.data.images import decode, measure
from labkit.data.trees import open_tree
from labkit.errors import LabError

RED, GREEN = (255, 0, 0), (0, 255, 0)
TWO = {f"{word}/{i}.png": colour for word, colour in (("red", RED), ("green", GREEN)) for i in range(5)}
PLACES = pytest.mark.parametrize("place", ["pictures", "pictures.zip"])


@PLACES
@pytest.mark.parametrize("around", ["", "colours/", "a/b/"])
def test_one_subfolder_per_class(tmp_path, write, place, around):
    extra = {f"{around}.hidden/x.png": b"", "__MACOSX/red/._0.png": b"", f"{around}notes.txt": b"no picture"}
    path = write(tmp_path / place, {**extra, **{around + name: data for name, data in TWO.items()}})
    dataset = load(path)
    assert dataset.name == "pictures"
    assert dataset.classes == ("green", "red")
    assert (len(dataset.train), len(dataset.test)) == (8, 2)
    assert str(path) in dataset.source
    assert dataset.train.shape == (3, 6, 8)
    x, y = dataset.train.take(range(8))
    shown = x * np.reshape(dataset.train.std, (3, 1, 1)) + np.reshape(dataset.train.mean, (3, 1, 1))
    for sample, label in zip(shown, y, strict=True):
        assert np.allclose(sample[0], label, atol=1e-5)  # red is class 1
        assert np.allclose(sample[1], 1 - label, atol=1e-5)


@PLACES
def test_train_and_held_out_folders_are_an_official_split(tmp_path, write, place):
    files = {f"train/{name}": data for name, data in TWO.items()} | {"val/red/x.png": RED, "test/1.png": b"?"}
    dataset = load(write(tmp_path / place, files), shape=(3, 4, 4))
    assert (len(dataset.train), len(dataset.test)) == (10, 1)
    assert "official split" in dataset.source
    assert dataset.test.labels.tolist() == [1]
    swapped = load(tmp_path / place, shape=(3, 4, 4), classes=["red", "green"])
    assert (len(swapped.train), swapped.test.labels.tolist(), swapped.classes) == (10, [0], ("red", "green"))
    assert swapped.train.take([0])[1].tolist() == [1]


def test_grey_pictures_have_one_channel_and_every_size_fits(tmp_path, write, picture):
    files = {f"{word}/{i}.png": picture(i * 20, (5 + i, 7), mode="L") for word in "ab" for i in range(6)}
    path = write(tmp_path / "grey", files)
    assert load(path).train.shape == (1, 7, 5)
    x, _ = load(path, shape=(3, 9, 9)).train.take(range(9))
    assert x.shape == (9, 3, 9, 9)


def test_large_pictures_ask_for_a_shape(tmp_path, write, picture):
    path = write(tmp_path / "large", {f"{word}/1.png": picture(size=(300, 10)) for word in "ab"})
    with pytest.raises(LabError, match=r"shape=\(3, 128, 128\)"):
        load(path)
    assert load(path, shape=(3, 16, 16)).train.shape == (3, 16, 16)


@pytest.mark.parametrize(
    ("files", "say"),
    [
        ({"a/1.png": RED}, "only the class 'a'"),
        ({"a/1.png": RED, "b/notes.txt": b""}, "class folder .*b has no pictures"),
        ({"a/1.png": RED, "b/1.png": RED, "stray.png": RED}, "stray.png lies in no class folder"),
        ({"notes.txt": b""}, "has no pictures"),
        ({"train/a/1.png": RED, "train/b/1.png": RED, "test/c/1.png": RED}, "class 'c'"),
    ],
)
@PLACES
def test_folders_that_cannot_be_used_are_named(tmp_path, write, files, say, place):
    with pytest.raises(LabError, match=say):
        load(write(tmp_path / place, files))


def test_an_empty_class_folder_is_named(tmp_path, write):
    path = write(tmp_path / "pictures", TWO)
    (path / "blue").mkdir()
    with pytest.raises(LabError, match=r"class folder .*blue has no pictures"):
        load(path)


def test_a_path_that_is_not_there(tmp_path):
    for path in (tmp_path / "nowhere", tmp_path / "nowhere.zip"):
        with pytest.raises(LabError, match="no folder or zip"):
            load(path)


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "C:/evil.png", "a\\..\\..\\x.png"]
)
def test_a_zip_with_a_path_that_climbs_out_is_refused(tmp_path, write, name):
    path = write(tmp_path / "evil.zip", {**TWO, name: RED})
    with pytest.raises(LabError, match="climbs out"):
        load(path)


@PLACES
@pytest.mark.parametrize(
    ("kind", "start", "end"), [("PNG", 0, 0), ("PNG", 0, 40), ("JPEG", 0, 300), ("PNG", 4, 60)], ids=str
)
def test_a_picture_that_does_not_decode_is_named_when_it_is_taken(tmp_path, write, picture, place, kind, start, end):
    data = picture((1, 2, 3), (64, 64), kind)[start:end]
    path = write(tmp_path / place, {**TWO, "red/broken.png": data})
    dataset = load(path, shape=(3, 8, 8))
    with pytest.raises(LabError, match=r"red/broken\.png .*does not decode"):
        for split in (dataset.train, dataset.test):
            split.take(range(len(split)))


def test_damaged_zips(tmp_path, write, picture):
    path = write(tmp_path / "pictures.zip", TWO)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LabError, match="not a zip"):
        load(path)
    at = whole.index(picture(RED)) + 30
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
    dataset = load(path, shape=(3, 8, 8))
    with pytest.raises(LabError, match=r"red/.*cannot be unpacked.*CRC"):
        for split in (dataset.train, dataset.test):
            split.take(range(len(split)))


def test_a_zip_that_changes_is_opened_again(tmp_path, write):
    path = write(tmp_path / "pictures.zip", TWO)
    assert len(load(path).train) == 8
    write(path, {**TWO, "red/more.png": RED})
    assert len(load(path).train) + len(load(path).test) == 11


def test_a_link_to_the_folder_above_does_not_make_the_search_endless(tmp_path, write):
    path = write(tmp_path / "pictures", TWO)
    os.symlink(path, path / "red" / "again")
    assert len(open_tree(path).files) < 1000


def test_decoding_keeps_to_the_rules_of_fit():
    ramp = Image.fromarray(np.tile(np.arange(0, 240, 8, dtype=np.uint8), (30, 1)))
    out = io.BytesIO()
    ramp.save(out, "PNG")
    data = out.getvalue()
    assert np.array_equal(decode(data, "x", (1, 30, 30))[0], ramp)
    padded = decode(data, "x", (1, 32, 34))[0]
    assert np.array_equal(padded[1:31, 2:32], ramp)
    assert padded.sum() == np.asarray(ramp).sum()
    smaller = decode(data, "x", (3, 15, 10))
    assert np.array_equal(smaller[2], np.asarray(ramp.resize((10, 15), Image.Resampling.BILINEAR)))


def test_a_jpeg_is_decoded_no_finer_than_needed_and_comes_out_alike():
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(
        (400, 300), Image.Resampling.BICUBIC
    )
    out = io.BytesIO()
    smooth.save(out, "JPEG", quality=95)
    got = decode(out.getvalue(), "x", (3, 64, 64)).transpose(1, 2, 0)
    want = np.asarray(smooth.resize((64, 64), Image.Resampling.BILINEAR))
    assert np.abs(got.astype(int) - want).mean() < 3


def test_cameras_turn_pictures(picture):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    data = picture(size=(40, 20), kind="JPEG", exif=exif)
    assert measure(data, "x") == (3, 40, 20)
    assert decode(data, "x", (3, 40, 20)).shape == (3, 40, 20)
    out = io.BytesIO()
    lying = Image.new("L", (40, 20))
    lying.paste(255, (0, 0, 20, 20))  # bright on the left as it is stored: at the top once it stands upright
    lying.save(out, "PNG", exif=exif)
    upright = decode(out.getvalue(), "x", (1, 40, 20))[0]
    assert (upright[:20] == 255).all() and (upright[20:] == 0).all()


def test_pictures_that_are_too_much(picture, monkeypatch):
    with pytest.raises(LabError, match="8 bits"):
        decode(picture(700, mode="I;16"), "deep.png", (1, 8, 8))
    monkeypatch.setattr("labkit.data.images.MOST_PIXELS", 40)
    with pytest.raises(LabError, match="8 x 6 pixels"):
        decode(picture(), "big.png", (3, 8, 8))


@PLACES
def test_files_that_are_too_large_are_not_read(tmp_path, write, place, monkeypatch):
    path = write(tmp_path / place, TWO)
    monkeypatch.setattr("labkit.data.trees.LARGEST_FILE_BYTES", 10)
    with pytest.raises(LabError, match="more than any picture has"):
        load(path)
