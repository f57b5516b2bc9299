"""Files that appear complete or not at all, and what is no file."""

import os
import threading

import pytest

from labkit.errors import LabError
from labkit.partition import files
from labkit.partition.files import check_writable, write_whole


def test_folders_are_made_and_an_older_file_is_replaced(tmp_path):
    path = tmp_path / "new" / "folder" / "plan.json"
    assert write_whole(path, "one\n") == path
    write_whole(str(path), "two\n")
    assert path.read_text() == "two\n"
    assert os.listdir(path.parent) == ["plan.json"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_older_file_stays_where_writing_ends_early(tmp_path, monkeypatch, error):
    path = write_whole(tmp_path / "plan.json", "old\n")

    def broken(*given):
        raise error

    monkeypatch.setattr(files.os, "replace", broken)
    with pytest.raises((LabError, KeyboardInterrupt)) as caught:
        write_whole(path, "new\n")
    if isinstance(error, OSError):
        assert str(caught.value).startswith(f"cannot write {path}: No space left on device — ")
    assert path.read_text() == "old\n"
    assert os.listdir(tmp_path) == ["plan.json"]


def test_a_link_stays_a_link(tmp_path):
    write_whole(tmp_path / "plan.json", "old\n")
    link = tmp_path / "link.json"
    link.symlink_to("plan.json")
    write_whole(link, "new\n")
    assert link.is_symlink() and (tmp_path / "plan.json").read_text() == "new\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    write_whole(pipe, "a plan\n")
    reader.join(timeout=30)
    assert read == ["a plan\n"] and pipe.is_fifo()


@pytest.mark.parametrize("name", ["", ".", "folder", "folder/.."])
def test_a_folder_is_no_file(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for refuse in (check_writable, lambda path: write_whole(path, "text")):
        with pytest.raises(LabError, match="it is a folder"):
            refuse(name)


def test_paths_that_no_system_has(tmp_path):
    for bad in (tmp_path / ("x" * 300), tmp_path / "zero\0byte"):
        with pytest.raises(LabError, match="cannot write"):
            write_whole(bad, "text")


def test_a_folder_that_may_not_be_written_to(tmp_path, monkeypatch):
    monkeypatch.setattr(files.os, "access", lambda path, mode: False)
    with pytest.raises(LabError, match="its folder may not be written to"):
        check_writable(tmp_path / "plan.json")
