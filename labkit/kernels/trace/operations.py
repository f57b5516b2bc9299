"""What rewritten kernels call: accesses that are written down, arrays of blocks and threads, rounds of loops."""

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from labkit.errors import LabError
from labkit.kernels.launch import SHARED_BYTES, Launch
from labkit.kernels.trace.kernel_array import KernelArray, Outside, fresh, is_view
from labkit.kernels.trace.record import Array, Fault, Site
from labkit.kernels.trace.scalars import power, shifted, whole

MOST_ROUNDS = 500_000  # different moments; a loop that never ends meets this limit within a second
MOST_FAULTS = 1000
CHECK_EVERY = 4000  # rounds
_ATOMIC = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "max": max, "min": min, "exch": lambda a, b: b}


@dataclass
class Recorder:
    """What one traced launch has written down so far. `thread`, `block`: who is running; `start_s`: since when."""

    kernel: str
    launch: Launch
    sites: list[Site]
    limit: int
    seconds: float
    arrays: list[Array] = field(default_factory=list)
    site: array = field(default_factory=lambda: array("i"))
    address: array = field(default_factory=lambda: array("q"))
    moment: array = field(default_factory=lambda: array("i"))
    moments: dict[int, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    faults_in_all: int = 0
    kept: int = 0
    block: int = 0
    thread: int = 0
    start_s: float = field(default_factory=time.monotonic)
    _next_address: int = 0
    _of_site: dict[tuple, int] = field(default_factory=dict)
    _of_block: dict[int, KernelArray] = field(default_factory=dict)

    def new_block(self, block: int) -> None:
        """Forget the shared arrays of the block before."""
        self.block, self._of_block = block, {}

    def add(self, name: str, space: str, shape: tuple[int, ...], dtype: np.dtype) -> int:
        """Note an array; returns its first address. One more address than values stands for everything outside."""
        self.arrays.append(Array(name, space, shape, dtype, self._next_address))
        self._next_address += self.arrays[-1].size + 1
        return self.arrays[-1].first_address

    def array_number(self, first: int) -> int:
        """The number of the array whose first address this is."""
        return next(i for i, one in enumerate(self.arrays) if one.first_address == first)

    def fault(self, cells: KernelArray, site: int, index: tuple[int, ...], axis: int, size: int) -> None:
        """Note an index that the array does not have."""
        self.faults_in_all += 1
        if len(self.faults) < MOST_FAULTS:
            number = self.array_number(cells.first)
            self.faults.append(Fault(site, number, self.block, self.thread, len(self.site), index, axis, size))

    def where(self) -> str:
        """Who is running, for messages."""
        return f"block {self.block} of {self.launch.blocks}, thread {self.thread} of {self.launch.block}"

    def look(self) -> None:
        """Raise LabError where the run has become too long or its record too large."""
        rounds = len(self.moments)
        if rounds > MOST_ROUNDS:
            key = next(reversed(self.moments))
            loop = self.sites[key >> 32 & 0xFFFF]
            what = f"kernel {self.kernel} was still in the loop of line {loop.line} (`{loop.text}`) after "
            advice = "see whether its condition ever becomes false; if it does, trace smaller arrays or more threads"
            raise LabError(f"{what}{MOST_ROUNDS:,} rounds ({self.where()})", advice)
        if time.monotonic() - self.start_s > self.seconds:
            what = f"kernel {self.kernel} was not through after {self.seconds:g} seconds of tracing ({self.where()})"
            advice = f"trace a smaller batch or image: the first {max(1, self.block)} blocks would have fitted"
            raise LabError(what, advice if self.block else "trace smaller arrays, or look for a loop that never ends")
        if self.kept + len(self.site) > self.limit:
            what = f"kernel {self.kernel} makes more than {self.limit:,} accesses to memory ({self.where()})"
            fits = f"record fewer blocks, e.g. blocks=range({self.block})" if self.block else "trace smaller arrays"
            raise LabError(what, f"{fits}, or allow more with limit=")

    def operations(self) -> dict[str, Callable]:
        """Everything that rewritten functions call, by name."""
        load, store, atomic = self._accesses()
        return {
            "_load": load,
            "_store": store,
            "_atomic": atomic,
            "_moment": self._moments(),
            "_shared": self._shared,
            "_local": self._local,
            "_whole": whole,
            "_power": power,
            "_shifted": shifted,
            "_slice": slice,
            **_intrinsics(self),
        }

    def _accesses(self) -> tuple[Callable, Callable, Callable]:
        note_site, note_address, note_moment = self.site.append, self.address.append, self.moment.append

        def at(cells, index, site, moment):
            """The place in `cells.flat`, noted; -1 where there is none."""
            try:
                place = cells.place(index)
            except TypeError as error:
                raise TypeError("a part of an array is not one value") if is_view(index) else error from None
            except Outside as wrong:
                self.fault(cells, site, wrong.index, wrong.axis, wrong.size)
                place = wrong.place if 0 <= wrong.place < cells.flat.size else -1
            note_site(site)
            note_address(cells.first + (place if place >= 0 else cells.flat.size))
            note_moment(moment)
            return place

        def load(cells, index, site, moment):
            if type(cells) is not KernelArray:
                return cells[index]
            if is_view(index) or (cells.ndim > 1 and (type(index) is not tuple or len(index) < cells.ndim)):
                return cells.view(index)
            place = at(cells, index, site, moment)
            return cells.get(place) if place >= 0 else _nothing(cells)

        def store(value, cells, index, site, moment):
            place = at(cells, index, site, moment)
            if place >= 0:
                cells.flat[place] = value

        def atomic(operation, cells, index, value, site, moment):
            place = at(cells, index[0] if type(index) is tuple and len(index) == 1 else index, site, moment)
            if place < 0:
                return _nothing(cells)
            old = cells.get(place)
            cells.flat[place] = _ATOMIC[operation](old, value)
            return old

        return load, store, atomic

    def _moments(self) -> Callable:
        numbers, rounds = self.moments, 0

        def moment(outer, site, number):
            nonlocal rounds
            rounds += 1
            if rounds >= CHECK_EVERY or len(numbers) > MOST_ROUNDS:
                rounds = 0
                self.look()
            return numbers.setdefault(outer << 48 | site << 32 | number, len(numbers) + 1)

        return moment

    def _shared(self, shape: Any, dtype: str, site: int, moment: int) -> KernelArray:
        if site not in self._of_block:
            kind = np.dtype(dtype)
            shape = (self.launch.shared_bytes // kind.itemsize,) if shape == 0 else _checked(shape)
            self._of_block[site] = self._fresh(site, "shared", shape, kind)
            used = sum(cells.flat.nbytes for cells in self._of_block.values())
            if used > SHARED_BYTES:
                what = f"kernel {self.kernel} asks for {used:,} bytes of shared memory, a block has {SHARED_BYTES:,}"
                raise LabError(what, f"make the arrays smaller: {SHARED_BYTES // 4:,} float32 values fit in all")
        return self._of_block[site]

    def _local(self, shape: Any, dtype: str, site: int, moment: int) -> KernelArray:
        return self._fresh(site, "local", _checked(shape), np.dtype(dtype))

    def _fresh(self, site: int, space: str, shape: tuple[int, ...], dtype: np.dtype) -> KernelArray:
        """A new array; those that the same site makes for other blocks and threads have the same addresses."""
        if (site, shape) not in self._of_site:
            self._of_site[site, shape] = self.add(self.sites[site].name, space, shape, dtype)
        return fresh(shape, dtype, self._of_site[site, shape])


def _nothing(cells: KernelArray) -> Any:
    """What a read outside of all memory gives here."""
    return np.float32(np.nan) if cells.dtype.kind == "f" else 0


def _checked(shape: Any) -> tuple[int, ...]:
    """A shape of shared or local memory, as a tuple; LabError for one that no block could have."""
    shape = shape if isinstance(shape, tuple) else (shape,)
    whole_numbers = all(type(size) is int and size > 0 for size in shape)
    if not whole_numbers or np.prod(shape, dtype=np.float64) > SHARED_BYTES:
        raise LabError(f"an array of shape {shape} in a kernel", "give whole numbers above 0, 12,288 values at most")
    return shape


def _intrinsics(recorder: Recorder) -> dict[str, Callable]:
    """The unchecked accesses of `labkit.kernels.intrinsics`: flat, never taken from the end, 128 bits aligned."""
    note_site, note_address, note_moment = recorder.site.append, recorder.address.append, recorder.moment.append

    def places(cells, i, values, site, moment):
        if cells.ndim != 1 or i % values:
            recorder.fault(cells, site, (i,), -1, values)
        for place in range(cells.offset + i, cells.offset + i + values):
            inside = 0 <= place - cells.offset < cells.size
            if not inside:
                recorder.fault(cells, site, (place - cells.offset,), 0, cells.size)
            note_site(site)
            note_address(cells.first + (place if inside else cells.flat.size))
            note_moment(moment)
            yield place if inside else -1

    def read(cells, i, values, site, moment):
        found = places(cells, i, values, site, moment)
        return tuple(cells.get(place) if place >= 0 else _nothing(cells) for place in found)

    def write(cells, i, values, site, moment):
        for place, value in zip(places(cells, i, len(values), site, moment), values, strict=True):
            if place >= 0:
                cells.flat[place] = value

    def copy(values):
        def run(dst, i, src, j, ok, site, moment):
            # Two sites: that of the read, and the next one, that of the write.
            found = read(src, j, values, site, moment) if ok else (np.float32(0),) * values
            write(dst, i, found, site + 1, moment)

        return run

    return {
        "_ld": lambda a, i, site, moment: read(a, i, 1, site, moment)[0],
        "_ld4": lambda a, i, site, moment: read(a, i, 4, site, moment),
        "_st": lambda a, i, value, site, moment: write(a, i, (value,), site, moment),
        "_st4": lambda a, i, x, y, z, w, site, moment: write(a, i, (x, y, z, w), site, moment),
        **{f"_{name}4z": copy(1) for name in ("copy", "cp_async")},
        **{f"_{name}16z": copy(4) for name in ("copy", "cp_async")},
    }
