"""`Found`: what a reader makes of the files of a data set, before it is split and fitted."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from labkit.data.records import Record
from labkit.data.split import Source
from labkit.errors import LabError, suggest


@dataclass(frozen=True, eq=False)
class Found:
    """All samples of a data set, training and test together.

    labels    int64 [n]: the class of each sample
    shape     (C, H, W) that samples have unless another one is asked for
    mean, std per channel, of values in [0, 1]
    where     in words: which files, and where they lie
    official  the published split as two arrays of positions in `labels`, or None
    numbers   int64 [n]: where each sample stands in the source; None: in this order
    """

    name: str
    source: Source
    labels: np.ndarray
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    where: str
    official: tuple[np.ndarray, np.ndarray] | None = None
    numbers: np.ndarray | None = None

    def at(self, positions: np.ndarray) -> np.ndarray:
        """Where the samples at these positions stand in the source."""
        return positions if self.numbers is None else self.numbers[positions]

    def only(self, classes: int | Iterable[str] | None) -> "Found":
        """The samples of these classes only (the first so many, or those named), labelled from 0 in that order."""
        if classes is None:
            return self
        kept = _chosen(self, classes)
        relabel = np.full(len(self.classes), -1, np.int64)
        relabel[kept] = np.arange(len(kept))
        labels = relabel[self.labels]
        stay = labels >= 0
        moved = np.cumsum(stay) - 1  # the new position of every sample that stays
        official = self.official and tuple(moved[part[stay[part]]] for part in self.official)
        return replace(
            self,
            labels=labels[stay],
            classes=tuple(self.classes[i] for i in kept),
            official=official,
            numbers=self.at(np.flatnonzero(stay)),
            where=f"{self.where}, {len(kept)} of {len(self.classes)} classes",
        )


def of_record(
    record: Record,
    source: Source,
    labels: np.ndarray,
    where: str,
    trained: int | None = None,
    classes: tuple[str, ...] = (),
) -> Found:
    """The samples of a set of the catalogue.

    `trained`: the first so many are the official training part and the rest is the official test part; None, or one of
    the two empty: there is no official split. `classes`: names, where the record has none.
    """
    official = None
    if trained is not None and 0 < trained < len(labels):
        official = tuple(np.split(np.arange(len(labels)), [trained]))
    names = classes or record.labels
    return Found(record.name, source, labels, names, record.shape, record.mean, record.std, where, official)


def _chosen(found: Found, classes: int | Iterable[str]) -> list[int]:
    known = found.classes
    if isinstance(classes, int | np.integer):
        if not 1 < classes <= len(known):
            raise LabError(
                f"{found.name} cannot be cut to {classes} classes: it has {len(known)}",
                f"choose 2 to {len(known)} classes, or leave `classes` out",
            )
        return list(range(classes))
    wanted = [classes] if isinstance(classes, str) else list(classes)
    for word in wanted:
        if word not in known:
            raise LabError(f"{found.name} has no class {word!r}", suggest(str(word), known))
    if len(wanted) < 2 or len(set(wanted)) < len(wanted):
        raise LabError(f"classes {wanted!r} are not two or more different classes", "name each class once")
    return [known.index(word) for word in wanted]
