"""How many blocks of a kernel one multiprocessor (SM) holds at once, and which of its resources runs out first.

A block needs a place in the list of blocks, its warps a place each in the list of warps, registers for every warp and
shared memory. All are handed out when the block starts and given back when it has ended, so

    blocks per SM = min(most blocks, warps // warps of a block, warps with registers // warps of a block,
                        shared bytes // shared bytes of a block)

with registers rounded up per warp and counted within each scheduler's part of them, and shared memory rounded up per
block. These are the rules of NVIDIA's occupancy calculator (cuda_occupancy.h of CUDA 13.0): its answers and these were
compared in 7,200 cases for each of the seven capabilities in machine/gpus.py.

Occupancy is the share of the places for warps that are taken. More is not always faster: a block that keeps its sums
in many registers may run best with few warps.
"""

from dataclasses import dataclass

from labkit.errors import LabError
from labkit.machine.gpus import WARP, GpuData, Multiprocessor

MOST_THREADS_PER_BLOCK = 1024  # on every GPU since 2010
WARPS_CHECKED_AT_ONCE = 4  # at the launch, also where an SM has two schedulers
BLOCKS, WARPS, REGISTERS, SHARED = "blocks", "warps", "registers", "shared memory"


@dataclass(frozen=True)
class Occupancy:
    """What one SM holds of a kernel: blocks and warps at once, the share of its places for warps, what runs out first.

    limits: how many blocks each resource would allow by itself.
    """

    blocks_per_sm: int
    warps_per_sm: int
    occupancy: float
    limited_by: str
    limits: dict[str, int]


def occupancy(gpu: GpuData, threads: int, registers: int, shared_bytes: int = 0) -> Occupancy:
    """Residency of blocks of `threads` threads with `registers` registers each and `shared_bytes` (static and dynamic).

    Raises LabError where not even one block fits, naming the resource.
    """
    sm = gpu.sm
    limits = blocks_by_resource(sm, threads, registers, shared_bytes)
    scarcest = min(limits, key=limits.get)
    blocks = limits[scarcest]
    if blocks < 1:
        raise LabError(
            f"no block of {threads} threads fits an SM of {gpu.name}: {scarcest} run out", _way_out(scarcest)
        )
    warps = blocks * -(-threads // WARP)
    return Occupancy(blocks, warps, warps / sm.warps, scarcest, limits)


def blocks_by_resource(sm: Multiprocessor, threads: int, registers: int, shared_bytes: int) -> dict[str, int]:
    """How many blocks each resource of an SM allows by itself; 0 where a block wants more than one can have.

    Raises LabError for numbers that are none of a launch.
    """
    for name, value, least in (("threads", threads, 1), ("registers", registers, 1), ("shared_bytes", shared_bytes, 0)):
        if value < least:
            raise LabError(f"{name}={value!r}", f"give an integer >= {least}")
    warps = -(-threads // WARP)
    return {
        WARPS: sm.warps // warps if threads <= MOST_THREADS_PER_BLOCK else 0,
        REGISTERS: _by_registers(sm, warps, registers),
        BLOCKS: sm.blocks,
        SHARED: _by_shared(sm, shared_bytes),
    }


def _by_registers(sm: Multiprocessor, warps: int, registers: int) -> int:
    """Each scheduler has its own part of the registers, and a warp lives with one scheduler."""
    per_warp = _round_up(registers * WARP, sm.register_unit)
    if registers > sm.registers_per_thread or per_warp * _round_up(warps, WARPS_CHECKED_AT_ONCE) > sm.registers:
        return 0
    return sm.registers // sm.schedulers // per_warp * sm.schedulers // warps


def _by_shared(sm: Multiprocessor, shared_bytes: int) -> int:
    if shared_bytes > sm.shared_bytes_per_block:
        return 0
    per_block = _round_up(shared_bytes + sm.reserved_shared_bytes, sm.shared_unit_bytes)
    return sm.shared_bytes // per_block if per_block else sm.blocks


def _round_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit


def _way_out(resource: str) -> str:
    return {
        WARPS: f"start blocks of at most {MOST_THREADS_PER_BLOCK} threads",
        REGISTERS: "start smaller blocks, or compile with fewer registers (launch_bounds)",
        SHARED: "take mapping 'data', which keeps no filter in shared memory",
    }[resource]
