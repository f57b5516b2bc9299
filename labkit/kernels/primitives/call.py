"""What all primitives do around their kernel: check the arrays, bring them to the executor, bring results back."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from labkit.engine.threads import limit
from labkit.errors import LabError, suggest
from labkit.kernels.executors import Executor
from labkit.kernels.executors.here import executor
from labkit.kernels.launch import TEACHING, Launch, Work, choose
from labkit.network import Shape


class Call:
    """One call of a primitive: arrays of the host are copied to the executor and, if written, back at the end.

    Arrays that are the executor's own are used as they are, and nothing is waited for.
    """

    def __init__(self, on: Executor | None, mapping: str):
        if mapping not in TEACHING:
            raise LabError(f"unknown mapping {mapping!r}", suggest(str(mapping), TEACHING))
        self.on, self.mapping = executor_of(on), mapping
        self._back: list[tuple[Any, np.ndarray]] = []

    def reads(self, name: str, array: Any, shape: Shape, dtype: Any = np.float32) -> Any:
        """`array` on the executor, to be read; LabError unless it has this shape and type."""
        expect(name, array, shape, dtype)
        return self.on.put(array) if isinstance(array, np.ndarray) else self._own(name, array)

    def writes(self, name: str, array: Any, shape: Shape, dtype: Any = np.float32) -> Any:
        """`array` on the executor, to be written; on the host it is overwritten when the call ends."""
        expect(name, array, shape, dtype)
        if not isinstance(array, np.ndarray):
            return self._own(name, array)
        if not array.flags.c_contiguous or not array.flags.writeable:
            raise LabError(f"{name} is a view or read-only", f"give an array made by np.empty({shape}, np.float32)")
        there = self.on.put(array)
        self._back.append((there, array))
        return there

    def launch(self, table: dict[str, Any], work: Work, *arguments: Any) -> Launch:
        """Choose the launch of this call's mapping and start the kernel."""
        chosen = choose(self.mapping, work)
        self.on.launch(table[self.mapping], chosen, *arguments)
        return chosen

    def _own(self, name: str, array: Any) -> Any:
        """`array`, which is not of the host: LabError where the kernel runs on the host."""
        if self.on.name == "cpu":
            raise LabError(f"{name} is {type(array).__name__}, and the kernel runs on the CPU", "give a NumPy array")
        return array

    def finish(self) -> None:
        """Copy what was written to the host's arrays."""
        for there, array in self._back:
            host = self.on.get(there)
            if host is not array:
                array[...] = host


@contextmanager
def call(on: Executor | None, mapping: str) -> Iterator[Call]:
    """A `Call` whose results are back on the host when the `with` block ends without an error; it may use all cores."""
    made = Call(on, mapping)
    with limit():
        yield made
        made.finish()


def executor_of(on: Executor | None) -> Executor:
    """The executor `on`, or this machine's: its GPU, else its cores. LabError for what is no executor."""
    if on is None:
        return executor()
    if not hasattr(on, "launch"):
        raise LabError(
            f"on={on!r} is no executor", "give labkit.kernels.executor('cpu') or executor('gpu'), or nothing"
        )
    return on


def expect(name: str, array: Any, shape: Shape, dtype: Any = np.float32) -> None:
    """Refuse anything but an array of this shape and type, naming the argument."""
    wanted = f"an array of {np.dtype(dtype).name} with shape {tuple(shape)}"
    if not hasattr(array, "shape") or not hasattr(array, "dtype"):
        raise LabError(f"{name} is {type(array).__name__}", f"give {wanted}")
    if tuple(array.shape) != tuple(shape) or array.dtype != np.dtype(dtype):
        raise LabError(f"{name} is {array.dtype} of shape {tuple(array.shape)}", f"give {wanted}")
