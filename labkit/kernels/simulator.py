"""What Numba's simulator lacks for tuned kernels. Nothing here is active unless NUMBA_ENABLE_CUDASIM=1 was set.

The simulator runs every thread of a block as a thread of Python. It refuses `alignment=` (which has no meaning there),
finds out which static shared array is meant by walking the whole call stack, and lets indices wrap around.
"""

import sys
import threading
from functools import wraps

import numpy as np

from labkit.kernels.source import SIMULATED

_LOCK = threading.Lock()


def patch() -> None:
    """Teach the simulator's shared and local arrays what this module's docstring says; nothing outside it."""
    if not SIMULATED:
        return
    from numba.cuda.simulator import kernelapi

    kernelapi.FakeCUDAShared.array = _shared_array
    kernelapi.FakeCUDALocal.array = _local_array


def checked(function, accesses: tuple[tuple[int, int, int], ...], condition: int | None = None):
    """`function` with a check of its accesses, each (argument that is the array, argument that is the index, values).

    Raises IndexError for a negative index, which Python would take from the array's end and a GPU from memory before
    it, and for four values that do not begin at a multiple of four: a GPU ends such a kernel with "misaligned address".
    condition: the argument that must be true for the last access to take place.
    """

    @wraps(function)
    def check_first(*arguments):
        for number, (array, index, values) in enumerate(accesses):
            is_last = number == len(accesses) - 1
            if condition is not None and is_last and not arguments[condition]:
                continue
            i = arguments[index]
            if i < 0 or i % values or i + values > arguments[array].size:
                raise IndexError(f"{function.__name__[1:]}: {values} values at {i} of {arguments[array].size}")
        return function(*arguments)

    return check_first


def _shared_array(self, shape, dtype, alignment=None):
    """One array per block and place in the kernel's code; the place is where the caller's frame stands."""
    kind = _numpy_type(dtype)
    if shape == 0:
        return np.frombuffer(self._dynshared.data, dtype=kind, count=self._dynshared_size // kind.itemsize)
    frame = sys._getframe(1)
    place = (frame.f_code, frame.f_lasti)
    with _LOCK:
        if place not in self._allocations:
            self._allocations[place] = _arbitrary(shape, kind)
        return self._allocations[place]


def _local_array(self, shape, dtype, alignment=None):
    return _arbitrary(shape, _numpy_type(dtype))


def _arbitrary(shape, kind: np.dtype) -> np.ndarray:
    """Memory as a GPU hands it out, with what was there before: NaN, so that a result that depends on it shows."""
    return np.full(shape, np.nan if kind.kind == "f" else np.iinfo(kind).max, kind)


def _numpy_type(dtype) -> np.dtype:
    from numba.cuda.np import numpy_support

    return np.dtype(dtype) if isinstance(dtype, type | np.dtype) else np.dtype(numpy_support.as_dtype(dtype))
