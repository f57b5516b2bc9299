"""Backend `cuda`: the kernels on this machine's GPU (or in Numba's simulator, where it was switched on)."""

from labkit.engine.ops import Backend, Mapping
from labkit.kernels.backend import KernelBackend
from labkit.kernels.executors.here import executor
from labkit.network import Network

NAME = "cuda"


def start(network: Network, mapping: Mapping = None) -> Backend:
    """See `labkit.engine.ops.start`. Raises LabError where there is no GPU that can run the kernels."""
    return KernelBackend(executor("gpu"), network, mapping)
