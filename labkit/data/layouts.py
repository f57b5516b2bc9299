"""How two published sets of pictures lie in folders or zips: Tiny ImageNet and Dogs vs Cats."""

from collections.abc import Sequence

import numpy as np

from labkit.data.folders import pictures
from labkit.data.found import Found, of_record
from labkit.data.images import ImageSource
from labkit.data.places import Places
from labkit.data.records import Record
from labkit.data.trees import Tree, open_tree
from labkit.errors import LabError


def find_tiny(record: Record, places: Places) -> Found:
    """Tiny ImageNet: train/<wnid>/images/*.JPEG, and val/images with val/val_annotations.txt. `test` has no labels."""
    tree = _tree(places, "tiny-imagenet-200.zip", "tiny_imagenet.zip")
    found = [name for name in pictures(tree) if "train/" in name and name.split("/")[-2] == "images"]
    if not found:
        raise LabError(f"{tree.path} has no pictures in train/<class>/images", "unpack the whole archive there")
    tree = tree.below(found[0].split("train/")[0].rstrip("/"))
    train = [name for name in pictures(tree) if name.startswith("train/")]
    wnids = sorted(folder.split("/")[1] for folder in tree.folders if folder.count("/") == 1 and folder[:6] == "train/")
    number = {wnid: label for label, wnid in enumerate(wnids)}
    labels = [number[name.split("/")[1]] for name in train]
    for wnid in set(wnids) - {name.split("/")[1] for name in train}:
        raise LabError(f"the class folder {tree.where(f'train/{wnid}')} has no pictures", "unpack the archive again")
    val = _annotated(tree, number)
    names = (*train, *val)
    labels = np.asarray([*labels, *val.values()], np.int64)
    where = str(tree.path) + (" (val is held out; test has no labels)" if val else " (only train)")
    return of_record(record, ImageSource(tree, names), labels, where, len(train), _words(tree, wnids))


def _annotated(tree: Tree, number: dict[str, int]) -> dict[str, int]:
    """{picture: label} of val, from its list of annotations; empty if there is none."""
    notes = "val/val_annotations.txt"
    if notes not in tree.files:
        return {}
    files, found = set(tree.files), {}
    for i, line in enumerate(tree.read(notes).decode("utf-8", "replace").splitlines(), start=1):
        fields = line.split("\t")
        name = f"val/images/{fields[0]}"
        if len(fields) < 2 or fields[1] not in number or name not in files:
            raise LabError(
                f"{tree.where(notes)}, line {i}: expected a picture of val/images and its class, found {line[:80]!r}",
                "unpack the archive again",
            )
        found[name] = number[fields[1]]
    return found


def _words(tree: Tree, wnids: Sequence[str]) -> tuple[str, ...]:
    """What words.txt calls the classes (the first word only; the wnid where it has none, or the word is taken)."""
    words = {}
    if "words.txt" in tree.files:
        lines = tree.read("words.txt").decode("utf-8", "replace").splitlines()
        words = dict(line.split("\t", 1) for line in lines if "\t" in line)
    names = []
    for wnid in wnids:
        word = words.get(wnid, wnid).split(",")[0].strip()
        names.append(f"{word} ({wnid})" if word in names else word)
    return tuple(names)


def find_dogs(record: Record, places: Places) -> Found:
    """Dogs vs Cats: folders Cat and Dog (Microsoft's archive), or train/cat.0.jpg, train/dog.0.jpg (Kaggle's)."""
    archives = [file.name for file in (*record.files, *record.unpacked)]
    tree = _tree(places, *archives, "dogs_vs_cats.zip", "dogs-vs-cats.zip", "train.zip")
    names, labels = [], []
    for name in pictures(tree):
        label = _animal(name)
        if label is not None and not f"/{name}".endswith(tuple(f"/{left}" for left in record.left_out)):
            names.append(name)
            labels.append(label)
    for label, word in enumerate(record.labels):
        if label not in labels:
            raise LabError(
                f"{tree.path} has no pictures of class {word!r}",
                "it needs folders Cat and Dog, or files named cat.0.jpg and dog.0.jpg (unpack a zip within the zip)",
            )
    return of_record(record, ImageSource(tree, tuple(names)), np.asarray(labels, np.int64), str(tree.path))


def _animal(name: str) -> int | None:
    """0 for a cat, 1 for a dog, by the file's folder or the start of its name; None if neither tells."""
    *folders, file = name.lower().split("/")
    for word in (file.split(".")[0], *folders[-1:]):
        if word in ("cat", "cats", "dog", "dogs"):
            return int(word.startswith("dog"))
    return None


def _tree(places: Places, *zips: str) -> Tree:
    """The first folder of the set with pictures in it, else the first zip that lies there."""
    own = [folder for folder in places.folders if folder != places.root and folder.is_dir()]
    if (places.root / "train").is_dir():
        own.append(places.root)
    for folder in own:
        tree = open_tree(folder)
        if pictures(tree):
            return tree
    archive = places.find(*zips)
    if archive is None:
        raise places.missing()
    return open_tree(archive)
