"""`download`: get a data set of the catalogue into the folder of data sets."""

import os
from pathlib import Path

from labkit.data import records
from labkit.data.checksums import is_published
from labkit.data.cifar import unpack
from labkit.data.fetch import fetch
from labkit.data.places import data_root, places
from labkit.data.records import FileRecord, Record


def download(
    name: str, progress: bool = True, root: str | os.PathLike | None = None, mirror: str | None = None
) -> tuple[Path, ...]:
    """Get the files of the data set `name`; returns where they lie (nothing for sets that need no files).

    They land in the subfolder `name` of `root` (see `load`). A file that lies in one of the places where `load` looks,
    and is the published one, is not fetched again; one that broke off is resumed. CIFAR-10's archive is unpacked beside
    itself, so that its files can be memory-mapped.

    `mirror` (or $LABKIT_MIRROR) is an address that is asked first, for MIRROR/NAME/FILE: a classroom can serve its own
    copies with `python -m http.server` in a folder of data sets. Raises LabError if a file cannot be had.
    """
    record = records.get(name)
    base = data_root(root, must_exist=False)
    mirror = mirror or os.environ.get("LABKIT_MIRROR")
    paths = []
    for file in record.files:
        there = _published(record, file, base)
        paths.append(there or fetch(_mirrored(record, file, mirror), base / name, progress))
    if name == "cifar10":
        paths += unpack(paths[0], base / name, record.unpacked)
    return tuple(paths)


def _published(record: Record, file: FileRecord, base: Path) -> Path | None:
    """Where the published file lies already, by its size and (where that is known) its SHA-256; None if it does not."""
    path = places(record, base).find(file.name) if base.is_dir() else None
    return path if path and is_published(file, path) else None


def _mirrored(record: Record, file: FileRecord, mirror: str | None) -> FileRecord:
    if not mirror:
        return file
    first = f"{mirror.rstrip('/')}/{record.name}/{file.name}"
    return FileRecord(file.name, file.bytes, file.sha256, (first, *file.urls))
