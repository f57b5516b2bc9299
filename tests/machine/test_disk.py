"""Files appear complete or not at all."""

import os

import pytest

from labkit.errors import LabError
from labkit.machine.disk import appear


def test_a_file_replaces_the_one_before(tmp_path):
    path = tmp_path / "new" / "file.txt"
    for text in ("one", "two"):
        assert appear(path, lambda part, text=text: part.write_text(text)) == path
        assert path.read_text() == text
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


def test_a_failure_leaves_the_one_before(tmp_path):
    path = appear(tmp_path / "file.txt", lambda part: part.write_text("one"))

    def half(part):
        part.write_text("tw")
        raise OSError(28, "No space left on device")

    with pytest.raises(LabError, match=r"cannot write .*file\.txt: .*No space left"):
        appear(path, half)
    assert path.read_text() == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_leftovers_of_dead_processes_go(tmp_path):
    mine = tmp_path / f".file.txt.{os.getpid()}.part"
    dead = tmp_path / ".file.txt.999999999.part"
    other = tmp_path / f".other.txt.{os.getpid()}.part"
    for part in (mine, dead, other):
        part.write_text("half")
    appear(tmp_path / "file.txt", lambda part: part.write_text("one"))
    assert not dead.exists() and not mine.exists() and other.exists()
