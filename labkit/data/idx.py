"""MNIST's file format, IDX: a magic number, the sizes, then the bytes of all samples.

The header is 4 bytes of magic (0, 0, 8 for unsigned bytes, the number of dimensions) and one big-endian 32-bit size per
dimension. LeCun, Cortes and Burges describe it on the page of MNIST.
"""

import struct
from math import prod
from pathlib import Path

import numpy as np

from labkit.data.binary import check_labels, content, damaged, head
from labkit.data.found import Found, of_record
from labkit.data.places import Places
from labkit.data.records import Record
from labkit.data.sources import ArraySource
from labkit.errors import LabError

# What the two parts of the set are called in file names.
PARTS = ("train", "t10k")


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The uint8 array in an IDX file with this many dimensions: memory-mapped, or in memory if the file is packed.

    Raises LabError for a wrong magic number, a size of zero, and content shorter or longer than the header says.
    """
    start = 4 + 4 * dimensions
    header = head(path, start)
    if len(header) < start:
        raise damaged(path, len(header), f"an IDX header of {start} bytes", "the end of the file")
    magic, *sizes = struct.unpack(f">{dimensions + 1}I", header)
    expected_magic = 0x0800 | dimensions
    if magic != expected_magic:
        raise damaged(path, 0, f"the magic number 0x{expected_magic:08X}", f"0x{magic:08X}")
    for i, size in enumerate(sizes):
        if size == 0:
            raise damaged(path, 4 + 4 * i, "a size of at least 1", "0")
    end = start + prod(sizes)
    data = content(path, end)
    if data.size != end:
        wrong = "more than that" if data.size > end else f"{data.size:,} (it is truncated)"
        size = " x ".join(f"{size:,}" for size in sizes)
        raise damaged(path, min(data.size, end), f"{end:,} bytes for {size} samples and header", wrong)
    return data[start:].reshape(sizes)


def read_pair(images: Path, labels: Path, shape: tuple[int, int, int], classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [n, 1, H, W] and labels int64 [n] of two IDX files that belong together."""
    pixels = read_idx(images, 3)
    for i, (size, wanted) in enumerate(zip(pixels.shape[1:], shape[1:], strict=True)):
        if size != wanted:
            raise damaged(images, 8 + 4 * i, f"images of {shape[1]}x{shape[2]}", "x".join(map(str, pixels.shape[1:])))
    marks = read_idx(labels, 1)
    if len(marks) != len(pixels):
        raise damaged(labels, 4, f"{len(pixels):,} labels, one per image in {images}", f"{len(marks):,}")
    return pixels[:, None], check_labels(labels, marks, classes, first=8, step=1)


def part_files(places: Places) -> list[Path]:
    """Every file of the two parts that lies there, with or without its partner."""
    return [path for files in _lying(places).values() for path in files if path]


def _lying(places: Places) -> dict[str, list[Path | None]]:
    return {
        part: [
            places.find(f"{part}-{kind}-idx{n}-ubyte", f"{part}-{kind}.idx{n}-ubyte")
            for kind, n in (("images", 3), ("labels", 1))
        ]
        for part in PARTS
    }


def pairs(places: Places) -> dict[str, list[Path]]:
    """The files [images, labels] that lie there, by part. LabError where one of the two is missing."""
    found = {part: files for part, files in _lying(places).items() if any(files)}
    for part, files in found.items():
        if not all(files):
            missing = f"{part}-labels-idx1-ubyte" if files[0] else f"{part}-images-idx3-ubyte"
            raise LabError(
                f"{missing} (with .gz or not) is missing beside {files[0] or files[1]}",
                f"put it there, or type `labkit data get {places.record.name}`",
            )
    return found


def find_idx(record: Record, places: Places) -> Found:
    """MNIST or a set in its format, from the files that lie there: both parts, or one of them."""
    there = pairs(places)
    if not there:
        raise places.missing()
    read = [read_pair(*files, record.shape, record.classes) for files in there.values()]
    labels = np.concatenate([labels for _, labels in read])
    where = ", ".join(str(path) for files in there.values() for path in files)
    if len(there) == 1:
        where += f" (only the files of the official {'training' if 'train' in there else 'test'} part)"
    trained = len(read[0][1]) if "train" in there else 0
    return of_record(record, ArraySource(tuple(images for images, _ in read)), labels, where, trained)
