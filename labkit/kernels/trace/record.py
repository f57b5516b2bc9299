"""What a traced kernel leaves behind: every access to memory as columns of numbers, and what went wrong on the way."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from labkit.kernels.launch import Launch

SPACES = ("global", "shared", "local")
KINDS = ("read", "write", "atomic")
READ, WRITE, ATOMIC = range(3)


@dataclass(frozen=True)
class Source:
    """The text of one function; `first` is the number of its first line in the file or notebook cell."""

    function: str
    first: int
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Site:
    """One place in the source. kind: 'read', 'write', 'atomic', 'barrier', 'array', 'loop' or 'call'.

    line: counted as in the file, or in the notebook cell. text: the source of the expression. values: how many values
    in a row one access moves (4 for a 128-bit access). name: of the function or the array that is meant.
    """

    function: str
    kind: str
    line: int
    text: str
    values: int = 1
    name: str = ""


@dataclass(frozen=True)
class Array:
    """An array that the kernel was given (global), or made for each block (shared) or each thread (local)."""

    name: str
    space: str
    shape: tuple[int, ...]
    dtype: np.dtype
    first_address: int  # in the numbering of `Trace.address`

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    def spelled(self, index: int) -> str:
        """The cell with this flat index as a kernel writes it, such as `x[0, 2, 7]`."""
        return f"{self.name}[{', '.join(str(int(i)) for i in np.unravel_index(index, self.shape))}]"


@dataclass(frozen=True)
class Accesses:
    """One row per access, block by block, within a block thread by thread of each barrier interval; equal lengths.

    block: number of the block, x fastest. phase: number of the barrier interval. site: which of `Trace.sites`. array:
    which of `Trace.arrays`. index: flat, -1 for one that is outside of the array. moment: which of `Trace.moments`,
    the rounds of the loops around it. kind, line, space: of the site and the array; kind indexes KINDS, space SPACES.
    """

    block: np.ndarray
    thread: np.ndarray
    phase: np.ndarray
    site: np.ndarray
    array: np.ndarray
    index: np.ndarray
    moment: np.ndarray
    kind: np.ndarray
    line: np.ndarray
    space: np.ndarray

    def __len__(self) -> int:
        return len(self.block)

    @cached_property
    def occurrence(self) -> np.ndarray:
        """How often the same thread had made an access at the same site before."""
        order = np.lexsort((np.arange(len(self)), self.site, self.thread, self.block))
        keys = np.stack([self.block[order], self.thread[order], self.site[order]])
        first = np.ones(len(self), bool)
        first[1:] = (keys[:, 1:] != keys[:, :-1]).any(0)
        rows = np.arange(len(self))
        out = np.empty(len(self), np.int64)
        out[order] = rows - np.maximum.accumulate(np.where(first, rows, 0))
        return out

    def where(self, mask: np.ndarray) -> "Accesses":
        """The rows for which `mask` is true."""
        return Accesses(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Fault:
    """An index that the array does not have.

    order: which of its block's accesses. axis: the first that it leaves; -1 for a misaligned 128-bit access.
    """

    site: int
    array: int
    block: int
    thread: int
    order: int
    index: tuple[int, ...]
    axis: int
    size: int


@dataclass(frozen=True)
class Divergence:
    """Threads of a block that did not meet: some at barrier `site`, others at `other`, or at the kernel's end (-1)."""

    block: int
    phase: int
    site: int
    thread: int
    other: int
    other_thread: int
    waiting: int
    elsewhere: int


@dataclass(frozen=True)
class Trace:
    """One launch, run thread by thread; made by `labkit.kernels.trace.trace`.

    blocks: numbers of the blocks whose accesses are in `accesses`; all blocks were run. phases: block -> the lines of
    the barriers that end its intervals, 0 for the end of the kernel. moments [m, 3]: (enclosing moment, site of the
    loop or call, round). written: array -> which of its cells any
    block wrote. doubles: what `doubles.double_values` found. sources: the kernel, then the functions that it calls.
    """

    kernel: str
    launch: Launch
    arrays: tuple[Array, ...]
    sites: tuple[Site, ...]
    accesses: Accesses
    blocks: tuple[int, ...]
    phases: dict[int, tuple[int, ...]]
    moments: np.ndarray
    written: dict[int, np.ndarray]
    faults: tuple[Fault, ...] = ()
    faults_in_all: int = 0
    divergences: tuple[Divergence, ...] = ()
    doubles: tuple = ()
    sources: tuple[Source, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the arrays, those of the kernel's parameters first."""
        return tuple(array.name for array in self.arrays)

    def __repr__(self) -> str:
        blocks = f"{len(self.blocks)} of {self.launch.blocks} blocks"
        return f"Trace of {self.kernel}: {blocks} of {self.launch.block} threads, {len(self.accesses):,} accesses"

    def coordinates(self, block: int) -> tuple[int, int, int]:
        """(x, y, z) of a block's number."""
        x, y, _ = self.launch.grid
        return block % x, block // x % y, block // (x * y)

    def place(self, block: int) -> str:
        """A block as it is written: `block 3`, or `block (3, 1)` in a grid of two dimensions."""
        used = max(axis for axis, size in enumerate(self.launch.grid) if size > 1 or axis == 0) + 1
        at = self.coordinates(block)[:used]
        return f"block {at[0] if used == 1 else at}"
