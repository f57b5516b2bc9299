"""`load`: from a name (or a path) to a Dataset that is fitted to a network's input."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from labkit.data import records
from labkit.data.cifar import find_cifar
from labkit.data.fit import LUMA, check_shape
from labkit.data.folders import find_folder
from labkit.data.found import Found, of_record
from labkit.data.idx import find_idx
from labkit.data.layouts import find_dogs, find_tiny
from labkit.data.places import places
from labkit.data.sources import ArraySource
from labkit.data.split import Dataset, Split, rng, split_indices
from labkit.data.synthetic import SyntheticSource
from labkit.errors import LabError, suggest

# Of a set without an official split, this part trains and the rest is held out.
TRAIN_FRACTION = 0.8


def load(
    name: str | os.PathLike,
    shape: Iterable[int] | None = None,
    classes: int | Iterable[str] | None = None,
    seed: int = 0,
    root: str | os.PathLike | None = None,
    *,
    samples: int | None = None,
    noise: float | None = None,
) -> Dataset:
    """The data set `name`, ready to train on.

    name     one of `catalogue()`'s names, or the path of an image folder or zip (one subfolder per class)
    shape    (C, H, W) to fit every sample to, usually the network's `input_shape`; None: the set's own
    classes  the first so many classes only, or the classes of these names; for `synthetic`: how many to make
    seed     decides the split (where the set has no official one), the choice of `samples`, and synthetic images
    root     the folder that is searched for files; None: LABKIT_DATASETS, else `datasets/` of the checkout
    samples  use at most so many, drawn at random from both parts in proportion; for `synthetic`: how many to make
    noise    for `synthetic` only: standard deviation of the noise per pixel (0.5)

    Raises LabError for anything that cannot be had as asked, and says what to type instead.
    """
    name = name if isinstance(name, str) else os.fspath(name)
    if noise is not None and name != "synthetic":
        raise LabError(f"noise={noise!r} has no meaning for the data set {name!r}", "leave it out")
    if name == "synthetic":
        found = _synthetic(shape, classes, seed, samples, 0.5 if noise is None else noise)
    else:
        found = find(name, root, any_shape=shape is not None).only(classes)
    return _dataset(found, shape, seed, samples)


def find(name: str | os.PathLike, root: str | os.PathLike | None = None, any_shape: bool = False) -> Found:
    """All samples of a set that is not generated, as its files say. LabError where they are missing or damaged.

    `any_shape`: a shape will be stated, so an image folder need not suggest one (see `find_folder`).
    """
    if name == "digits":
        return _digits()
    try:
        if name in _READERS:
            record = records.get(name)
            return _READERS[name](record, places(record, root))
        if is_path(name):
            return find_folder(Path(name).expanduser(), any_shape)
    except OSError as error:
        raise LabError(f"{error.filename} cannot be read: {error.strerror}", "check its permissions") from None
    known = suggest(str(name), records.names())
    raise LabError(f"there is no data set {name!r}", f"{known} (the path of an image folder will do, too)")


def is_path(name: str | os.PathLike) -> bool:
    """Whether `load` takes `name` for the path of an image folder or zip, rather than for the name of a set."""
    if name in ("digits", "synthetic") or name in _READERS:
        return False
    path = Path(name).expanduser()
    return bool(name and path.exists()) or "/" in str(name) or os.sep in str(name) or path.suffix == ".zip"


_READERS = {
    "mnist": find_idx,
    "fashion_mnist": find_idx,
    "cifar10": find_cifar,
    "tiny_imagenet": find_tiny,
    "dogs_vs_cats": find_dogs,
}


def _digits() -> Found:
    from sklearn.datasets import load_digits  # takes about a second to import: only who asks pays

    data = load_digits()
    source = ArraySource((data.images.astype(np.uint8)[:, None],), peak=16)
    return of_record(records.DIGITS, source, data.target.astype(np.int64), "the 8x8 digits inside scikit-learn")


def _synthetic(shape, classes, seed, samples, noise) -> Found:
    record = records.SYNTHETIC
    C = check_shape(record.shape if shape is None else shape)[0]
    wanted = record.classes if classes is None else classes
    labels = tuple(f"class {i}" for i in range(wanted)) if isinstance(wanted, int) else tuple(wanted)
    n = record.train if samples is None else samples
    if len(labels) < 2 or n < 2 or not noise >= 0:
        raise LabError(
            f"synthetic data with {len(labels)} classes, {n} samples and noise {noise!r} cannot be made",
            "choose at least 2 classes, at least 2 samples and noise of at least 0",
        )
    return Found(
        record.name,
        SyntheticSource(len(labels), seed, float(noise)),
        np.arange(n, dtype=np.int64) % len(labels),
        labels,
        (C, *record.shape[1:]),
        record.mean * C,
        record.std * C,
        f"generated from seed {seed} with noise {noise:g}",
    )


def _dataset(found: Found, shape: Iterable[int] | None, seed: int, samples: int | None) -> Dataset:
    shape = check_shape(found.shape if shape is None else shape, found.shape[0])
    n = len(found.labels)
    source = f"{found.where}; {n:,} samples"
    if found.official:
        train, test = found.official
        source += f", the official split into {len(train):,} for training and {len(test):,} held out"
    else:
        train, test = split_indices(n, TRAIN_FRACTION, seed)
        source += f", split by seed {seed} into {len(train):,} for training and {len(test):,} held out"
    if samples is not None and samples < n:
        train, test = _fewer(train, test, samples, seed)
        source += f"; of these, {len(train):,} and {len(test):,} are used"
    return Dataset(found.name, _split(found, train, shape), _split(found, test, shape), found.classes, source)


def _fewer(train: np.ndarray, test: np.ndarray, samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    if samples < 2:
        raise LabError(f"samples={samples!r} leaves nothing to train on or nothing to test on", "use at least 2")
    first = min(max(round(samples * len(train) / (len(train) + len(test))), 1), samples - 1)
    draw = rng("subset", seed)
    return tuple(np.sort(draw.permutation(part)[:count]) for part, count in ((train, first), (test, samples - first)))


def _split(found: Found, indices: np.ndarray, shape: tuple[int, int, int]) -> Split:
    mean, std = (_per_channel(values, shape[0]) for values in (found.mean, found.std))
    return Split(found.source, found.at(indices), found.labels[indices], shape, mean, std, len(found.classes))


def _per_channel(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """Constants for `channels` channels. Three become one by luma (for the deviation: exact if channels agree)."""
    if len(values) == channels:
        return values
    return values * channels if len(values) == 1 else (sum(w * v for w, v in zip(LUMA, values, strict=True)),)
