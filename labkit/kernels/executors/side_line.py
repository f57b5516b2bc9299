"""A second line of work on a GPU, beside the one that kernels are launched into: copies and messages between ranks.

Work in one line is done in order; the two lines know nothing of each other. So a copy need not wait for kernels that
were launched before it and have nothing to do with it, and waiting for kernels is not waiting for another rank's
message. In exchange, whoever puts work into this line first makes sure that what it needs has been computed.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from labkit.kernels.executors.failures import understood
from labkit.kernels.source import SIMULATED, cuda


class SideLine:
    """stream: as Numba's copies take it; handle: the number by which other libraries know it (0 in the simulator, where
    every call is over when it returns).
    """

    def __init__(self) -> None:
        self.stream: Any = 0
        self.handle = 0
        if not SIMULATED:
            self._make()

    def _make(self) -> None:
        """A stream of Numba's own would wait for the default one (CUDA C++ Programming Guide, "Implicit
        Synchronization"); one of cuda-core's does not.
        """
        from cuda.core import Device

        with understood("a second line of work"):
            device = Device(cuda.get_current_device().id)
            device.set_current()
            self._own = device.create_stream()
            self.handle = int(self._own.handle)
            self.stream = cuda.external_stream(self.handle)

    def enter(self) -> None:
        """Let this thread use the GPU; each thread that works with the line calls it before."""
        if not SIMULATED:
            with understood("the use of the GPU by another thread"):
                cuda.current_context()

    def mark(self) -> Callable[[], bool]:
        """A function that says whether all that was put into the line so far is done; LabError if the GPU failed."""
        if SIMULATED:
            return lambda: True
        with understood("work beside the kernels"):
            event = self._own.record()

        def done() -> bool:
            with understood("work beside the kernels"):
                return event.is_done

        return done


class PinnedMirror:
    """A vector of the GPU on the host, in page-locked memory: the GPU reads and writes it while the host goes on.

    For the methods see `labkit.engine.arrays.Mirror`.
    """

    def __init__(self, vector: Any, line: SideLine) -> None:
        with understood("page-locked memory of the host", vector.nbytes):
            self.values: np.ndarray = cuda.pinned_array(vector.shape, vector.dtype)
        self._vector, self._line = vector, line
        self._over: Callable[[], bool] = lambda: True

    def fetch(self) -> None:
        self._line.enter()
        with understood("a copy from the GPU"):
            self._vector.copy_to_host(self.values, stream=self._line.stream)
        self._over = self._line.mark()

    def store(self) -> None:
        self._line.enter()
        with understood("a copy to the GPU", self.values.nbytes):
            self._vector.copy_to_device(self.values, stream=self._line.stream)
        self._over = self._line.mark()

    def done(self) -> bool:
        return self._over()
