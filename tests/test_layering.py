"""The direction of the arrows between rooms, over every import of every file, at the top or inside a function."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

_BELOW_COURSE = (
    *("errors", "network", "machine", "data", "engine", "kernels", "partition"),
    *("schedule", "schemes", "limits", "run", "widgets"),
)
# Room -> the rooms of labkit that it may import. A new room is added here on purpose, below what it stands on.
ARROWS = {
    "errors": set(),
    "network": {"errors"},
    "machine": {"errors"},
    "data": {"errors", "network", "machine"},
    "engine": {"errors", "network", "machine", "data"},
    "kernels": {"errors", "network", "machine", "data", "engine"},
    "partition": {"errors", "network", "machine", "data", "engine"},
    "schedule": {"errors", "network", "machine", "data", "partition"},
    "schemes": {"errors", "network", "machine", "data", "partition", "schedule"},
    "limits": {"errors", "network", "machine", "data", "partition", "schedule", "schemes"},
    "run": {"errors", "network", "machine", "data", "engine", "kernels", "partition", "schedule"},
    "widgets": {"errors", "network", "machine", "data", "engine", "kernels", "partition", "schedule"},
    "course": {*_BELOW_COURSE},
    "cli": {*_BELOW_COURSE, "course"},
}
# Library -> the only rooms that may import it.
KEPT_TO = {
    "ipywidgets": {"widgets"},
    "anywidget": {"widgets"},
    "plotly": {"widgets"},
    "IPython": {"widgets", "course"},
    "typer": {"cli"},
    "rich": {"cli"},
    "mpi4py": {"run"},
    "ipyparallel": {"run"},
    "nccl": {"run"},
    "torch": set(),
    "pickle": set(),  # a pickle runs code when it is opened; checkpoints are safetensors
}
HEAVY = (
    *("numpy", "scipy", "numba", "sklearn", "ipywidgets", "anywidget", "plotly"),
    *("IPython", "jupyterlab", "mpi4py", "ipyparallel"),
)


def package(root: Path) -> Path:
    return root / "labkit"


def room_of(file: Path, folder: Path) -> str:
    """Room that a file of the package belongs to; `cli.py` and `cli_*.py` are one room, `__init__` is none."""
    first = file.relative_to(folder).parts[0].removesuffix(".py")
    return "cli" if first.startswith("cli") else first


def imports(source: str, module: str) -> list[tuple[int, str]]:
    """(line, absolute module name) of every import in `source`; names after `from` count as modules too."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: -node.level] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            found += [(node.lineno, f"{origin}.{alias.name}") for alias in node.names]
    return found


def offences(room: str, source: str, module: str) -> list[str]:
    """What the imports of one file break, as lines to read."""
    bad = []
    for line, name in imports(source, module):
        parts = name.split(".")
        if parts[0] == "labkit" and len(parts) > 1:
            target = "cli" if parts[1].startswith("cli") else parts[1]
            if target in ARROWS and target != room and target not in ARROWS[room]:
                bad.append(f"{module}:{line}: {room} must not import {name}")
        elif room not in KEPT_TO.get(parts[0], {room}):
            bad.append(f"{module}:{line}: {parts[0]} is not for {room}")
    return bad


def files(root: Path) -> list[Path]:
    folder = package(root)
    return [f for f in sorted(folder.rglob("*.py")) if f != folder / "__init__.py"]


def module_name(file: Path, root: Path) -> str:
    return ".".join(file.relative_to(root).with_suffix("").parts)


def test_every_room_is_in_the_table(root):
    rooms = {room_of(file, package(root)) for file in files(root)}
    assert rooms <= ARROWS.keys(), "add the new room to ARROWS, below what it stands on"


def test_arrows_never_turn_back(root):
    bad = []
    for file in files(root):
        room = room_of(file, package(root))
        bad += offences(room, file.read_text(encoding="utf-8"), module_name(file, root))
    assert not bad, "\n".join(bad)


def test_table_has_no_circle():
    seen: set[str] = set()
    for room, allowed in ARROWS.items():
        assert allowed <= seen, f"{room} may import a room that stands above it"
        seen.add(room)


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("network", "from labkit.engine import Model"),
        ("network", "def f():\n    import labkit.data"),
        ("data", "from labkit import engine"),
        ("engine", "import plotly.graph_objects as go"),
        ("machine", "from .. import cli_show"),
        ("course", "from ipywidgets import Button"),
        ("engine", "import pickle"),
    ],
)
def test_the_check_sees_an_offence(room, line):
    assert offences(room, line, f"labkit.{room}.file")


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("engine", "from labkit.network import zoo"),
        ("widgets", "import anywidget"),
        ("course", "from IPython.display import display"),
        ("data", "from . import fit"),
        ("network", "from labkit.errors import LabError"),
    ],
)
def test_the_check_lets_the_rest_through(room, line):
    assert not offences(room, line, f"labkit.{room}.file")


def fresh(code: str) -> subprocess.CompletedProcess:
    """Run `code` in a Python of its own."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_importing_labkit_loads_nothing_heavy():
    ran = fresh(f"import sys, labkit, labkit.cli; print([m for m in {HEAVY} if m in sys.modules])")
    assert (ran.stdout.strip(), ran.returncode) == ("[]", 0), ran.stderr


def test_rooms_work_without_jupyter_and_without_a_gpu():
    blocked = ("ipywidgets", "anywidget", "plotly", "IPython", "jupyterlab", "mpi4py", "torch", "cupy")
    rooms = ("network", "machine", "data", "engine", "partition", "schedule", "schemes", "limits", "run")
    code = f"""
import importlib, sys
for name in {blocked}:
    sys.modules[name] = None
for room in {rooms}:
    importlib.import_module("labkit." + room)
from labkit.network import zoo
print(zoo.get("lenet5").parameters)
"""
    ran = fresh(code)
    assert ran.stdout.strip() == "61706", ran.stderr
