"""Knowing a file by its bytes: SHA-256, compared with what the catalogue says was published."""

import gzip
import hashlib
import zlib
from pathlib import Path
from typing import BinaryIO

from labkit.data.binary import is_gzip
from labkit.data.records import RECORDS, FileRecord, Record

_CHUNK_BYTES = 1 << 20


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as stream:
        return _digest(stream)


def unpacked_sha256_of(path: Path) -> str | None:
    """SHA-256 of what a gzip file holds; None if it is no gzip file or does not unpack."""
    if not is_gzip(path):
        return None
    try:
        with gzip.open(path, "rb") as stream:
            return _digest(stream)
    except (OSError, EOFError, zlib.error):
        return None


def is_published(file: FileRecord, path: Path) -> bool:
    """Whether `path` is a file with this record's size and, where that is known, its SHA-256."""
    if not path.is_file() or path.stat().st_size != file.bytes:
        return False
    return file.sha256 in (None, sha256_of(path))


def judge(record: Record, path: Path) -> tuple[str, bool, str]:
    """(SHA-256, ok, note) of a file of this data set.

    ok is False only if the file has the name of a published one, other bytes, and, unpacked, other bytes still (a file
    that somebody unpacked and packed again is as good as new). Where no checksum was published, the size has to do. The
    note says what could be compared.
    """
    digest = sha256_of(path)
    published = {file.name: file.sha256 for file in (*record.files, *record.unpacked) if file.sha256}
    if digest in published.values():
        return digest, True, "SHA-256 as published"
    owner = _owner(digest)
    if owner:
        return digest, False, f"by its SHA-256 this is a file of {owner}"
    size = {file.name: file.bytes for file in (*record.files, *record.unpacked) if file.name not in published}
    if size.get(path.name) not in (None, path.stat().st_size):
        return digest, False, f"{path.stat().st_size:,} bytes; the published file has {size[path.name]:,}"
    if path.name not in published:
        return digest, True, "no published checksum known"
    if unpacked_sha256_of(path) in published.values():
        return digest, True, "packed anew; the content has the published SHA-256"
    return digest, False, f"SHA-256 differs from the published {published[path.name]}"


def _owner(digest: str) -> str | None:
    for record in RECORDS.values():
        if digest in {file.sha256 for file in (*record.files, *record.unpacked)}:
            return record.name
    return None


def _digest(stream: BinaryIO) -> str:
    state = hashlib.sha256()
    while chunk := stream.read(_CHUNK_BYTES):
        state.update(chunk)
    return state.hexdigest()
