"""An executor on which nothing runs: it notes every launch and its arguments, so that times can be modelled.

A training step rehearsed here makes exactly the launches that it makes on a GPU, because the same layers make them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from labkit.engine.arrays import HostMirror
from labkit.kernels.executors import Ran
from labkit.kernels.launch import Launch


@dataclass(frozen=True, eq=False)
class Started:
    """One launch that was noted: the kernel (a plain function) and the arguments it would have got."""

    kernel: Any
    launch: Launch
    arguments: tuple[Any, ...]


class Rehearsal:
    """See `labkit.kernels.executors.Executor`. `started`: the launches so far. Arrays hold zeros that are never read.

    Memory is only promised by the system, never touched, so the largest networks can be rehearsed.
    """

    name = "rehearsal"

    def __init__(self) -> None:
        self.started: list[Started] = []

    def launch(self, kernel: Any, launch: Launch, *arguments: Any) -> None:
        """See `Executor`."""
        self.started.append(Started(kernel, launch, arguments))

    def empty(self, shape: tuple[int, ...] | int, dtype: Any = np.float32) -> np.ndarray:
        """See `Executor`."""
        return np.zeros(shape, dtype)

    def put(self, host: np.ndarray, target: Any = None) -> np.ndarray:
        """See `Executor`."""
        return host if target is None else target

    def get(self, array: np.ndarray) -> np.ndarray:
        """See `Executor`."""
        return array

    def mirror(self, vector: np.ndarray) -> HostMirror:
        """See `Executor`."""
        return HostMirror(vector)

    def synchronize(self) -> None:
        """See `Executor`."""

    def stopwatch(self) -> "Laps":
        """See `Executor`."""
        return Laps()

    @contextmanager
    def profile(self) -> Iterator[list[Ran]]:
        """See `Executor`; the list stays empty."""
        yield []


class Laps:
    """A stopwatch that stands still."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def lap(self, name: str) -> None:
        """See `Stopwatch`."""
        self._names.append(name)

    def seconds(self) -> dict[str, float]:
        """See `Stopwatch`."""
        return dict.fromkeys(self._names, 0.0)
