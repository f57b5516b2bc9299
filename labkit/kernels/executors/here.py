"""Which executor this machine has."""

from functools import cache

from labkit.errors import LabError, suggest
from labkit.kernels.executors import Executor
from labkit.kernels.source import SIMULATED

NAMES = ("gpu", "cpu")


@cache
def executor(name: str | None = None) -> Executor:
    """The executor called `name`; without a name the GPU's, or the CPU's where there is no GPU.

    The same object every time. Raises LabError for an unknown name, and for a GPU that is missing or unfit.
    """
    from labkit.kernels.executors.cpu import Cpu
    from labkit.kernels.executors.gpu import gpu
    from labkit.machine.gpu import first_gpu

    if name is None:
        name = "gpu" if SIMULATED or first_gpu() is not None else "cpu"
    if name not in NAMES:
        raise LabError(f"unknown executor {name!r}", suggest(name, NAMES))
    return gpu() if name == "gpu" else Cpu()
