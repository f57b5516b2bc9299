"""Runs every thread of every block of a kernel, one after the other, and writes down what each does to memory."""

from collections.abc import Generator, Iterable
from typing import Any

import numpy as np

from labkit.errors import LabError
from labkit.kernels.launch import Launch
from labkit.kernels.trace.doubles import double_values
from labkit.kernels.trace.kernel_array import KernelArray
from labkit.kernels.trace.operations import Recorder
from labkit.kernels.trace.program import Program
from labkit.kernels.trace.record import KINDS, SPACES, Accesses, Divergence, Trace
from labkit.kernels.trace.scalars import constant

LIMIT = 2_000_000  # accesses
SECONDS = 30.0
MOST_THREADS_OF_A_BLOCK = 1024
MOST_INTERVALS = 20_000  # between barriers, of one block
MOST_DIVERGENCES = 100


def trace(
    kernel: Any,
    launch: Launch,
    *arguments: Any,
    blocks: Iterable[int] | None = None,
    limit: int = LIMIT,
    seconds: float = SECONDS,
) -> Trace:
    """Run `kernel` on NumPy arrays and numbers, thread by thread, and record every access to memory.

    The threads of a block take turns: each runs to its next barrier. arguments: as the kernel takes them; arrays (C
    order) are written to. blocks: the numbers of those to record, by default all; all are run. limit: accesses to
    record at most. seconds: to spend at most. Mistakes of the kernel that a GPU would not report are recorded, see
    `findings`; LabError is raised for what cannot be run here, for a loop that does not end, and for more than `limit`.
    """
    program = Program(kernel)
    name = program.function.__name__
    _check_launch(name, launch)
    recorder = Recorder(name, launch, program.sites, limit, seconds)
    given = _arguments(recorder, program.parameters, arguments)
    run = _Run(program, recorder, given, _wanted(blocks, launch))
    for block in range(launch.blocks):
        run.block(block)
    doubles = double_values(program.function, arguments)
    return run.finish(doubles)


