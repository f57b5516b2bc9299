"""Files in the formats of the data sets, made small for the tests of this room."""

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image


def encode(colour=(255, 0, 0), size=(8, 6), kind="PNG", mode="RGB", **options) -> bytes:
    """An encoded picture of one colour; size is (width, height)."""
    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, kind, **options)
    return out.getvalue()


def make_files(path: Path, files: dict[str, object]) -> Path:
    """The files as a zip (where `path` ends so) or in a folder; a value is the file's bytes, or a picture's colour."""
    content = {}
    for name, value in files.items():
        kind = "PNG" if name.lower().endswith("png") else "JPEG"
        content[name] = value if isinstance(value, bytes) else encode(value, kind=kind)
    if path.suffix == ".zip":
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in content.items():
                archive.writestr(name, data)
    else:
        for name, data in content.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
    return path


@pytest.fixture
def picture():
    return encode


@pytest.fixture
def write():
    return make_files
