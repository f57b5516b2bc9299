"""Where files are looked for: the folder of data sets, and under which names a set may lie there."""

import os
from dataclasses import dataclass
from pathlib import Path

from labkit.data.records import Record
from labkit.errors import LabError
from labkit.machine.folders import datasets_folder

# Subfolders that other programs make for the same sets, searched after the one with the set's own name.
_ALSO = {
    "mnist": ("MNIST/raw", "MNIST"),
    "fashion_mnist": ("FashionMNIST/raw", "fashion-mnist", "FashionMNIST"),
    "cifar10": ("cifar10/cifar-10-batches-bin", "cifar-10-batches-bin", "cifar-10"),
    "tiny_imagenet": ("tiny-imagenet-200", "tiny-imagenet"),
    "dogs_vs_cats": ("dogs-vs-cats", "PetImages"),
}


def data_root(root: str | os.PathLike | None = None, must_exist: bool = True) -> Path:
    """The folder that holds the data sets: `root`, else `labkit.machine.folders.datasets_folder()`.

    The folder need not exist yet (a download makes it), except where `root` was given and `must_exist` holds.
    """
    if root is not None:
        folder = Path(root).expanduser()
        if must_exist and not folder.is_dir():
            raise LabError(f"there is no folder {folder}", "give the folder of the data sets (root=, or --root)")
        return folder
    return datasets_folder()


@dataclass(frozen=True)
class Places:
    """The folders in which the files of one data set may lie, in the order in which they are searched."""

    record: Record
    root: Path
    folders: tuple[Path, ...]

    def find(self, *names: str) -> Path | None:
        """The first file with one of these names, with .gz or not; None if there is none."""
        for folder in self.folders:
            for name in names:
                for path in (folder / name, folder / f"{name}.gz"):
                    if path.is_file():
                        return path
        return None

    def missing(self) -> LabError:
        """The error where nothing of the set lies there."""
        name = self.record.name
        files = " and ".join(file.name for file in self.record.files[-2:])
        return LabError(
            f"{name} is not in {self.root}",
            f"type `labkit data get {name}`, or put {files} into {self.root / name}; `digits` needs no download",
        )


def places(record: Record, root: str | os.PathLike | None = None) -> Places:
    """Where to look for the set of this record.

    Fashion-MNIST's files have the names of MNIST's. Files that lie in the folder of all sets itself are therefore
    taken for Fashion-MNIST only where that folder was named by the caller.
    """
    base = data_root(root)
    folders = [base / record.name, *(base / also for also in _ALSO.get(record.name, ()))]
    if root is not None or record.name != "fashion_mnist":
        folders.append(base)
    return Places(record, base, tuple(folders))
