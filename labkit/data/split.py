"""`Dataset` and `Split`: samples that are asked for by number, and the batches of an epoch.

A split keeps a *source* (where the bytes are: an array, a memory-mapped file, a folder of images, a generator) and the
numbers of its samples there. Nothing is converted before somebody takes it, so a set of any size costs what its bytes
cost, and an epoch never holds more than one batch in float32.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from labkit.errors import LabError

# What random numbers are drawn for; each purpose has a stream of its own, so that equal seeds do not mean equal draws.
PURPOSES = ("split", "order", "subset", "pattern", "noise")


class Source(Protocol):
    """Where samples come from. `fetch` returns float32 [n, *shape], contiguous, for n numbers (int64) of samples."""

    def fetch(self, indices: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray: ...


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Some samples of a data set, fitted to one shape.

    source   where the images are
    indices  int64 [n]: the numbers of this split's samples in the source
    labels   int64 [n]: the class of each
    shape    (C, H, W) of every sample that `take` returns
    mean, std   one number per channel: what is subtracted from values in [0, 1], and what that is divided by. A picture
             of a sample x is therefore x * std + mean.
    classes  how many classes there are (the labels are 0 .. classes - 1)
    """

    source: Source
    indices: np.ndarray
    labels: np.ndarray
    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: int

    def __len__(self) -> int:
        return len(self.indices)

    def __repr__(self) -> str:
        C, H, W = self.shape
        return f"Split({len(self):,} samples of {C}x{H}x{W}, {self.classes} classes)"

    def take(self, indices: object) -> tuple[np.ndarray, np.ndarray]:
        """The samples with these numbers (0 .. len - 1; a list, an array or a slice), in this order.

        Returns x float32 [n, C, H, W], contiguous and standardised, and y int64 [n]. Only these samples are read,
        decoded and converted. Raises LabError for a number that is out of range, and for a file that cannot be read.
        """
        chosen = self._numbers(indices)
        x = self.source.fetch(self.indices[chosen], self.shape)
        column = (-1, 1, 1)
        x -= np.asarray(self.mean, np.float32).reshape(column)
        x /= np.asarray(self.std, np.float32).reshape(column)
        return x, self.labels[chosen]

    def subset(self, indices: object) -> "Split":
        """The split of only these samples (a list, an array or a slice of numbers), in this order."""
        chosen = self._numbers(indices)
        return Split(
            self.source, self.indices[chosen], self.labels[chosen], self.shape, self.mean, self.std, self.classes
        )

    def _numbers(self, indices: object) -> np.ndarray:
        if isinstance(indices, slice):
            return np.arange(*indices.indices(len(self)))
        chosen = np.asarray(indices)
        if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "iu"):
            raise LabError(
                f"samples are asked for by a list of whole numbers, not by {_brief(indices)}",
                "type split.take([0, 1, 2]) or split.take(slice(0, 3))",
            )
        if chosen.size and (chosen.min() < 0 or chosen.max() >= len(self)):
            wrong = chosen[(chosen < 0) | (chosen >= len(self))][0]
            raise LabError(f"there is no sample {wrong} in {self!r}", f"choose numbers from 0 to {len(self) - 1}")
        return chosen.astype(np.int64, copy=False)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set that is ready to train on.

    classes  the names of the classes, in the order of their labels
    source   in words: where the samples come from and how they were split
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    source: str


def split_indices(n: int, fraction: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two disjoint sorted int64 arrays that hold 0 .. n - 1 between them: `fraction` of the samples, and the rest.

    The choice depends on (n, fraction, seed) only. Both parts have at least one sample, so n must be at least 2.
    """
    if not 0 < fraction < 1:
        raise LabError(f"a split needs a fraction between 0 and 1, not {fraction!r}", "0.8 keeps four fifths")
    if n < 2:
        raise LabError(f"{n} samples cannot be split into two parts", "use at least 2 samples")
    first = min(max(round(n * fraction), 1), n - 1)
    order = rng("split", seed).permutation(n)
    return np.sort(order[:first]), np.sort(order[first:])


def shard(n: int, rank: int, ranks: int) -> slice:
    """The contiguous part of n samples that `rank` of `ranks` owns.

    The parts follow each other, cover all n, and their sizes differ by at most one; with n < ranks some are empty.
    """
    if ranks < 1 or not 0 <= rank < ranks:
        raise LabError(f"there is no rank {rank} among {ranks}", f"choose a rank from 0 to {max(ranks, 1) - 1}")
    return slice(n * rank // ranks, n * (rank + 1) // ranks)


def batches(
    split: Split,
    batch: int,
    *,
    seed: int = 0,
    epoch: int = 0,
    shuffle: bool = True,
    rank: int = 0,
    ranks: int = 1,
    skip: int = 0,
    part: Callable[[int], slice] | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """One epoch of (x float32 [n, C, H, W], y int64 [n]), a batch at a time.

    `batch` is the global batch; each rank gets its `shard` of every global batch, so all ranks take the same number
    of steps. The order of the samples depends on (seed, epoch) only, never on the ranks or the batch. The last batch
    holds what is left, and where that is less than one sample per rank, some ranks get n = 0 samples. The first `skip`
    batches, which a resumed epoch has seen, are left out without being read. part(n): which of a global batch's n
    samples to take, where that is not the shard of a rank.
    """
    if not isinstance(batch, int | np.integer) or batch < 1:
        raise LabError(f"a batch of {batch!r} samples cannot be trained on", "choose a whole number of at least 1")
    shard(0, rank, ranks)  # a wrong rank is told before the first batch
    part = part or (lambda n: shard(n, rank, ranks))
    return _batches(split, batch, seed, epoch, shuffle, skip, part)


def _batches(split, batch, seed, epoch, shuffle, skip, part):
    order = rng("order", seed, epoch).permutation(len(split)) if shuffle else np.arange(len(split))
    for start in range(skip * batch, len(order), batch):
        numbers = order[start : start + batch]
        yield split.take(numbers[part(len(numbers))])


def rng(purpose: str, *seeds: int) -> np.random.Generator:
    """A random generator that depends only on what it is for (one of PURPOSES) and on whole numbers from 0 up."""
    for seed in seeds:
        if not isinstance(seed, int | np.integer) or seed < 0:
            raise LabError(f"{seed!r} cannot seed the {purpose}: it is not a whole number from 0 up", "use seed=0")
    return np.random.default_rng([PURPOSES.index(purpose), *(int(seed) for seed in seeds)])


def _brief(value: object) -> str:
    return repr(value) if len(repr(value)) < 60 else type(value).__name__
