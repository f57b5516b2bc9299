"""Any folder or zip of pictures with one subfolder per class."""

from pathlib import Path

import numpy as np

from labkit.data import records
from labkit.data.found import Found
from labkit.data.images import SUFFIXES, ImageSource, measure
from labkit.data.trees import Tree, open_tree
from labkit.errors import LabError

# What the folder of held-out pictures may be called, beside one called train.
HELD_OUT = ("test", "val", "valid", "validation")
# A folder whose first picture is larger than this per side must be asked for with a shape.
LARGEST_SIDE = 256


def pictures(tree: Tree) -> list[str]:
    """The names of pictures in a tree, sorted; hidden files and what macOS adds to zips are no pictures."""
    return [
        name
        for name in tree.files
        if name.lower().endswith(SUFFIXES)
        and not any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
    ]


def find_folder(path: Path, any_shape: bool) -> Found:
    """Any image folder or zip: one subfolder per class, perhaps below `train` and one of HELD_OUT.

    Classes are numbered in alphabetical order. Samples have the shape of the first picture; where that is larger than
    LARGEST_SIDE, the caller must state a shape, and says with `any_shape` that it does.
    """
    tree = _inner(open_tree(path))
    parts = _parts(tree)
    listed = [_by_class(tree.below(part)) for part in parts]
    classes = _classes(tree, parts, listed)
    names, labels = [], []
    for part, by_class in zip(parts, listed, strict=True):
        for label, word in enumerate(classes):
            inside = by_class.get(word, [])
            names += [f"{part}/{name}" if part else name for name in inside]
            labels += [label] * len(inside)
    shape = measure(tree.read(names[0]), tree.where(names[0]))
    if max(shape[1:]) > LARGEST_SIDE and not any_shape:
        raise LabError(
            f"{tree.where(names[0])} has {shape[2]} x {shape[1]} pixels: too many to train on unasked",
            "give a shape, as in shape=(3, 128, 128)",
        )
    trained = sum(map(len, listed[0].values()))
    return Found(
        path.stem,
        ImageSource(tree, tuple(names)),
        np.asarray(labels, np.int64),
        classes,
        shape,
        **records.PHOTOGRAPHS,
        where=str(path),
        official=tuple(np.split(np.arange(len(labels)), [trained])) if len(parts) == 2 else None,
    )


def _parts(tree: Tree) -> tuple[str, ...]:
    """The folders of an official split: ("train", a held-out one), or ("",) where the classes lie at the top."""
    names = pictures(tree)
    tops = {name.split("/")[0] for name in names}
    if "train" not in tops or not tops <= {"train", *HELD_OUT}:
        return ("",)
    labelled = tops - {name.split("/")[0] for name in names if name.count("/") < 2}
    return ("train", *[part for part in HELD_OUT if part in labelled][:1])


def _classes(tree: Tree, parts: tuple[str, ...], listed: list[dict[str, list[str]]]) -> tuple[str, ...]:
    """The classes of the first part, sorted. LabError for fewer than two, or for one that only the other part has."""
    classes = tuple(sorted(listed[0]))
    if len(classes) < 2:
        found = f"only the class {classes[0]!r}" if classes else "no classes"
        raise LabError(f"{tree.where(parts[0])} has {found}", "make one subfolder per class, for at least two classes")
    extra = set(listed[-1]) - set(classes)
    if extra:
        place = tree.where(parts[-1])
        raise LabError(f"{place} has the class {min(extra)!r}, which train has not", "name the folders alike")
    return classes


def _inner(tree: Tree) -> Tree:
    """The tree without folders that hold everything: an archive often has one around the classes."""
    names = pictures(tree)
    while names and all(name.count("/") >= 2 for name in names) and len({name.split("/")[0] for name in names}) == 1:
        tree = tree.below(names[0].split("/")[0])
        names = pictures(tree)
    if not names:
        raise LabError(
            f"{tree.path} has no pictures", f"put pictures ({', '.join(SUFFIXES)}) into one folder per class"
        )
    return tree


def _by_class(tree: Tree) -> dict[str, list[str]]:
    """{class: its pictures}: a class is a folder at the top. LabError for one without pictures, or for strays."""
    found = {name: [] for name in tree.folders if "/" not in name and not name.startswith((".", "__MACOSX"))}
    for name in pictures(tree):
        word, slash, _ = name.partition("/")
        if not slash:
            raise LabError(f"{tree.where(name)} lies in no class folder", "move it into the folder of its class")
        found[word].append(name)
    for word, inside in found.items():
        if not inside:
            raise LabError(f"the class folder {tree.where(word)} has no pictures", "put some in, or remove the folder")
    return found
