"""The ledger's file: kept across notebooks, never lost, never fatal."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.course import ledger, predict, store
from labkit.course.records import Ledger


def test_it_survives_the_session(ledger_file):
    predict("time", 3, question="How long?", unit="s")
    code = "from labkit.course import ledger; print(ledger())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "How long? | 3 s" in done.stdout
    assert Ledger.from_json(json.loads(ledger_file.read_text())) == store.load()
    assert not list(ledger_file.parent.glob("*.tmp")) + list(ledger_file.parent.glob("*.lock"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"version": 1}',
        '{"version": 99, "predictions": {}, "exercises": {}, "quizzes": {}}',
        '{"version": 1, "predictions": {"a": {"commits": 3}}, "exercises": {}, "quizzes": {}}',
        '{"version": 1, "predictions": [], "exercises": {}, "quizzes": {}}',
        '{"version": 1, "predictions": {}, "exercises": {"a": {"tries": 1}}, "quizzes": {}}',
        "\x00\x01",
    ],
)
def test_a_damaged_file_is_set_aside_and_kept(ledger_file, capsys, text):
    ledger_file.parent.mkdir(parents=True)
    ledger_file.write_text(text)
    assert ledger().entries == ()
    message = capsys.readouterr().err
    predict("time", 3, question="How long?", unit="s")
    assert len(ledger().entries) == 1
    aside = [path for path in ledger_file.parent.iterdir() if ".broken-" in path.name]
    assert [path.read_text() for path in aside] == [text]
    assert aside[0].name in message


def test_bytes_that_are_no_text_are_set_aside(ledger_file, capsys):
    ledger_file.parent.mkdir(parents=True)
    ledger_file.write_bytes(b"\xff\xfe\x80")
    assert ledger().entries == ()
    assert "kept as" in capsys.readouterr().err


def test_a_notebooks_folder_that_only_others_may_write_to_does_not_hold_it(tmp_path, monkeypatch):
    shared = tmp_path / "notebooks"
    shared.mkdir()
    monkeypatch.chdir(shared)
    monkeypatch.delenv("LABKIT_LEDGER")
    assert store.ledger_path() == shared / ".labkit" / "ledger.json"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert store.ledger_path() == Path.home() / ".labkit" / "ledger.json"


def test_while_nbgrader_grades_it_lives_in_memory_and_says_nothing(ledger_file, monkeypatch, capsys):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    predict("time", 3, question="How long?", unit="s")
    assert len(ledger().entries) == 1
    assert not ledger_file.exists()
    assert capsys.readouterr().err == ""


def test_where_nothing_can_be_written_it_lives_in_memory(tmp_path, monkeypatch, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("LABKIT_LEDGER", str(blocked / "ledger.json"))
    predict("time", 3, question="How long?", unit="s")
    predict("size", 4, question="How large?", unit="MB")
    assert [entry.id for entry in ledger().entries] == ["time", "size"]
    assert capsys.readouterr().err.count("kept in memory") == 1
    assert blocked.read_text() == "in the way"


def test_two_processes_do_not_lose_each_others_answers(ledger_file):
    code = "from labkit.course import predict\nfor i in range(8): predict(f'{N}-{i}', i, question='q', unit='s')"
    kernels = [subprocess.Popen([sys.executable, "-c", code.replace("{N}", str(n))]) for n in range(2)]
    assert [kernel.wait(timeout=120) for kernel in kernels] == [0, 0]
    assert len(ledger().entries) == 16


def test_a_lock_that_was_left_behind_holds_nobody_up_for_long(ledger_file, monkeypatch):
    monkeypatch.setattr(store, "LOCK_WAIT_S", 0.05)
    ledger_file.parent.mkdir(parents=True)
    ledger_file.with_name("ledger.json.lock").touch()
    predict("time", 3, question="How long?", unit="s")
    assert len(ledger().entries) == 1


def test_its_place(tmp_path, monkeypatch):
    monkeypatch.delenv("LABKIT_LEDGER")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert store.ledger_path() == Path.home() / ".labkit" / "ledger.json"
    (tmp_path / "notebooks").mkdir()
    assert store.ledger_path() == tmp_path / "notebooks" / ".labkit" / "ledger.json"
    os.chdir(tmp_path / "notebooks")
    assert store.ledger_path() == tmp_path / "notebooks" / ".labkit" / "ledger.json"
