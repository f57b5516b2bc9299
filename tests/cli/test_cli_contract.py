"""What every command promises: exit statuses, one line for what is wrong, one JSON document on stdout."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from labkit.cli_run import BROKEN_PIPE, INTERRUPTED, run
from labkit.errors import LabError

BAD = [
    ("networs",),
    ("networks", "lenet6"),
    ("networks", "lenet5", "--batch", "0"),
    ("networks", "lenet5", "--batch", "many"),
    ("networks", "--batch", "8"),
    ("networks", "--colour"),
    ("networks", "no/such/file.json"),
    ("lab", "--port", "99999"),
    ("lab", "no_such_notebook"),
]
JSON = [("networks",), ("networks", "lenet5"), ("networks", "resnet18", "--batch", "8"), ("doctor",)]


def one_line(text: str) -> str:
    """The only line on stderr, which begins with the program's name."""
    lines = text.splitlines()
    assert len(lines) == 1 and lines[0].startswith("labkit: "), text
    return lines[0]


@pytest.mark.parametrize("words", BAD, ids=" ".join)
def test_bad_input_ends_with_2_and_one_line_that_says_what_to_type(labkit, words):
    ran = labkit(*words)
    assert (ran.status, ran.out) == (2, "")
    assert " — " in one_line(ran.err)


@pytest.mark.parametrize("words", JSON, ids=" ".join)
def test_json_is_one_document_and_nothing_else(labkit, words):
    ran = labkit(*words, "--json")
    assert ran.status == 0, ran.err
    assert isinstance(json.loads(ran.out), dict | list)


def test_did_you_mean(labkit):
    assert "did you mean 'lenet5'?" in one_line(labkit("networks", "lenet6").err)


def test_debug_lets_the_traceback_through(labkit):
    with pytest.raises(LabError, match="lenet6"):
        labkit("networks", "lenet6", "--debug")


@pytest.mark.parametrize("words", [(), ("--help",), ("networks", "--help"), ("lab", "--help"), ("doctor", "--help")])
def test_help_says_what_to_type(labkit, words):
    ran = labkit(*words)
    assert ran.status == 0 and ran.out.startswith("Usage: labkit") and ran.err == ""


def test_version(labkit):
    from labkit import __version__

    assert labkit("--version").out == f"labkit {__version__}\n"


def ends(monkeypatch, ending) -> int:
    """Exit status of `run` where the command ends as the function `ending` does."""
    monkeypatch.setattr("labkit.cli_run._invoke", lambda app, words: ending())
    return run(None, ["anything"])


def failing(error: BaseException):
    def ending():
        raise error

    return ending


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (LabError("a is 1", "give 2"), 2, "labkit: a is 1 — give 2"),
        (LabError("two\nlines"), 2, "labkit: two lines"),
        (KeyboardInterrupt(), INTERRUPTED, "labkit: stopped by Ctrl-C"),
        (MemoryError("no 9 GB"), 2, "labkit: there is not enough memory: no 9 GB — take a smaller batch"),
        (PermissionError(13, "Permission denied", "x"), 2, "labkit: [Errno 13] Permission denied: 'x' — mend it"),
        (ZeroDivisionError("by zero"), 2, "labkit: ZeroDivisionError: by zero — a fault in labkit"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_ending_is_one_line(monkeypatch, capsys, error, status, words):
    assert ends(monkeypatch, failing(error)) == status
    assert one_line(capsys.readouterr().err).startswith(words)


def test_statuses_are_those_that_a_shell_gives():
    assert (INTERRUPTED, BROKEN_PIPE) == (128 + 2, 128 + 13)


def test_status_of_a_command_is_the_programs(monkeypatch):
    assert ends(monkeypatch, lambda: 1) == 1


def test_program_prints_json(program):
    ran = program("networks", "vgg16", "--json")
    assert (ran.status, ran.err) == (0, "")
    assert json.loads(ran.out)["parameters"] == 138_357_544


def test_program_refuses_with_one_line(program):
    ran = program("networks", "vgg61")
    assert (ran.status, ran.out) == (2, "")
    assert "vgg16" in one_line(ran.err)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGPIPE to imitate")
def test_a_reader_that_goes_away_is_no_error():
    command = [sys.executable, "-m", "labkit.cli", "networks", "googlenet", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (BROKEN_PIPE, "")


@pytest.mark.skipif(os.name == "nt", reason="closes descriptors with a POSIX shell")
def test_a_closed_output_is_no_fault_of_labkit():
    command = f'"{sys.executable}" -m labkit.cli networks lenet5 >&-'
    ran = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to another process")
def test_ctrl_c_ends_with_130_and_one_line():
    code = """
import sys, time
from labkit import cli_run
cli_run._invoke = lambda app, words: (print("ready", flush=True), time.sleep(30))
sys.exit(cli_run.run(None, ["anything"]))
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == INTERRUPTED
    assert one_line(said) == "labkit: stopped by Ctrl-C"


def test_a_table_for_a_program_is_not_cut(program):
    ran = program("networks", "googlenet")
    assert ran.status == 0
    assert "…" not in ran.out and "weight/activation" in ran.out
