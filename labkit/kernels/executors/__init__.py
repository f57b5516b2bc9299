"""Where kernels run: on a GPU, in Numba's simulator, or compiled for the cores of this machine.

All executors take the same kernels (plain functions of a module), the same `Launch`, and arrays of their own memory.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from labkit.engine.arrays import Mirror, Stopwatch
from labkit.kernels.launch import Launch


@dataclass(frozen=True)
class Ran:
    """One launch as it was timed: `seconds` on the device, without the time that the launch itself took."""

    kernel: str
    launch: Launch
    seconds: float


class Executor(Protocol):
    """A place where kernels run. `name` is 'gpu', 'simulator' or 'cpu'."""

    name: str

    def launch(self, kernel: Any, launch: Launch, *arguments: Any) -> None:
        """Start `kernel` (a plain function) with arrays of this executor and numbers; may return before it has run.

        Launches run in the order in which they were started.
        """

    def empty(self, shape: tuple[int, ...] | int, dtype: Any = np.float32) -> Any:
        """A C-contiguous array with arbitrary content; LabError where there is no memory for it."""

    def put(self, host: np.ndarray, target: Any = None) -> Any:
        """Copy a host array into `target` (of the same shape), or into a new array; returns it."""

    def get(self, array: Any) -> np.ndarray:
        """What `array` holds once all launches so far have run, as a host array (on a CPU: the array itself)."""

    def mirror(self, vector: Any) -> Mirror:
        """See `Arrays.mirror`; copies go on beside launches that were started before or after."""

    def synchronize(self) -> None:
        """Wait until all launches so far have run; raises LabError if one of them failed."""

    def stopwatch(self) -> Stopwatch:
        """A stopwatch that starts now."""

    def profile(self) -> AbstractContextManager[list[Ran]]:
        """Within the `with` block every launch is timed; the list is complete when the block ends."""
