"""What `labkit.partition` offers by name: importable without the heavy libraries, and its example runs."""

import doctest
import subprocess
import sys

import labkit.partition as room

HEAVY = ("numba", "scipy", "mtkahypar", "sklearn", "ipywidgets", "plotly")


def test_the_example_of_the_room_runs():
    found = doctest.testmod(room)
    assert found.failed == 0 and found.attempted >= 6


def test_every_public_name_is_there_and_documented():
    for name in room.__all__:
        assert getattr(room, name).__doc__ if not name.isupper() else getattr(room, name)


def test_the_room_opens_without_compilers_and_solvers():
    code = f"import sys, labkit.partition; print([m for m in {HEAVY} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout.strip() == "[]", ran.stdout + ran.stderr
