"""What the lab asks of the machine code of its kernels, checked before any GPU runs them.

double precision    a float32 kernel that works in float64 is many times slower on most GPUs, and nothing says so
spills              registers that did not fit travel to memory and back inside the loops
registers           too many, and too few blocks fit on a multiprocessor
vector loads        128 bits per instruction where a tile is read from shared memory
asynchronous        copies to shared memory that run while the block computes (compute capability 8.0 and newer)
issue bound         the share of multiply-adds among the instructions of the hottest loop
"""

import re
from dataclasses import dataclass

from labkit.kernels.offline.build import Compiled

ASYNCHRONOUS_SINCE = (8, 0)


@dataclass(frozen=True)
class Gate:
    """What is asked of one kernel. Double precision and spills are never accepted.

    vector_loads, asynchronous: such instructions must be there. bound: the least share, between 0 and 1, in one trip of
    the loop nest that does `ffma` multiply-adds (0: in the hottest loop).
    """

    most_registers: int
    vector_loads: bool = False
    asynchronous: bool = False
    bound: float = 0.0
    ffma: int = 0


def offences(compiled: Compiled, gate: Gate) -> list[str]:
    """What the machine code of a kernel breaks, one line each; empty if it passes."""
    where = f"{compiled.kernel} for {compiled.architecture}"
    bad = [f"{where}: double precision: {line}" for line in compiled.doubles[:3]]
    if compiled.spill_bytes or compiled.stack_bytes:
        bad.append(f"{where}: {compiled.spill_bytes} bytes spilled, {compiled.stack_bytes} bytes of local memory")
    if compiled.registers > gate.most_registers:
        bad.append(f"{where}: {compiled.registers} registers, {gate.most_registers} at most")
    if gate.vector_loads and not re.search(r"\bld\.[\w.]*v4\.", compiled.ptx):
        bad.append(f"{where}: no 128-bit load")
    if gate.asynchronous and compiled.cc >= ASYNCHRONOUS_SINCE and "cp.async" not in compiled.ptx:
        bad.append(f"{where}: no asynchronous copy")
    loop = compiled.trip(gate.ffma) if gate.ffma else compiled.hot_loop
    share = loop.bound if loop else 0.0
    if share < gate.bound:
        bad.append(f"{where}: its hottest loop allows {share:.1%} of the FP32 peak, {gate.bound:.1%} at least")
    return bad
