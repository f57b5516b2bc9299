"""How often memory is read and written, and what that costs a GPU: counted in a trace.

A GPU serves the accesses that the 32 threads of a warp make at the same time as one request. In global memory it
fetches sectors of 32 bytes; in shared memory, 32 banks of 4 bytes each, it needs as many passes (wavefronts) as the
busiest bank has different words to give (CUDA C++ Best Practices Guide, "Coalesced Access to Global Memory" and "Shared
Memory and Memory Banks").
"""

from dataclasses import dataclass

import numpy as np

from labkit.errors import LabError, suggest
from labkit.kernels.launch import WARP
from labkit.kernels.trace.conflicts import grouped
from labkit.kernels.trace.record import ATOMIC, READ, SPACES, WRITE, Trace

SECTOR_BYTES = 32
BANKS = 32
WORD_BYTES = 4
GLOBAL, SHARED = SPACES.index("global"), SPACES.index("shared")


@dataclass(frozen=True)
class ArrayLoads:
    """Accesses to one array by the recorded blocks. All counts are of single values, those of a 128-bit access four.

    loads, stores, atomics: by threads. cells_read, cells_written: different ones. requests: of whole warps. sectors: of
    32 bytes, fetched for them (global memory). least_sectors: if the same values lay side by side. wavefronts: passes
    over the banks (shared memory). least_wavefronts: without bank conflicts.
    """

    name: str
    space: str
    loads: int
    stores: int
    atomics: int
    cells_read: int
    cells_written: int
    requests: int
    sectors: int
    least_sectors: int
    wavefronts: int
    least_wavefronts: int

    @property
    def reuse(self) -> float:
        """How often each value that is read at all is read."""
        return self.loads / self.cells_read if self.cells_read else 0.0

    @property
    def extra_wavefronts(self) -> int:
        """Passes that bank conflicts cost."""
        return self.wavefronts - self.least_wavefronts


@dataclass(frozen=True)
class Loads:
    """The accesses of a trace, array by array (local arrays are left out: they are registers)."""

    arrays: tuple[ArrayLoads, ...]

    def __getitem__(self, name: str) -> ArrayLoads:
        """The counts of the array called `name`; LabError if there is none."""
        for one in self.arrays:
            if one.name == name:
                return one
        raise LabError(f"no array {name!r} in this trace", suggest(name, [one.name for one in self.arrays]))

    @property
    def totals(self) -> dict[str, int]:
        """global_loads, global_stores, shared_loads, shared_stores; an atomic access is a load and a store."""
        out = {}
        for space in ("global", "shared"):
            mine = [one for one in self.arrays if one.space == space]
            out[f"{space}_loads"] = sum(one.loads + one.atomics for one in mine)
            out[f"{space}_stores"] = sum(one.stores + one.atomics for one in mine)
        return out


def loads(trace: Trace) -> Loads:
    """Counts the accesses of the blocks that a trace has recorded."""
    counted = (SPACES[GLOBAL], SPACES[SHARED])
    return Loads(tuple(_counted(trace, n) for n, array in enumerate(trace.arrays) if array.space in counted))


def _counted(trace: Trace, number: int) -> ArrayLoads:
    array, rows = trace.arrays[number], trace.accesses.where(trace.accesses.array == number)
    by_kind = [int((rows.kind == kind).sum()) for kind in (READ, WRITE, ATOMIC)]
    inside = rows.where(rows.index >= 0)
    cells = [len(np.unique(inside.index[inside.kind != other])) for other in (WRITE, READ)]
    request = requests(rows)
    served = request[rows.index >= 0]
    sectors = wavefronts = least_sectors = least_wavefronts = 0
    if array.space == "global":
        sectors, least_sectors = _sectors(served, inside.index, array.dtype.itemsize)
    else:
        values = np.array([site.values for site in trace.sites])[inside.site]
        wavefronts, least_wavefronts = _wavefronts(served, inside, array.dtype.itemsize, values)
    return ArrayLoads(
        array.name,
        array.space,
        *by_kind,
        *cells,
        requests=len(np.unique(request)),
        sectors=sectors,
        least_sectors=least_sectors,
        wavefronts=wavefronts,
        least_wavefronts=least_wavefronts,
    )


def requests(accesses) -> np.ndarray:
    """For each access the number of its request: those of one warp at one place in the source in the same moment."""
    columns = (accesses.block, accesses.thread // WARP, accesses.phase, accesses.moment, accesses.site)
    order, starts = grouped(columns)
    out = np.empty(len(order), np.int64)
    out[order] = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(order))))
    return out


def _pairs(*columns: np.ndarray) -> tuple[np.ndarray, ...]:
    """The different rows of some columns."""
    order, starts = grouped(columns)
    return tuple(column[order][starts] for column in columns)


def _sectors(request: np.ndarray, index: np.ndarray, item_bytes: int) -> tuple[int, int]:
    """(32-byte sectors of all requests, those that would do if each request's values lay side by side)."""
    if not len(request):
        return 0, 0
    sectors = len(_pairs(request, index * item_bytes // SECTOR_BYTES)[0])
    different = np.bincount(_pairs(request, index)[0]) * item_bytes
    return sectors, int((-(-different // SECTOR_BYTES)).sum())


def _wavefronts(request: np.ndarray, rows, item_bytes: int, values: np.ndarray) -> tuple[int, int]:
    """(passes over the banks, passes without conflicts). Lanes that move 8 or 16 bytes are served in two or four parts.

    Lanes that read the same word are served together.
    """
    if not len(request):
        return 0, 0
    words = np.maximum(1, item_bytes * values // WORD_BYTES)
    part = rows.thread % WARP // (WARP // words)
    word = rows.index * item_bytes // WORD_BYTES
    request, part, word = _pairs(request, part, word)
    order, starts = grouped((request, part, word % BANKS))
    of_bank = np.diff(np.append(starts, len(order)))
    request, part = request[order][starts], part[order][starts]
    order, starts = grouped((request, part))
    return int(np.maximum.reduceat(of_bank[order], starts).sum()), len(starts)
