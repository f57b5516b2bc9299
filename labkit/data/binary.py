"""Files of raw bytes, packed with gzip or not, and the one way in which readers say what is wrong with them."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from labkit.errors import LabError

_CHUNK_BYTES = 1 << 20


def damaged(path: Path, offset: int, expected: str, found: str) -> LabError:
    """The error of every reader: the file, the byte, what should stand there and what does."""
    return LabError(
        f"{path}: at byte {offset:,} expected {expected}, found {found}",
        "the file is damaged or is not what its name says; remove it and get it again (`labkit data list` tells how)",
    )


def is_gzip(path: Path) -> bool:
    """Whether the file is packed, by its first two bytes: browsers unpack downloads and leave the name as it was."""
    with open(path, "rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def head(path: Path, count: int) -> bytes:
    """The first `count` bytes (fewer if there are no more) of the file's content, unpacked if it is packed."""
    return bytes(content(path, count)[:count]) if is_gzip(path) else _plain_head(path, count)


def content(path: Path, at_most: int) -> np.ndarray:
    """The file's content as uint8 [bytes]: memory-mapped, read-only; or, if packed, unpacked into memory.

    Of a packed file no more than `at_most` + 1 bytes are unpacked (the one more tells the caller that there is too
    much), and memory grows with what really comes out, never with what a header claims. Offsets in errors count
    unpacked bytes.
    """
    if not is_gzip(path):
        if path.stat().st_size == 0:
            return np.empty(0, np.uint8)
        return np.asarray(np.memmap(path, np.uint8, mode="r"))
    out = bytearray()
    try:
        with gzip.open(path, "rb") as stream:
            while len(out) <= at_most and (chunk := stream.read(min(_CHUNK_BYTES, at_most + 1 - len(out)))):
                out += chunk
    except EOFError:
        raise damaged(path, len(out), "more gzip data", "the end of the file (it is truncated)") from None
    except (zlib.error, gzip.BadGzipFile) as error:
        raise damaged(path, len(out), "gzip data", f"bytes that do not unpack ({error})") from None
    return np.frombuffer(out, np.uint8)


def _plain_head(path: Path, count: int) -> bytes:
    with open(path, "rb") as stream:
        return stream.read(count)


def check_labels(path: Path, labels: np.ndarray, classes: int, first: int, step: int) -> np.ndarray:
    """`labels` (uint8 [n]) as int64, if all are below `classes`.

    Label i stands at byte `first` + i * `step` of the file; the error names that byte.
    """
    wrong = np.flatnonzero(labels >= classes)
    if wrong.size:
        i = int(wrong[0])
        raise damaged(path, first + i * step, f"a label from 0 to {classes - 1}", f"{labels[i]} (of sample {i:,})")
    return labels.astype(np.int64)
