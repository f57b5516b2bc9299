"""CIFAR-10's binary files: rows of one label byte and 3072 pixel bytes (red, green and blue planes of 32x32).

Krizhevsky describes the layout on the page of CIFAR-10, "binary version". The files are read memory-mapped where they
are unpacked, in memory where they are packed one by one (.gz), or straight out of `cifar-10-binary.tar.gz`.
"""

import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from labkit.data.binary import check_labels, content, damaged
from labkit.data.checksums import is_published, sha256_of
from labkit.data.found import Found, of_record
from labkit.data.places import Places
from labkit.data.records import FileRecord, Record
from labkit.data.sources import ArraySource

ROW_BYTES = 1 + 3 * 32 * 32
# A packed file that holds more rows than the whole data set is not one of its files.
MOST_ROWS = 60_000
TRAIN_NAMES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST_NAME = "test_batch.bin"


def read_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [n, 3, 32, 32] (a view of the file's bytes) and labels int64 [n] of one batch file."""
    return rows(path, content(path, MOST_ROWS * ROW_BYTES))


def rows(path: Path, data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same of the bytes `data` (uint8), which came from `path`. LabError for a wrong size or label."""
    if data.size > MOST_ROWS * ROW_BYTES:
        raise damaged(path, MOST_ROWS * ROW_BYTES, f"the end of at most {MOST_ROWS:,} images", "more bytes")
    if data.size == 0 or data.size % ROW_BYTES:
        whole = data.size // ROW_BYTES
        raise damaged(
            path,
            whole * ROW_BYTES,
            f"images of {ROW_BYTES:,} bytes each",
            f"{data.size % ROW_BYTES:,} bytes after {whole:,} whole images (truncated, or another format)",
        )
    table = data.reshape(-1, ROW_BYTES)
    return table[:, 1:].reshape(-1, 3, 32, 32), check_labels(path, table[:, 0], 10, first=0, step=ROW_BYTES)


def read_archive(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The batches inside `cifar-10-binary.tar.gz`, read in place: {file name: (images, labels)}."""
    return {name: rows(path / name, np.frombuffer(data, np.uint8)) for name, data in _members(path)}


def unpack(path: Path, folder: Path, published: tuple[FileRecord, ...]) -> list[Path]:
    """Unpack the batches of the archive `path` into `folder`; returns where they lie.

    Where all published batches lie there already, nothing is done. A batch that comes out with another size than the
    published one (or SHA-256, where that is known) is an error and is not kept.
    """
    targets = [folder / file.name for file in published]
    if all(map(is_published, published, targets)):
        return targets
    known = {file.name: file for file in published}
    for name, data in _members(path):
        part = folder / f"{name}.part"
        part.write_bytes(data)
        if not is_published(known[name], part):
            found = f"{len(data):,} bytes with SHA-256 {sha256_of(part)}"
            part.unlink()
            wanted = f"{known[name].bytes:,} bytes with SHA-256 {known[name].sha256 or 'of any value'}"
            raise damaged(path / name, 0, wanted, found)
        part.replace(folder / name)
    return [target for target in targets if target.is_file()]


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """(name, content) of every batch in the archive, one after another; only their own names decide where they go."""
    name = ""
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                here = Path(member.name).name
                if member.isfile() and here in (*TRAIN_NAMES, TEST_NAME):
                    name = here
                    if member.size > MOST_ROWS * ROW_BYTES:
                        raise damaged(path, member.offset, f"at most {MOST_ROWS:,} images", f"{member.size:,} bytes")
                    yield name, archive.extractfile(member).read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        after = f"after {name}" if name else "at its start"
        raise damaged(path, 0, "a tar archive packed with gzip", f"one that breaks off {after} ({error})") from None
    if not name:
        raise damaged(path, 0, f"an archive with {TEST_NAME} in it", "none of CIFAR-10's binary files")


def batch_files(places: Places) -> dict[str, Path]:
    """The batch files that lie there, by name."""
    found = {name: places.find(name) for name in (*TRAIN_NAMES, TEST_NAME)}
    return {name: path for name, path in found.items() if path}


def find_cifar(record: Record, places: Places) -> Found:
    """CIFAR-10 from the files that lie there: all of them, or those of one part."""
    files = batch_files(places)
    archive = places.find(record.files[0].name)
    if not files and not archive:
        raise places.missing()
    read = {name: read_batch(path) for name, path in files.items()} if files else read_archive(archive)
    where = ", ".join(map(str, files.values())) if files else str(archive)
    read = {name: read[name] for name in (*TRAIN_NAMES, TEST_NAME) if name in read}
    labels = np.concatenate([labels for _, labels in read.values()])
    trained = len(labels) - (len(read[TEST_NAME][1]) if TEST_NAME in read else 0)
    if not 0 < trained < len(labels):
        where += f" (only the files of the official {'training' if trained else 'test'} part)"
    return of_record(record, ArraySource(tuple(images for images, _ in read.values())), labels, where, trained)
