"""Kernels compiled to machine code on a machine without a GPU, and what that code tells before it ever runs.

>>> import numpy as np
>>> from labkit.kernels.conv.forward import forward_hybrid
>>> x, bias = np.empty((1, 1, 1, 1), np.float32), np.empty(1, np.float32)
>>> compiled = compile_kernel(forward_hybrid, signature(x, x, bias, x, 1, 1, 1, 1, 1, 0), cc=(9, 0))
>>> compiled.spill_bytes, compiled.doubles, compiled.hot_loop.ffma
(0, (), 4)

Registers decide how many blocks fit on a multiprocessor; the instructions of the hottest loop bound how fast it can be.
What cannot be seen without a GPU is time: every number here is `modelled`.
"""

from labkit.kernels.offline.build import ARCHITECTURES, Compiled, architecture, compile_kernel, signature
from labkit.kernels.offline.sass import Instruction, Loop
from labkit.kernels.offline.tools import available, versions

__all__ = [
    "ARCHITECTURES",
    "Compiled",
    "Instruction",
    "Loop",
    "architecture",
    "available",
    "compile_kernel",
    "signature",
    "versions",
]
