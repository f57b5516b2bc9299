"""How many blocks of how many threads a kernel is started with, and how much shared memory each block gets.

The three mappings of krishna-gupta-nayak (sections IV and V) say which block works on what:

    data      block n        sample n, all channels
    model     block k        channel k, all samples, its filter in shared memory
    hybrid    block (n, k)   channel k of sample n, the filter in shared memory

where k counts the channels of the array that the kernel writes: output channels in FP and KU, input channels in BP.
"""

from dataclasses import dataclass, field

from labkit.errors import LabError, suggest

TEACHING = ("data", "model", "hybrid")
MAPPINGS = (*TEACHING, "tuned")
WARP = 32
MOST_THREADS = 256  # per block of a teaching kernel; the static arrays of their reductions have this size
MOST_IN_Y = 65535  # blocks of a grid along y (CUDA C++ Programming Guide, technical specifications)
SHARED_BYTES = 48 * 1024  # what every block may have without asking for more, on every GPU since 2010


@dataclass(frozen=True)
class Launch:
    """One start of a kernel: `grid` blocks (x, y, z) of `block` threads (x only) with `shared_bytes` dynamic memory."""

    grid: tuple[int, int, int]
    block: int
    shared_bytes: int = 0
    layer: str = field(default="", compare=False)  # what it is for, where it was chosen for a layer
    mapping: str = field(default="", compare=False)

    @property
    def blocks(self) -> int:
        """All blocks of the grid."""
        return self.grid[0] * self.grid[1] * self.grid[2]


@dataclass(frozen=True)
class Work:
    """What one kernel has to do, as far as its launch depends on it.

    samples: N. channels: of the array that is written. threads: for each mapping, how many threads of one block find
    something to do. shared_values: float32 values of dynamic shared memory that a block needs, for each mapping.
    """

    what: str
    samples: int
    channels: int
    threads: dict[str, int]
    shared_values: dict[str, int]


def choose(mapping: str, work: Work) -> Launch:
    """The launch of a teaching kernel in one of the three mappings.

    As many blocks as the mapping has pieces; as many threads as a piece can employ, in whole warps and as a power of
    two (reductions halve the block), from one warp to MOST_THREADS. Raises LabError for an unknown mapping, and where a
    filter does not fit the shared memory of a block.
    """
    if mapping not in TEACHING:
        raise LabError(f"unknown mapping {mapping!r}", suggest(mapping, TEACHING))
    grid = {
        "data": (work.samples, 1, 1),
        "model": (work.channels, 1, 1),
        "hybrid": (work.samples, work.channels, 1),
    }[mapping]
    block = WARP
    while block < min(work.threads[mapping], MOST_THREADS):
        block *= 2
    if grid[1] > MOST_IN_Y:
        what = f"mapping 'hybrid' of {work.what} takes {grid[1]:,} blocks along y, a GPU has at most {MOST_IN_Y:,}"
        raise LabError(what, f"choose another for it, e.g. mapping={{'{work.what}': 'data'}}")
    shared_bytes = 4 * work.shared_values.get(mapping, 0)
    if shared_bytes > SHARED_BYTES:
        raise LabError(
            f"a filter of {work.what} takes {shared_bytes:,} bytes, a block has {SHARED_BYTES:,} of shared memory",
            f"choose mapping 'data' for it, e.g. mapping={{'{work.what}': 'data'}}",
        )
    return Launch(grid, block, shared_bytes, work.what, mapping)
