"""The libraries that the lab computes with: versions against pyproject.toml, BLAS, Numba's threads, the simulator."""

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

SIMULATOR_TIMEOUT_S = 60
# The second line as in labkit/kernels/source.py: numba-cuda 0.30 calls what NumPy 2.5 removed.
KERNEL = """
import numpy
numpy.row_stack = getattr(numpy, "row_stack", numpy.vstack)
from numba import cuda

@cuda.jit
def double(a):
    i = cuda.grid(1)
    if i < a.size:
        a[i] = 2 * a[i]

a = numpy.arange(5, dtype=numpy.float32)
double[2, 4](a)
assert a.tolist() == [0, 2, 4, 6, 8], a
"""


def required(package: str = "labkit") -> dict[str, str]:
    """Name -> version specifier of what `package` needs without extras, as pyproject.toml states it."""
    from packaging.requirements import Requirement

    wanted = [Requirement(line) for line in requires(package) or ()]
    return {r.name: str(r.specifier) for r in wanted if r.marker is None or r.marker.evaluate({"extra": ""})}


def installed(names: list[str]) -> dict[str, str | None]:
    """Name -> installed version, None where the package is missing."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def blas() -> tuple[str, int]:
    """Library behind NumPy's matrix product, such as 'OpenBLAS 0.3.29', and the threads it would use."""
    import numpy
    from threadpoolctl import threadpool_info

    numpy.ones((2, 2)) @ numpy.ones((2, 2))  # the library is there once a product has needed it
    for pool in threadpool_info():
        if pool["user_api"] == "blas":
            names = {"openblas": "OpenBLAS", "mkl": "MKL", "blis": "BLIS", "flexiblas": "FlexiBLAS"}
            name = names.get(pool["internal_api"], pool["internal_api"])
            return f"{name} {pool['version'] or ''}".strip(), pool["num_threads"]
    return "Accelerate" if sys.platform == "darwin" else "unknown", 1


def numba_threads() -> tuple[str, int]:
    """Numba's threading layer ('tbb', 'omp' or 'workqueue') and the threads of a parallel loop.

    Raises what Numba raises where no layer can be loaded.
    """
    import numba

    threads = numba.get_num_threads()  # starts the layer
    return numba.threading_layer(), threads


def start_kernel(simulator: bool) -> subprocess.Popen:
    """Start a tiny CUDA kernel in a process of its own, in the simulator or on the GPU. `outcome` collects it."""
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1" if simulator else "0"}
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", KERNEL], env=environment, text=True, **quiet)


def outcome(process: subprocess.Popen, timeout_s: float = SIMULATOR_TIMEOUT_S) -> str:
    """'' if the kernel of `start_kernel` ran and was right, else the last line it said."""
    try:
        _, said = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return f"no answer within {timeout_s:.0f} s"
    if process.returncode == 0:
        return ""
    lines = [line.strip() for line in said.splitlines() if any(map(str.isalpha, line))]
    return lines[-1] if lines else f"ended with status {process.returncode}"


def widget_front_ends() -> dict[str, bool]:
    """Whether JupyterLab of this environment finds the browser's half of each widget library."""
    from jupyter_core.paths import jupyter_path

    folders = [Path(folder) for folder in jupyter_path("labextensions")]
    parts = {"jupyterlab_widgets": "@jupyter-widgets/jupyterlab-manager", "anywidget": "anywidget"}
    return {name: any((f / part / "package.json").is_file() for f in folders) for name, part in parts.items()}
