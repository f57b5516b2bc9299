"""The two commands of the README from a clean clone: set-up with pip and with uv, the lab answers, the tests run.

Takes about a minute with pip and needs a package registry; everything happens in a temporary folder.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from packaging.requirements import Requirement

from labkit.machine import bootstrap, lab

pytestmark = [
    pytest.mark.install,
    pytest.mark.skipif(os.name == "nt", reason="make and its shell are for Linux and macOS"),
]

SETUP_TIMEOUT_S = 900
COMMAND_TIMEOUT_S = 180
REGISTRY = "https://pypi.org/simple/pip/"
VERSIONS = """
import json
from importlib.metadata import distributions
print(json.dumps({d.name: d.version for d in distributions()}))
"""
# What the session that runs these tests has set, and a new user has not.
PRIVATE = ("MAKE", "MFLAGS", "PYTEST", "LABKIT", "VIRTUAL_ENV", "UV_", "PYTHONPATH", "JUPYTER", "COVERAGE")


@dataclass(frozen=True)
class Clone:
    """A fresh clone, the tool that sets it up, and the environment of a user who has just that tool."""

    folder: Path
    tool: str
    environment: dict[str, str]

    def run(self, *command: str, timeout_s: float = COMMAND_TIMEOUT_S) -> subprocess.CompletedProcess:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )


def search_path(folder: Path, uv: str | None) -> str:
    """A PATH with make, git and perhaps uv in front, and no other uv behind them."""
    folder.mkdir()
    for name in ("make", "git"):
        (folder / name).symlink_to(shutil.which(name))
    if uv:
        (folder / "uv").symlink_to(uv)
    others = [f for f in os.environ["PATH"].split(os.pathsep) if f and not (Path(f) / "uv").exists()]
    return os.pathsep.join([str(folder), *others])


def find_uv(folder: Path) -> str:
    """uv from the PATH or this environment, else from the registry into `folder`."""
    here = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if here:
        return here
    assert bootstrap.make_venv(folder, folder.parent)
    install = [bootstrap.venv_python(folder), "-m", "pip", "install", "--quiet", "uv"]
    subprocess.run(install, check=True, timeout=SETUP_TIMEOUT_S, stdin=subprocess.DEVNULL)
    return str(folder / "bin" / "uv")


def registry_answers() -> bool:
    try:
        with urlopen(REGISTRY, timeout=20) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture(scope="module", params=["pip", "uv"])
def clone(request, tmp_path_factory) -> Iterator[Clone]:
    """A clone after `make setup`; one with each tool."""
    if not registry_answers():
        pytest.skip(f"{REGISTRY} does not answer: nothing can be installed")
    base = tmp_path_factory.mktemp(f"clone_{request.param}")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(PRIVATE)}
    uv = find_uv(base / "uv_home") if request.param == "uv" else None
    environment["PATH"] = search_path(base / "bin", uv)
    made = Clone(base / "lab", request.param, environment)
    source = request.getfixturevalue("root")
    subprocess.run(["git", "clone", "--quiet", str(source), str(made.folder)], check=True, timeout=COMMAND_TIMEOUT_S)
    ran = made.run("make", "setup", f"PYTHON={sys._base_executable}", timeout_s=SETUP_TIMEOUT_S)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"with {made.tool}" in ran.stderr
    yield made
    shutil.rmtree(base, ignore_errors=True)  # half a gigabyte


def test_the_second_set_up_has_nothing_to_do(clone):
    assert clone.run("make", "--question", "setup").returncode == 0
    again = clone.run("make", "setup", f"PYTHON={sys._base_executable}")
    assert (again.returncode, again.stderr) == (0, "")


def test_the_locked_versions_are_installed(clone):
    ran = clone.run(".venv/bin/python", "-c", VERSIONS)
    found = {re.sub("[-_.]+", "-", name).lower(): version for name, version in json.loads(ran.stdout).items()}
    lock = tomllib.loads((clone.folder / "uv.lock").read_text(encoding="utf-8"))
    lines = [Requirement(line) for line in bootstrap.constraints(lock, {"dev"})]
    locked = {r.name: r for r in lines if r.marker is None or r.marker.evaluate()}
    compared = [name for name in found if name in locked]
    assert len(compared) > 80
    assert not {n: found[n] for n in compared if not locked[n].specifier.contains(found[n], prereleases=True)}


def test_make_leaves_the_checkout_clean(clone):
    assert clone.run("git", "status", "--porcelain").stdout == ""


def test_make_test_runs_the_tests(clone):
    ran = clone.run("make", "test", "TEST_ARGS=tests/test_layering.py -q")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"\d+ passed", ran.stdout)


def test_make_test_hands_a_failure_on(clone):
    ran = clone.run("make", "test", "TEST_ARGS=tests/test_layering.py -q -k no_such_test")
    assert ran.returncode == 2 and "deselected" in ran.stdout


def test_make_lab_opens_the_first_notebook_behind_a_token_and_ends_with_ctrl_c(clone):
    port = lab.choose_port()
    command = ["make", "lab", f"LAB_ARGS=--no-browser --port {port}"]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    process = subprocess.Popen(
        command, cwd=clone.folder, env=clone.environment, text=True, start_new_session=True, **streams
    )
    try:
        address, token = opened(process)
        assert address == f"http://127.0.0.1:{port}/lab/tree/notebooks/00_start_here.ipynb"
        look_around(f"http://127.0.0.1:{port}", token)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=60)
        assert lab.port_is_free(port)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=60)


def opened(process: subprocess.Popen) -> tuple[str, str]:
    """(address, token) that `labkit lab` prints once its server answers; it gives up by itself if that never comes."""
    said = []
    for line in process.stderr:
        said.append(line)
        if match := re.search(r"(http://\S+)\?token=(\w+)", line):
            return match[1], match[2]
    pytest.fail("no address was printed: " + "".join(said))


def look_around(base: str, token: str) -> None:
    """The server answers with the token and refuses without it; JupyterLab's page and the notebook are there."""
    for path in ("api/status", "lab", "api/contents/notebooks/00_start_here.ipynb?content=0"):
        with urlopen(f"{base}/{path}{'&' if '?' in path else '?'}token={token}", timeout=30) as answer:
            assert answer.status == 200
    with pytest.raises(HTTPError, match="403"):
        urlopen(f"{base}/api/contents", timeout=30)


def test_pip_is_fetched_where_python_comes_without_it(tmp_path, monkeypatch):
    """Debian's Python without python3-venv has no ensurepip."""
    if not registry_answers():
        pytest.skip(f"{REGISTRY} does not answer: nothing can be installed")
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert bootstrap.make_venv(tmp_path / "venv", scratch)
    assert bootstrap.venv_has_pip(tmp_path / "venv")
