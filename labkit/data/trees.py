"""A tree of files: a folder, or a zip that is read in place and never unpacked."""

import os
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from labkit.errors import LabError

# No picture that a lab trains on is larger than this; a file that claims more is not read.
LARGEST_FILE_BYTES = 1 << 28
# Folders are searched this deep, so that a link to a folder above cannot make the search endless.
DEEPEST = 8

_HELP = "the file is damaged or is not what its name says; remove it and get it again"


@dataclass(frozen=True)
class Tree:
    """Files by name, relative to `base` inside `path`, with "/" between folders.

    files    names of files, sorted
    folders  names of folders, sorted, empty ones too (of a zip: those that are listed or have files)
    """

    path: Path
    files: tuple[str, ...]
    folders: tuple[str, ...]
    base: str = ""

    def read(self, name: str) -> bytes:
        """The content of a file. LabError if it cannot be read, naming it."""
        try:
            if self.path.is_dir():
                return _small(self.path / self.base / name).read_bytes()
            return _read_member(self.path, self.base + name)
        except OSError as error:
            raise LabError(f"{self.where(name)} cannot be read: {error.strerror or error}", _HELP) from None

    def where(self, name: str) -> str:
        """The file's full name, for people."""
        return f"{self.path}/{self.base}{name}"

    def below(self, folder: str) -> "Tree":
        """The tree of what lies in one folder, "" for this tree itself."""
        start = f"{folder}/" if folder else ""
        inside = (tuple(n[len(start) :] for n in names if n.startswith(start)) for names in (self.files, self.folders))
        return Tree(self.path, *inside, base=self.base + start)


def open_tree(path: Path) -> Tree:
    """The tree of a folder or a zip. LabError if it is neither, or has a name that leads out of it."""
    if path.is_dir():
        files, folders = [], []
        _walk(path, "", files, folders, DEEPEST)
    elif path.is_file():
        names = [info.filename for info in _open_zip(path, *_stamp(path)).infolist()]
        for name in names:
            _check_inside(path, name)
        files = [name for name in names if not name.endswith("/")]
        folders = {name.rstrip("/") for name in names if name.endswith("/")}
        folders |= {"/".join(name.split("/")[:i]) for name in files for i in range(1, name.count("/") + 1)}
    else:
        raise LabError(f"there is no folder or zip {path}", "give the path of a folder with one subfolder per class")
    return Tree(path, tuple(sorted(files)), tuple(sorted(folders)))


def _walk(folder: Path, start: str, files: list[str], folders: list[str], depth: int) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                folders.append(start + entry.name)
                if depth:
                    _walk(folder / entry.name, f"{start}{entry.name}/", files, folders, depth - 1)
            else:
                files.append(start + entry.name)


def _check_inside(path: Path, name: str) -> None:
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or name.startswith(("/", "\\")) or ":" in parts[0]:
        raise LabError(
            f"{path}: the member {name!r} climbs out of the zip, so nothing of it is read",
            "get the file from where it was published; a proper one has no such names",
        )


def _stamp(path: Path) -> tuple[int, int, int]:
    """What a zip's open handle is kept by: its state on disk, and the process (a handle must not be shared by two)."""
    state = path.stat()
    return state.st_size, state.st_mtime_ns, os.getpid()


@lru_cache(maxsize=4)
def _open_zip(path: Path, *stamp: int) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError) as error:
        size = stamp[0]
        raise LabError(f"{path} ({size:,} bytes) is not a zip that can be read: {error}", _HELP) from None


def _read_member(path: Path, name: str) -> bytes:
    archive = _open_zip(path, *_stamp(path))
    try:
        info = archive.getinfo(name)
        if info.file_size > LARGEST_FILE_BYTES:
            raise LabError(f"{path}/{name} claims {info.file_size:,} bytes, more than any picture has", _HELP)
        return archive.read(info)
    except KeyError:
        raise LabError(f"{path} has no member {name}", _HELP) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        at = f"member at byte {info.header_offset:,}"
        raise LabError(f"{path}/{name} ({at}) cannot be unpacked: {error}", _HELP) from None


def _small(path: Path) -> Path:
    size = path.stat().st_size
    if size > LARGEST_FILE_BYTES:
        raise LabError(f"{path} has {size:,} bytes, more than any picture has", _HELP)
    return path
