"""Makes `.venv` and installs the locked dependencies: what `make setup` runs.

This file is started by a bare Python, before anything is installed, so it uses the standard library only and imports
nothing of labkit. It works where there is no make as well (Windows: `py labkit/machine/bootstrap.py`).

With uv on the PATH, `uv sync --frozen` reads uv.lock itself. Without it, the versions in uv.lock become a constraints
file for pip. Either way the last thing written is the stamp `.venv/.complete`, which make compares with the ages of
pyproject.toml and uv.lock: a set-up that was interrupted leaves no stamp and is done again.
"""

from __future__ import annotations  # an older Python gets as far as the message that it is too old

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urljoin
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[2]
PIP_INDEX = "https://pypi.org/pypi/pip/json"
DOWNLOAD_TIMEOUT_S = 60
INSTALL_TIMEOUT_S = 3600  # a slow line needs long for 300 MB; a stalled one must end some day


def venv_python(venv: Path) -> Path:
    """Where the Python of the virtual environment `venv` lies on this system."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def constraints(lock: dict, extras: set[str]) -> list[str]:
    """Lines of a pip constraints file with the versions that `lock` (the parsed uv.lock) holds.

    A package that is locked twice for different Pythons keeps both lines, each with its marker. One that is locked
    twice because the extras `gpu` and `gpu12` exclude each other keeps the version for `extras`: the older one with
    `gpu12`, else the newer one, which is also what an environment without either extra gets.
    """
    entries: dict[str, list[dict]] = {}
    for package in lock["package"]:
        if "registry" in package["source"]:
            entries.setdefault(package["name"], []).append(package)
    choose = min if "gpu12" in extras else max
    lines = []
    for name, versions in entries.items():
        if len({tuple(v.get("resolution-markers", ())) for v in versions}) < len(versions):
            versions = [choose(versions, key=lambda v: [int(n) for n in re.findall("[0-9]+", v["version"])])]
        for version in versions:
            marker = " or ".join(f"({m})" for m in version.get("resolution-markers", ())) if len(versions) > 1 else ""
            lines.append(f"{name}=={version['version']}" + (f" ; {marker}" if marker else ""))
    return lines


def run(command: list, **more) -> bool:
    """Run `command` in the checkout, showing what it prints; True if it ended with status 0."""
    try:
        return subprocess.run([str(c) for c in command], cwd=ROOT, timeout=INSTALL_TIMEOUT_S, **more).returncode == 0
    except subprocess.TimeoutExpired:
        print(f"labkit: {command[0]} did not finish within {INSTALL_TIMEOUT_S} s", file=sys.stderr)
        return False


def with_uv(uv: str, venv: Path, extras: set[str]) -> bool:
    """Install with uv, which reads uv.lock itself; False if it fails."""
    chosen = [part for extra in sorted(extras) for part in ("--extra", extra)]
    environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"} | {"UV_PROJECT_ENVIRONMENT": str(venv)}
    return run([uv, "sync", "--frozen", "--python", sys.executable, *chosen], env=environment)


def pip_wheel(folder: Path) -> Path:
    """Download pip's wheel into `folder` and check its SHA-256."""
    with urlopen(PIP_INDEX, timeout=DOWNLOAD_TIMEOUT_S) as answer:
        wheel = next(u for u in json.load(answer)["urls"] if u["packagetype"] == "bdist_wheel")
    with urlopen(urljoin(PIP_INDEX, wheel["url"]), timeout=DOWNLOAD_TIMEOUT_S) as answer:
        content = answer.read()
    if hashlib.sha256(content).hexdigest() != wheel["digests"]["sha256"]:
        raise SystemExit(f"labkit: the download of {wheel['url']} is damaged — run `make setup` again")
    path = folder / wheel["filename"]
    path.write_bytes(content)
    return path


def make_venv(venv: Path, scratch: Path) -> bool:
    """Make the virtual environment, with pip in it.

    Debian ships a Python whose `venv` cannot install pip (the package python3-venv adds it); there pip is downloaded.
    """
    if importlib.util.find_spec("ensurepip"):
        return run([sys.executable, "-m", "venv", "--clear", venv])
    wheel = pip_wheel(scratch)
    made = run([sys.executable, "-m", "venv", "--clear", "--without-pip", venv])
    return made and run([venv_python(venv), wheel / "pip", "install", "--quiet", "--no-index", wheel])


def with_pip(venv: Path, extras: set[str]) -> bool:
    """Install with pip, held to the versions of uv.lock; False if it fails."""
    import tomllib  # the standard library has it from 3.11 on, and `main` has made sure of that

    with tempfile.TemporaryDirectory() as scratch:
        if not venv_has_pip(venv) and not make_venv(venv, Path(scratch)):
            return False
        lines = constraints(tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8")), extras)
        locked = Path(scratch) / "constraints.txt"
        locked.write_text("\n".join(lines) + "\n", encoding="utf-8")
        target = f".[{','.join(sorted(extras))}]" if extras else "."
        install = ["-m", "pip", "install", "--disable-pip-version-check", "-c", locked, "-e", target]
        quiet = [] if sys.stderr.isatty() else ["--quiet"]  # a person waits for minutes and wants to see it move
        return run([venv_python(venv), *install, *quiet])


def venv_has_pip(venv: Path) -> bool:
    """True if there is an environment whose Python starts, has pip and is of the version that runs this file."""
    test = f"import sys, pip; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"
    return venv_python(venv).exists() and run([venv_python(venv), "-c", test], stderr=subprocess.DEVNULL)


def up_to_date(stamp: Path, wanted: str) -> bool:
    """True if `stamp` says `wanted` and is younger than both lists of dependencies."""
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        return False
    return all(stamp.stat().st_mtime > (ROOT / name).stat().st_mtime for name in ("pyproject.toml", "uv.lock"))


def main(arguments: list[str]) -> int:
    """`bootstrap.py [EXTRA ...]`: make `.venv` beside pyproject.toml; the exit status is 0 once it is complete."""
    if sys.version_info < (3, 11):  # noqa: UP036 (this file is started by whatever Python the user has)
        print("labkit: Python {}.{} is too old — labkit needs 3.11 or newer".format(*sys.version_info), file=sys.stderr)
        return 2
    extras, venv = set(arguments or ["dev"]), ROOT / ".venv"
    stamp, wanted = venv / ".complete", "Python {}.{}, ".format(*sys.version_info) + " ".join(sorted(extras))
    if up_to_date(stamp, wanted):
        return 0
    stamp.unlink(missing_ok=True)
    uv = shutil.which("uv")
    print(f"labkit: making {venv} with {'uv' if uv else 'pip'} (some minutes the first time)", file=sys.stderr)
    done = bool(uv) and with_uv(uv, venv, extras)
    if not done and not with_pip(venv, extras):
        print("labkit: the set-up failed — see above; once mended, run `make setup` again", file=sys.stderr)
        return 1
    stamp.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
