"""Where the arrays of a model live, and what training does with whole arrays: on the host here, on a GPU in kernels/.

Layers are a backend's own affair (`ops.LayerOps`). The rest of a step touches arrays as a whole: copies and sums where
a network branches, the loss, the update, the norms that are shown. `HostArrays` does it with NumPy and compiled loops;
a backend whose arrays live elsewhere brings its own.
"""

from collections.abc import Callable, Hashable
from time import perf_counter
from typing import Any, NamedTuple, Protocol

import numpy as np

from labkit.engine import losses, rules


class Pending(NamedTuple):
    """A loss whose value may still be on its way: `value()` waits for it, and gives (mean loss, correct samples)."""

    value: Callable[[], tuple[float, int]]
    dy: Any  # its gradient with respect to the output, where the layers' arrays live


class Stopwatch(Protocol):
    """Times stretches of work that may still run when the call that started it has returned."""

    def lap(self, name: str) -> None:
        """What was started since the last lap, or since the stopwatch was made, counts as `name`."""

    def seconds(self) -> dict[str, float]:
        """Seconds per name; waits for the work to end."""


class Mirror(Protocol):
    """The content of an array as messages see it: `values` [n] on the host, copied there and back beside other work.

    Where the array lies on the host, `values` is the array itself and nothing is copied.
    """

    values: np.ndarray

    def fetch(self) -> None:
        """Start copying the array to `values`; what was started to compute it must be over (`Arrays.synchronize`)."""

    def store(self) -> None:
        """Start copying `values` to the array."""

    def done(self) -> bool:
        """Whether the copy that was started last is over."""


class Arrays(Protocol):
    """What a backend offers for whole arrays. An array has `shape`, `dtype`, `nbytes`, slices and `reshape`."""

    def empty(self, shape: tuple[int, ...], dtype: np.dtype) -> Any:
        """A C-contiguous array with arbitrary content."""

    def put(self, host: np.ndarray, target: Any = None) -> Any:
        """Copy a host array into `target` (of the same shape), or make an array of it; on the host it may be itself."""

    def stage(self, name: str, host: np.ndarray) -> Any:
        """A host array that is needed for one step; the array returned is reused when `name` is staged again."""

    def get(self, array: Any) -> np.ndarray:
        """The content of `array` on the host; a copy, except where it lies on the host."""

    def mirror(self, vector: Any) -> Mirror:
        """A mirror of a vector; to be made once and used again and again."""

    def copy(self, source: Any, target: Any) -> None:
        """Copy between two arrays of one shape."""

    def add(self, a: Any, b: Any, target: Any) -> None:
        """target = a + b; `target` may be one of them."""

    def apply(self, rule: str, vectors: tuple, constants: tuple[float, ...]) -> None:
        """One of the loops of `rules` over `vectors` of one length, in place."""

    def norms(self, vector: Any, parts: dict[str, slice]) -> dict[str, float]:
        """Euclidean norm of each part of a vector."""

    def loss(self, name: str, fused: bool, output: Any, labels: Any) -> Pending:
        """Loss `name` of a batch with staged `labels`; `fused`: the output goes into the softmax. See `losses`."""

    def replay(self, key: Hashable, work: Callable[[], Any]) -> Any:
        """What `work()` returns. A backend may record what it starts, and start the recording when `key` comes again:
        the same work on the same arrays, with other values in them. None as key is never recorded.
        """

    def stopwatch(self) -> Stopwatch:
        """A stopwatch that starts now."""

    def synchronize(self) -> None:
        """Wait until everything that was started has been done."""


class HostStopwatch:
    """For work that has ended when the call that did it returns."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._mark = perf_counter()

    def lap(self, name: str) -> None:
        """See `Stopwatch`."""
        now = perf_counter()
        self._seconds[name] = self._seconds.get(name, 0.0) + now - self._mark
        self._mark = now

    def seconds(self) -> dict[str, float]:
        """See `Stopwatch`."""
        return self._seconds


class HostMirror:
    """Of a vector that lies on the host. For the methods see `Mirror`."""

    def __init__(self, vector: np.ndarray):
        self.values = vector

    def fetch(self) -> None:
        pass  # it is there

    def store(self) -> None:
        pass

    def done(self) -> bool:
        return True


class HostArrays:
    """Arrays of NumPy in main memory. The methods are those of `Arrays`."""

    def empty(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return np.empty(shape, dtype)

    def put(self, host: np.ndarray, target: np.ndarray | None = None) -> np.ndarray:
        if target is None:
            return host
        target[...] = host
        return target

    def stage(self, name: str, host: np.ndarray) -> np.ndarray:
        return host

    def get(self, array: np.ndarray) -> np.ndarray:
        return array

    def mirror(self, vector: np.ndarray) -> HostMirror:
        return HostMirror(vector)

    def copy(self, source: np.ndarray, target: np.ndarray) -> None:
        np.copyto(target, source)

    def add(self, a: np.ndarray, b: np.ndarray, target: np.ndarray) -> None:
        np.add(a, b, out=target)

    def apply(self, rule: str, vectors: tuple[np.ndarray, ...], constants: tuple[float, ...]) -> None:
        rules.apply(getattr(rules, rule), vectors, constants)

    def norms(self, vector: np.ndarray, parts: dict[str, slice]) -> dict[str, float]:
        return {name: float(np.sqrt(np.dot(vector[part], vector[part]))) for name, part in parts.items()}

    def loss(self, name: str, fused: bool, output: np.ndarray, labels: np.ndarray) -> Pending:
        function = losses.softmax_cross_entropy if fused else losses.get(name)
        value, dy = function(output, labels)
        correct = int(np.count_nonzero(output.argmax(axis=1) == labels))
        return Pending(lambda: (float(value), correct), dy.astype(output.dtype, copy=False))

    def replay(self, key: Hashable, work: Callable[[], Any]) -> Any:
        return work()

    def stopwatch(self) -> HostStopwatch:
        return HostStopwatch()

    def synchronize(self) -> None:
        pass  # calls return when their work is done


HOST = HostArrays()
