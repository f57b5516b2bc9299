"""Kernels run thread by thread, so that every access to memory can be looked at: who reads what, and what goes wrong.

trace(kernel, launch, x, y)     run it, and record each read and write of each thread
findings(trace)                 races, indices outside of arrays, barriers that not all threads reach, ...
loads(trace)                    loads and stores, 32-byte sectors, bank conflicts, how often a value is read
conv_loads(sizes, mapping)      the loads of a convolution from its sizes alone
"""

from labkit.kernels.trace.counts import ArrayLoads, Loads, loads
from labkit.kernels.trace.findings import Finding, findings
from labkit.kernels.trace.formulas import conv_loads
from labkit.kernels.trace.record import Accesses, Array, Site, Trace
from labkit.kernels.trace.run import trace

__all__ = [
    "Accesses",
    "Array",
    "ArrayLoads",
    "Finding",
    "Loads",
    "Site",
    "Trace",
    "conv_loads",
    "findings",
    "loads",
    "trace",
]
