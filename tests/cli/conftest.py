"""How the tests of the command line call it: in this process, or as a program of its own."""

import subprocess
import sys
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Ran:
    """Exit status and what was printed."""

    status: int
    out: str
    err: str


@pytest.fixture
def labkit(capsys):
    """`labkit("networks", "lenet5")` -> Ran, in this process."""
    from labkit.cli import main

    def call(*arguments: str) -> Ran:
        capsys.readouterr()
        status = main(arguments)
        printed = capsys.readouterr()
        return Ran(status, printed.out, printed.err)

    return call


@pytest.fixture
def program():
    """`program("networks")` -> Ran, in a Python of its own."""

    def call(*arguments: str, timeout_s: float = 60, **more) -> Ran:
        command = [sys.executable, "-m", "labkit.cli", *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, encoding="utf-8", **more)
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    return call
