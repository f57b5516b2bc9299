"""Finds what turns a kernel into machine code without a GPU, and says what is missing.

    libNVVM, libdevice   LLVM code to PTX                wheel nvidia-nvvm
    ptxas                PTX to machine code             wheel nvidia-cuda-nvcc
    nvdisasm             machine code to text (SASS)     wheel nvidia-cuda-nvdisasm

Looked for in this environment first, then in $CUDA_HOME, $CUDA_PATH, /usr/local/cuda, and last on the PATH.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from labkit.errors import LabError
from labkit.kernels.source import SIMULATED

TIMEOUT_S = 120
INSTALL = 'type: make setup EXTRAS="dev static" (or: pip install "labkit[static]")'


@dataclass(frozen=True)
class Tools:
    """Paths of the two programs and of libdevice (the mathematical functions, as LLVM code)."""

    ptxas: Path
    nvdisasm: Path
    libdevice: Path


def folders() -> list[Path]:
    """Toolkits that may be here, the most specific first; each has `bin/` and `nvvm/`."""
    wheels = [Path(entry) / "nvidia" / "cu13" for entry in sys.path if entry]
    named = [Path(os.environ[name]) for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)]
    return [folder for folder in [*wheels, *named, Path("/usr/local/cuda")] if folder.is_dir()]


def program(name: str) -> Path | None:
    """Path of a program of the toolkit, None where there is none."""
    for place in [*(folder / "bin" for folder in folders()), os.environ.get("PATH", os.defpath)]:
        if found := shutil.which(name, path=str(place)):
            return Path(found)
    return None


def libdevice() -> Path | None:
    """Path of libdevice, None where there is none."""
    candidates = [folder / "nvvm" / "libdevice" / "libdevice.10.bc" for folder in folders()]
    return next((path for path in candidates if path.is_file()), None)


def nvvm_loads() -> bool:
    """True if libNVVM can be loaded; the search is the one that numba-cuda's own binding makes."""
    from cuda import pathfinder

    try:
        pathfinder.load_nvidia_dynamic_lib("nvvm")
    except RuntimeError:
        return False
    return True


def available() -> str:
    """'' if kernels can be compiled here without a GPU, else the reason why not, with what to type."""
    if SIMULATED:
        return "NUMBA_ENABLE_CUDASIM is set, and the simulator compiles nothing — unset it and start Python again"
    found = {"ptxas": program("ptxas"), "nvdisasm": program("nvdisasm"), "libdevice": libdevice()}
    missing = [name for name, path in found.items() if path is None] + ([] if nvvm_loads() else ["libNVVM"])
    return f"no {', no '.join(missing)} on this machine — {INSTALL}" if missing else ""


def find() -> Tools:
    """All of them; LabError with what to type where one is missing."""
    if reason := available():
        raise LabError(f"a kernel cannot be compiled: {reason}")
    return Tools(program("ptxas"), program("nvdisasm"), libdevice())


def run(command: list[object]) -> subprocess.CompletedProcess:
    """Run one of the programs; LabError with its first complaint if it fails or takes longer than TIMEOUT_S."""
    name = Path(str(command[0])).name
    try:
        ran = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise LabError(f"{name} did not finish within {TIMEOUT_S} s", "compile a smaller kernel") from None
    if ran.returncode != 0:
        said = (ran.stderr + ran.stdout).strip().splitlines() or [f"status {ran.returncode}, no message"]
        advice = "PTX, ptxas and nvdisasm must come from one release of the toolkit, and know the GPU asked for"
        raise LabError(f"{name} refused: {said[0]}", f"{advice}; {INSTALL}")
    return ran


def versions() -> dict[str, str]:
    """Versions that decide what machine code comes out: of ptxas, nvdisasm, numba-cuda and NumPy."""
    tools = find()
    found = {package: version(package) for package in ("numba-cuda", "numba", "numpy")}
    for name in ("ptxas", "nvdisasm"):
        match = re.search(r"\bV(\d[\d.]*)", run([getattr(tools, name), "--version"]).stdout)
        found[name] = match[1] if match else "unknown"
    return found
