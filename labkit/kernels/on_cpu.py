"""Backend `cuda-cpu`: the same kernels as on a GPU, their blocks shared among the cores of this machine."""

from labkit.engine.ops import Backend, Mapping
from labkit.kernels.backend import KernelBackend
from labkit.kernels.executors.here import executor
from labkit.network import Network

NAME = "cuda-cpu"


def start(network: Network, mapping: Mapping = None) -> Backend:
    """See `labkit.engine.ops.start`."""
    return KernelBackend(executor("cpu"), network, mapping)
