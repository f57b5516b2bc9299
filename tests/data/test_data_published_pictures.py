"""Tiny ImageNet and Dogs vs Cats in the layouts in which they are published."""

import numpy as np
import pytest

from labkit.data import load
from labkit.errors import LabError

RED, GREEN = (255, 0, 0), (0, 255, 0)
TINY = {
    **{f"train/{w}/images/{w}_{i}.JPEG": colour for w, colour in (("n1", RED), ("n2", GREEN)) for i in (0, 1)},
    "val/images/val_0.JPEG": GREEN,
    "val/images/val_1.JPEG": RED,
    "val/val_annotations.txt": b"val_0.JPEG\tn2\t0\t0\t62\t62\nval_1.JPEG\tn1\t0\t0\t62\t62\n",
    "test/images/test_0.JPEG": b"unlabelled",
    "words.txt": b"n1\tgoldfish, Carassius auratus\nn2\tbullfrog\nn3\tnothing\n",
}
MICROSOFT = {f"PetImages/{w}/{i}.jpg": c for w, c in (("Cat", RED), ("Dog", GREEN)) for i in range(5)}
KAGGLE = {f"train/{w}.{i}.jpg": c for w, c in (("cat", RED), ("dog", GREEN)) for i in range(5)}


@pytest.mark.parametrize(
    ("place", "around"),
    [
        ("tiny_imagenet", ""),
        ("tiny_imagenet", "tiny-imagenet-200/"),
        ("tiny-imagenet-200", ""),
        ("tiny-imagenet-200.zip", "tiny-imagenet-200/"),
        (".", ""),
    ],
)
def test_tiny_imagenet(tmp_path, write, place, around):
    write(tmp_path / place, {around + name: data for name, data in TINY.items()})
    dataset = load("tiny_imagenet", root=tmp_path)
    assert dataset.classes == ("goldfish", "bullfrog")
    assert (len(dataset.train), len(dataset.test)) == (4, 2)
    assert dataset.train.shape == (3, 56, 56)
    x, y = dataset.test.take([0, 1])
    assert y.tolist() == [1, 0]
    assert x[0, 1].mean() > x[0, 0].mean()  # the first is green, the second red
    assert x[1, 0].mean() > x[1, 1].mean()


@pytest.mark.parametrize(
    ("change", "say"),
    [
        ({"val/val_annotations.txt": b"val_0.JPEG\tn2\t0\nval_1.JPEG n1\n"}, "line 2: expected a picture of val"),
        ({"val/val_annotations.txt": b"val_0.JPEG\tn9\t0\n"}, "line 1"),
        ({"val/val_annotations.txt": b"val_7.JPEG\tn1\t0\n"}, "line 1"),
        ({"train/n3/n3_boxes.txt": b""}, r"class folder .*n3 has no pictures"),
    ],
)
def test_tiny_imagenet_with_something_wrong(tmp_path, write, change, say):
    write(tmp_path / "tiny_imagenet", {**TINY, **change})
    with pytest.raises(LabError, match=say):
        load("tiny_imagenet", root=tmp_path)


def test_tiny_imagenet_without_val_is_split(tmp_path, write):
    write(tmp_path / "tiny_imagenet", {name: data for name, data in TINY.items() if name.startswith("train")})
    dataset = load("tiny_imagenet", root=tmp_path)
    assert (len(dataset.train), len(dataset.test), dataset.classes) == (3, 1, ("n1", "n2"))


def test_classes_of_the_same_word_keep_their_numbers_apart(tmp_path, write):
    write(tmp_path / "tiny_imagenet", {**TINY, "words.txt": b"n1\tcrane\nn2\tcrane\n"})
    assert load("tiny_imagenet", root=tmp_path).classes == ("crane", "crane (n2)")


@pytest.mark.parametrize(
    ("place", "files"),
    [
        ("dogs_vs_cats", {**MICROSOFT, "PetImages/Cat/666.jpg": b"", "PetImages/Dog/11702.jpg": b"", "about.txt": b""}),
        ("kagglecatsanddogs_5340.zip", {**MICROSOFT, "PetImages/Cat/666.jpg": b""}),
        ("dogs_vs_cats", {**KAGGLE, "test1/1.jpg": b"unlabelled"}),
        ("dogs-vs-cats/train.zip", KAGGLE),
    ],
)
def test_dogs_and_cats(tmp_path, write, place, files):
    write(tmp_path / place, files)
    dataset = load("dogs_vs_cats", root=tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert dataset.train.shape == (3, 128, 128)
    assert (len(dataset.train), len(dataset.test)) == (8, 2)
    x, y = dataset.train.take(range(8))
    assert np.array_equal(x[:, 1].mean(axis=(1, 2)) > x[:, 0].mean(axis=(1, 2)), y == 1)  # dogs are green here


def test_dogs_without_cats(tmp_path, write):
    write(tmp_path / "dogs_vs_cats", {name: data for name, data in MICROSOFT.items() if "Dog" in name})
    with pytest.raises(LabError, match="no pictures of class 'cat'"):
        load("dogs_vs_cats", root=tmp_path)


@pytest.mark.parametrize("name", ["tiny_imagenet", "dogs_vs_cats"])
def test_sets_that_are_not_there(tmp_path, name):
    with pytest.raises(LabError, match=f"labkit data get {name}"):
        load(name, root=tmp_path)
