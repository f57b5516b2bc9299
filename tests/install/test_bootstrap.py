"""The set-up, as far as it can be tested without installing anything."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from labkit.machine import bootstrap


@pytest.fixture(scope="module")
def lock(request) -> dict:
    root = request.getfixturevalue("root")
    return tomllib.loads((root / "uv.lock").read_text(encoding="utf-8"))


def chosen(lines: list[str], python: str, system: str = "linux") -> dict[str, str]:
    """Package -> version that the constraints leave for one Python; fails if they name two."""
    here = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": system}
    versions: dict[str, str] = {}
    for line in lines:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(here):
            assert requirement.name not in versions, f"two versions of {requirement.name} for Python {python}"
            versions[requirement.name] = str(requirement.specifier).removeprefix("==")
    return versions


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_every_python_gets_one_version_of_each_package_within_our_bounds(lock, root, python):
    versions = chosen(bootstrap.constraints(lock, {"dev", "static"}), python)
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for line in project["dependencies"] + extras["dev"] + extras["static"]:
        requirement = Requirement(line)
        assert requirement.specifier.contains(versions[requirement.name]), line


def test_the_toolkit_follows_the_extra(lock):
    assert chosen(bootstrap.constraints(lock, {"dev"}), "3.12")["cuda-bindings"].startswith("13.0.")
    assert chosen(bootstrap.constraints(lock, {"dev", "gpu"}), "3.12")["cuda-toolkit"].startswith("13.0.")
    assert chosen(bootstrap.constraints(lock, {"dev", "gpu12"}), "3.12")["cuda-toolkit"].startswith("12.")
    static = chosen(bootstrap.constraints(lock, {"dev", "static"}), "3.12")
    assert static["nvidia-nvvm"] == static["nvidia-cuda-nvcc"], "ptxas refuses PTX of a later release"


def test_the_lock_names_the_public_registry_only(root):
    text = (root / "uv.lock").read_text(encoding="utf-8")
    hosts = set(re.findall(r'(?:registry|url) = "(\w+://[^/"]*)', text))
    assert hosts == {"https://pypi.org", "https://files.pythonhosted.org"}


def _parsed(row):
    """The versions and the marker of one dependency as the lock writes them."""
    marker = f"; {row['marker']}" if "marker" in row else ""
    requirement = Requirement(f"x{row.get('specifier', '')}{marker}")
    return set(requirement.specifier), requirement.marker


def test_the_lock_is_that_of_pyproject(lock, root):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ours = next(package for package in lock["package"] if package["name"] == "labkit")
    locked = {row["name"]: row for row in ours["metadata"]["requires-dist"] if "extra ==" not in row.get("marker", "")}
    wanted = {r.name: (set(r.specifier), r.marker) for r in map(Requirement, project["dependencies"])}
    assert {name: _parsed(row) for name, row in locked.items()} == wanted
    assert set(ours["metadata"]["provides-extras"]) == set(project["optional-dependencies"])


def test_continuous_integration_asks_for_extras_that_exist(lock, root):
    extras = re.search(r'EXTRAS="([^"]*)"', (root / ".ci" / "run").read_text(encoding="utf-8"))[1].split()
    ours = next(package for package in lock["package"] if package["name"] == "labkit")
    assert {"dev", "static"} <= set(extras) <= set(ours["metadata"]["provides-extras"])


def test_it_needs_the_standard_library_only():
    tree = ast.parse(Path(bootstrap.__file__).read_text(encoding="utf-8"), feature_version=(3, 8))
    names = [a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names]
    names += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert names and {name.split(".")[0] for name in names} <= set(sys.stdlib_module_names)


def test_an_old_python_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    assert bootstrap.main([]) == 2
    assert capsys.readouterr().err == "labkit: Python 3.9 is too old — labkit needs 3.11 or newer\n"


@pytest.fixture
def sandbox(tmp_path, monkeypatch) -> Path:
    """A stand-in for the checkout, whose installers are replaced by notes of what was called."""
    for name in ("pyproject.toml", "uv.lock"):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (1000, 1000))
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    return tmp_path


def installers(monkeypatch, uv: bool | None, pip: bool = True) -> list[str]:
    """Replace both installers; `uv` None: it is not on the PATH. Returns the list of calls to come."""
    calls: list[str] = []
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None if uv is None else name)
    monkeypatch.setattr(bootstrap, "with_uv", lambda *_: calls.append("uv") or uv)
    monkeypatch.setattr(bootstrap, "with_pip", lambda *_: calls.append("pip") or pip)
    return calls


@pytest.mark.parametrize(("uv", "expected"), [(None, ["pip"]), (True, ["uv"]), (False, ["uv", "pip"])])
def test_uv_if_it_is_there_else_pip(sandbox, monkeypatch, uv, expected):
    calls = installers(monkeypatch, uv)
    assert bootstrap.main(["dev"]) == 0
    assert calls == expected and (sandbox / ".venv/.complete").exists()


def test_the_second_time_there_is_nothing_to_do(sandbox, monkeypatch):
    calls = installers(monkeypatch, True)
    assert [bootstrap.main([]), bootstrap.main(["dev"])] == [0, 0]
    assert calls == ["uv"]


def test_other_extras_and_a_younger_lock_are_installed(sandbox, monkeypatch):
    calls = installers(monkeypatch, True)
    bootstrap.main(["dev"])
    bootstrap.main(["dev", "gpu"])
    later = (sandbox / ".venv/.complete").stat().st_mtime + 10
    os.utime(sandbox / "uv.lock", (later, later))
    bootstrap.main(["dev", "gpu"])
    assert calls == ["uv"] * 3


def test_a_failed_set_up_leaves_no_stamp(sandbox, monkeypatch, capsys):
    installers(monkeypatch, True)
    bootstrap.main(["dev"])
    installers(monkeypatch, False, pip=False)
    assert bootstrap.main(["dev", "gpu"]) == 1
    assert not (sandbox / ".venv/.complete").exists()
    assert "run `make setup` again" in capsys.readouterr().err


@pytest.mark.parametrize("python", ["/no/such/python", ""])
def test_make_without_a_python_says_what_to_type(root, python):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "-s", "setup", f"PYTHON={python}"]
    ran = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    first = ran.stderr.splitlines()[0]
    assert first.startswith("labkit: no Python 3.11 or newer") and "make setup PYTHON=" in first