class _Run:
    """The state of one traced launch."""

    def __init__(self, program: Program, recorder: Recorder, arguments: list[Any], wanted: frozenset[int]):
        self.program, self.recorder, self.arguments, self.wanted = program, recorder, arguments, wanted
        self.function = program.bind(recorder.operations())
        self.columns: list[tuple[np.ndarray, ...]] = []
        self.phases: dict[int, tuple[int, ...]] = {}
        self.divergences: list[Divergence] = []
        self.global_arrays = list(recorder.arrays)
        self.written = {number: np.zeros(array.size, bool) for number, array in enumerate(self.global_arrays)}

    def block(self, block: int) -> None:
        """Run one block; its accesses are kept if it is one of those that are wanted."""
        recorder, launch = self.recorder, self.recorder.launch
        recorder.new_block(block)
        x, y, z = launch.grid
        place = (block % x, block // x % y, block // (x * y))
        running: dict[int, Generator] = {
            thread: self.function((thread, *place, launch.block, x, y, z), 0, *self.arguments)
            for thread in range(launch.block)
        }
        turns: list[tuple[int, int, int]] = []  # thread, phase, first access
        lines: list[int] = []
        with np.errstate(all="ignore"):
            while running:
                arrived = self._phase(running, turns, len(lines))
                self._meet(block, len(lines), arrived)
                met = [where for where in arrived.values() if where is not None]
                lines.append(recorder.sites[met[0][0]].line if met else 0)
                running = {thread: running[thread] for thread, where in arrived.items() if where is not None}
                if len(lines) > MOST_INTERVALS:
                    what = f"kernel {recorder.kernel} was at the barrier in line {lines[-1]} or others "
                    what += f"{MOST_INTERVALS:,} times ({recorder.where()})"
                    raise LabError(what, "see whether the loop around it ends; if it does, trace smaller arrays")
        self._keep(block, turns, lines)

    def _phase(self, running: dict[int, Generator], turns: list, phase: int) -> dict[int, tuple[int, int] | None]:
        """Let each thread run to its next barrier; thread -> (site, moment) of that barrier, None at the end."""
        arrived, recorder = {}, self.recorder
        for thread, generator in running.items():
            recorder.thread = thread
            turns.append((thread, phase, len(recorder.site)))
            arrived[thread] = self._turn(generator)
            recorder.look()
        return arrived

    def _turn(self, generator: Generator) -> tuple[int, int] | None:
        try:
            return next(generator, None)
        except LabError:
            raise
        except Exception as error:
            recorder, line = self.recorder, self.program.line_of(error)
            what = f"kernel {recorder.kernel} fails in line {line} ({recorder.where()}): {error}"
            raise LabError(what, "look at the values that this line works with") from error

    def _meet(self, block: int, phase: int, arrived: dict[int, tuple[int, int] | None]) -> None:
        """Note where threads of a block have come to different barriers, or some to the end."""
        groups: dict[tuple[int, int] | None, list[int]] = {}
        for thread, where in arrived.items():
            groups.setdefault(where, []).append(thread)
        if len(groups) < 2 or len(self.divergences) >= MOST_DIVERGENCES:
            return
        waiting = max((where for where in groups if where is not None), key=lambda where: len(groups[where]))
        for other in (group for group in groups if group != waiting):
            site = -1 if other is None else other[0]
            counts = len(groups[waiting]), len(groups[other])
            first = groups[waiting][0], groups[other][0]
            self.divergences.append(Divergence(block, phase, waiting[0], first[0], site, first[1], *counts))

    def _keep(self, block: int, turns: list[tuple[int, int, int]], lines: list[int]) -> None:
        """Turn what the block has written down into columns, and begin anew."""
        recorder = self.recorder
        taken = [np.array(column) for column in (recorder.site, recorder.address, recorder.moment)]
        for column in (recorder.site, recorder.address, recorder.moment):
            del column[:]
        site, address, moment = taken
        reads = np.array([one.kind == "read" for one in recorder.sites])
        wrote = address[~reads[site]] if len(site) else address
        for number, array in enumerate(self.global_arrays):
            mine = wrote[(wrote >= array.first_address) & (wrote < array.first_address + array.size)]
            self.written[number][mine - array.first_address] = True
        if block not in self.wanted:
            return
        lengths = np.diff([*(start for _, _, start in turns), len(site)])
        thread, phase = (np.repeat([turn[i] for turn in turns], lengths) for i in (0, 1))
        self.phases[block] = tuple(lines)
        self.columns.append((np.full(len(site), block), thread, phase, site, address, moment))
        recorder.kept += len(site)

    def finish(self, doubles: tuple) -> Trace:
        """The trace of all that was run."""
        recorder = self.recorder
        columns = [np.concatenate(parts) for parts in zip(*self.columns, strict=True)] if self.columns else [[]] * 6
        block, thread, phase, site, address, moment = (np.asarray(column, np.int64) for column in columns)
        firsts = np.array([array.first_address for array in recorder.arrays] or [0])
        number = np.searchsorted(firsts, address, side="right") - 1
        sizes = np.array([array.size for array in recorder.arrays] or [0])
        index = address - firsts[number]
        index[index == sizes[number]] = -1
        sites, arrays = recorder.sites, recorder.arrays
        kinds = np.array([KINDS.index(one.kind) if one.kind in KINDS else -1 for one in sites], np.int8)
        lines = np.array([one.line for one in sites], np.int32)
        spaces = np.array([SPACES.index(one.space) for one in arrays], np.int8)
        narrow = [column.astype(np.int32) for column in (block, thread, phase, site, number)]
        rest = (index, moment.astype(np.int32), kinds[site], lines[site], spaces[number])
        return Trace(
            kernel=recorder.kernel,
            launch=recorder.launch,
            arrays=tuple(arrays),
            sites=tuple(sites),
            accesses=Accesses(*narrow, *rest),
            blocks=tuple(sorted(self.wanted)),
            phases=self.phases,
            moments=_unpacked(recorder.moments),
            written=self.written,
            faults=tuple(recorder.faults),
            faults_in_all=recorder.faults_in_all,
            divergences=tuple(self.divergences),
            doubles=doubles,
            sources=tuple(self.program.sources),
        )


def _unpacked(moments: dict[int, int]) -> np.ndarray:
    """[m + 1, 3] (enclosing moment, site, round) of each moment; the first is the kernel itself, outside of loops."""
    rows = [(0, -1, 0), *((key >> 48, key >> 32 & 0xFFFF, key & 0xFFFFFFFF) for key in moments)]
    return np.array(rows, np.int64)


def _check_launch(name: str, launch: Launch) -> None:
    if not 1 <= launch.block <= MOST_THREADS_OF_A_BLOCK:
        what = f"kernel {name} is launched with {launch.block} threads per block"
        raise LabError(what, f"give 1 to {MOST_THREADS_OF_A_BLOCK}, as on a GPU")
    if min(launch.grid) < 1:
        raise LabError(
            f"kernel {name} is launched with a grid of {launch.grid} blocks", "give 1 or more along each axis"
        )


def _wanted(blocks: Iterable[int] | None, launch: Launch) -> frozenset[int]:
    if blocks is None:
        return frozenset(range(launch.blocks))
    wanted = frozenset(blocks)
    if not wanted <= set(range(launch.blocks)):
        unknown = sorted(wanted - set(range(launch.blocks)))[0]
        raise LabError(f"block {unknown} of a grid of {launch.blocks}", f"give numbers from 0 to {launch.blocks - 1}")
    return wanted


def _arguments(recorder: Recorder, names: list[str], given: tuple[Any, ...]) -> list[Any]:
    """The arguments as the rewritten kernel takes them. Raises LabError for those that a kernel cannot take."""
    if len(given) != len(names):
        what = f"kernel {recorder.kernel} takes {len(names)} arguments, not {len(given)}"
        raise LabError(what, "give " + ", ".join(names))
    made, seen = [], []
    for name, value in zip(names, given, strict=True):
        if isinstance(value, np.ndarray) and value.ndim:
            made.append(_cells(recorder, name, value, seen))
        elif isinstance(value, np.integer | np.bool_):
            made.append(value.item())
        elif constant(value):
            made.append(value)
        else:
            raise LabError(f"argument {name} is a {type(value).__name__}", "give a NumPy array or a number")
    return made


def _cells(recorder: Recorder, name: str, value: np.ndarray, seen: list[tuple[np.ndarray, KernelArray]]) -> KernelArray:
    """An array as kernels see it. Two arguments that are the same memory have the same addresses."""
    if not value.flags.c_contiguous or value.dtype.kind not in "fiub":
        what = f"argument {name}, an array of {value.dtype} in another order than C's"
        raise LabError(what, "give np.ascontiguousarray of numbers")
    for other, cells in seen:
        if np.may_share_memory(value, other):
            if value.ctypes.data != other.ctypes.data or value.size != other.size or value.dtype != other.dtype:
                raise LabError(f"argument {name} overlaps another one", "give a copy of it, or the whole array twice")
            return KernelArray(cells.flat, cells.first, value.shape)
    first = recorder.add(name, "global", value.shape, value.dtype)
    cells = KernelArray(value.reshape(-1), first, value.shape)
    seen.append((value, cells))
    return cells
