"""Kernels on the cores of this machine: rewritten to plain loops, compiled, their blocks shared among threads."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from math import prod
from threading import RLock
from time import perf_counter
from typing import Any

import numpy as np
from numba.core.errors import NumbaError
from psutil import virtual_memory

from labkit.engine.arrays import HostMirror, HostStopwatch
from labkit.engine.threads import current, spread
from labkit.errors import LabError
from labkit.kernels.executors import Ran
from labkit.kernels.executors.generated import module
from labkit.kernels.executors.names import SPECIALS, plain
from labkit.kernels.executors.program import program
from labkit.kernels.executors.text import LINE_BYTES
from labkit.kernels.launch import Launch
from labkit.machine.processor import memory_bytes

_ONE_AT_A_TIME = RLock()  # ranks may be threads, and the parser of CPython 3.11 counts its depth for all of them
ASKED_BYTES = 1 << 26  # arrays from this size on are only made after a look at what is free


@dataclass(frozen=True)
class Compiled:
    """A kernel for the CPU: `run` does blocks, in `scratch(...)` bytes of memory; how, is said by `text.Writer`."""

    run: Callable
    scratch: Callable
    places: list[str]


def compiled(kernel: Callable, checked: bool = False, whole_blocks: bool = False) -> Compiled:
    """`kernel`, a plain function, for the CPU. Raises LabError for one that cannot run there.

    checked: an index outside of an array raises IndexError(number of one of the `places`, axis, index, size) instead of
    reading or writing what lies there.
    """
    with _ONE_AT_A_TIME:
        return _compiled(kernel, checked, whole_blocks)


@cache
def _compiled(kernel: Callable, checked: bool, whole_blocks: bool) -> Compiled:
    text = program(kernel, whole_blocks, checked)
    options = ["checked_and_compiled as compiled", "checked as inlined"] if checked else ["compiled", "inlined"]
    imports = ", ".join([*SPECIALS, *options])
    made = module(kernel.__name__, text, imports)
    return Compiled(made.run, made.scratch, made.PLACES or [])


class Cpu:
    """The executor of this machine's cores; see `labkit.kernels.executors.Executor`. Arrays are NumPy's.

    As many threads share the blocks as `labkit.engine.threads.limit` allows. A launch has run when it returns.

    checked: look at every index of an array and raise LabError for one that is outside; up to three times slower, for
    kernels that are still being written. Without it such a kernel may end the process, or spoil what lies beside.
    whole_blocks: run all threads of a block, from barrier to barrier, even where one is proved to be enough
    (`program.why_all_threads`).
    """

    name = "cpu"

    def __init__(self, checked: bool = False, whole_blocks: bool = False) -> None:
        self.checked, self.whole_blocks = checked, whole_blocks
        self._profile: list[Ran] | None = None

    def launch(self, kernel: Any, launch: Launch, *arguments: Any) -> None:
        """See `Executor`. Raises LabError for a kernel that cannot run on a CPU, or not with these arguments."""
        kernel = plain(kernel)
        made = compiled(kernel, self.checked, self.whole_blocks)
        wanted = kernel.__code__.co_argcount
        if len(arguments) != wanted:
            what = f"kernel {kernel.__name__} takes {wanted} arguments, not {len(arguments)}"
            raise LabError(what, "give " + ", ".join(kernel.__code__.co_varnames[:wanted]))
        stride = made.scratch(launch.shared_bytes, launch.block)
        scratch = np.empty(stride * current() + LINE_BYTES, np.uint8)
        address = (scratch.ctypes.data + LINE_BYTES - 1) // LINE_BYTES * LINE_BYTES
        rest = (*arguments, *launch.grid, launch.shared_bytes, launch.block, address, stride)
        with _understood(kernel.__name__, made.places):
            if self._profile is None:
                spread(made.run, launch.blocks, *rest)
                return
            made.run(0, 0, 0, *rest)  # no block: compiles, so that no time of the compiler's is measured
            start = perf_counter()
            spread(made.run, launch.blocks, *rest)
        self._profile.append(Ran(kernel.__name__, launch, perf_counter() - start))

    def empty(self, shape: tuple[int, ...] | int, dtype: Any = np.float32) -> np.ndarray:
        """See `Executor`."""
        wanted = prod(shape if isinstance(shape, tuple) else (shape,)) * np.dtype(dtype).itemsize
        if wanted > ASKED_BYTES:  # the system hands out more than it has, and ends the process when it is used
            free = min(virtual_memory().available, memory_bytes())
            if wanted > free:
                what = f"no memory for an array of {wanted:,} bytes: {free:,} bytes are free"
                raise LabError(what, "take a smaller batch")
        return np.empty(shape, dtype)

    def put(self, host: np.ndarray, target: Any = None) -> np.ndarray:
        """See `Executor`."""
        if target is None:
            target = self.empty(host.shape, host.dtype)
        np.copyto(target, host)
        return target

    def get(self, array: np.ndarray) -> np.ndarray:
        """See `Executor`."""
        return array

    def mirror(self, vector: np.ndarray) -> HostMirror:
        """See `Executor`."""
        return HostMirror(vector)

    def synchronize(self) -> None:
        """See `Executor`. Nothing is under way here once `launch` has returned."""

    def stopwatch(self) -> HostStopwatch:
        """See `Executor`."""
        return HostStopwatch()

    @contextmanager
    def profile(self) -> Iterator[list[Ran]]:
        """See `Executor`."""
        before, self._profile = self._profile, []
        try:
            yield self._profile
        finally:
            self._profile = before


@contextmanager
def _understood(kernel: str, places: list[str]) -> Iterator[None]:
    """Errors of the compiler and of checked indices as LabError."""
    try:
        yield
    except NumbaError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip() and "Failed in" not in line]
        reasons = [line.removeprefix("TypingError:").strip() for line in lines if line.startswith("TypingError:")]
        told = " ".join(reasons[:1] or lines[:4])
        what = f"kernel {kernel} does not compile for the CPU: {told}"
        raise LabError(what, "compare the arguments that it was given with what it does to them") from error
    except IndexError as error:
        what = f"kernel {kernel} reads or writes outside of an array"
        if len(error.args) == 4:
            place, axis, index, size = error.args
            what += f": {places[place]}, where index {index} stands along axis {axis}, which has {size}"
        raise LabError(what, "compare its index arithmetic with the shapes of the arrays") from error
