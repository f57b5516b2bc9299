"""The one place that says where `cuda` comes from, and what differs between the places that offer it.

Kernels write `from labkit.kernels.source import cuda, float32` at the top of their file and use nothing else of Numba.
numba-cuda is in maintenance mode; its successor, numba-cuda-mlir, has no simulator. To change over, change this file.

A kernel is a plain function of a module. What jits it is an executor (`labkit.kernels.executors`); what else a kernel
may call is marked with `device_function`, which leaves it callable as plain Python through its `py_func`.
"""

import numba
import numpy as np

if not hasattr(np, "row_stack"):  # numba-cuda 0.30 asks for it at every compilation; NumPy 2.5 no longer has it
    np.row_stack = np.vstack

from numba import cuda, float32, int32, uint32

SIMULATED = bool(numba.config.ENABLE_CUDASIM)
"""True where NUMBA_ENABLE_CUDASIM=1 was set before Numba was first imported: kernels then run in Numba's simulator."""

_UNKNOWN_TO_THE_SIMULATOR = ("launch_bounds", "lineinfo", "forceinline", "max_registers", "lto", "cache")

__all__ = ["SIMULATED", "cuda", "device_function", "float32", "int32", "jit", "uint32"]


def jit(function, **options):
    """`function` as a CUDA kernel; options of `numba.cuda.jit` that the simulator does not know are left out there."""
    if SIMULATED:
        options = {name: value for name, value in options.items() if name not in _UNKNOWN_TO_THE_SIMULATOR}
    return cuda.jit(**options)(function)


def device_function(function):
    """`function` as one that kernels can call, compiled into them (`forceinline`); `.py_func` is the plain function."""
    return jit(function, device=True, forceinline=True)
