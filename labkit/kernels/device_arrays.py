"""Whole arrays of a model on an executor: what `labkit.engine.arrays.Arrays` asks for, done by kernels."""

from collections.abc import Callable, Hashable
from math import prod, sqrt
from typing import Any
from warnings import warn

import numpy as np

from labkit.engine import losses
from labkit.engine.arrays import Mirror, Pending, Stopwatch
from labkit.errors import LabError
from labkit.kernels import vectors
from labkit.kernels.executors import Executor
from labkit.kernels.launch import choose
from labkit.kernels.loss import CROSS_ENTROPY, samples_work
from labkit.kernels.tuned import softmax
from labkit.kernels.tuned import update as tuned_update
from labkit.kernels.update import UPDATES


class KernelArrays:
    """Arrays in the memory of `executor`. The methods are those of `labkit.engine.arrays.Arrays`.

    tuned: use tuned kernels for the update and the loss, and let `replay` record what it is given, where the executor
    can.
    """

    def __init__(self, executor: Executor, tuned: bool = False) -> None:
        self.executor, self.tuned = executor, tuned
        self.replays = tuned and hasattr(executor, "record")
        self._staged: dict[str, Any] = {}
        self._seen: set[Hashable] = set()
        self._recordings: dict[Hashable, tuple[Any, Callable[[], None]]] = {}

    def empty(self, shape: tuple[int, ...], dtype: np.dtype):
        return self.executor.empty(shape, dtype)

    def put(self, host: np.ndarray, target=None):
        return self.executor.put(host, target)

    def get(self, array) -> np.ndarray:
        return self.executor.get(array)

    def mirror(self, vector) -> Mirror:
        return self.executor.mirror(vector)

    def stage(self, name: str, host: np.ndarray):
        if host.dtype == np.int64:  # class numbers: kernels know 32-bit integers
            host = host.astype(np.int32)
        return self.executor.put(host, self._array(name, host.shape[0], host.shape[1:], host.dtype))

    @staticmethod
    def rows(array, n: int):
        """The first n rows of `array`; itself if it has no more."""
        return array if array.shape[0] == n else array[:n]

    def copy(self, source, target) -> None:
        self._whole(vectors.copy, source, target)

    def add(self, a, b, target) -> None:
        self._whole(vectors.add, a, b, target)

    def apply(self, rule: str, arrays: tuple, constants: tuple[float, ...]) -> None:
        n = arrays[0].shape[0]
        if self.tuned and rule in ("sgd", "momentum"):
            kernel, launch = tuned_update.make(n, rule == "momentum")
            self.executor.launch(kernel, launch, *arrays, self.stage("constants", np.array(constants, np.float32)))
            return
        self.executor.launch(UPDATES[rule], vectors.vector_launch(n), *arrays, *map(np.float32, constants))

    def norms(self, vector, parts: dict[str, slice]) -> dict[str, float]:
        if not parts:
            return {}
        sums = self.executor.put(np.zeros((len(parts), vectors.SUMS), np.float32))
        for i, part in enumerate(parts.values()):
            launch = vectors.squares_launch(part.stop - part.start)
            self.executor.launch(vectors.squares, launch, vector[part], sums[i])
        totals = self.executor.get(sums).sum(axis=1, dtype=np.float64)
        return {name: sqrt(total) for name, total in zip(parts, totals, strict=True)}

    def loss(self, name: str, fused: bool, output, labels) -> Pending:
        return self._cross_entropy(output, labels) if fused else self._on_host(name, output, labels)

    def replay(self, key: Hashable, work: Callable[[], Any]) -> Any:
        profiled = getattr(self.executor, "profiling", False)  # launch by launch, which a recording would hide
        if key is None or not self.replays or profiled or key not in self._seen:
            self._seen.add(key)  # the first time everything is compiled and allocated
            return work()
        if key not in self._recordings:
            try:
                self._recordings[key] = self.executor.record(work)
            except LabError as error:  # nothing of it has run: it is done as on a GPU that cannot record
                warn(f"steps are started launch by launch, which takes longer: {error.what}", stacklevel=2)
                self.replays = False
                return work()
        result, again = self._recordings[key]
        again()
        return result

    def stopwatch(self) -> Stopwatch:
        return self.executor.stopwatch()

    def synchronize(self) -> None:
        self.executor.synchronize()

    def _whole(self, kernel, *arrays) -> None:
        n = prod(arrays[0].shape)
        self.executor.launch(kernel, vectors.vector_launch(n), *(a.reshape(n) for a in arrays))

    def _cross_entropy(self, logits, labels) -> Pending:
        """Softmax and cross-entropy by the kernel; the values are fetched when they are asked for."""
        n, K = logits.shape
        dy = self._array("loss.dy", n, (K,), np.float32)
        each = self._array("loss.each", n, (), np.float32)
        right = self._array("loss.right", n, (), np.int32)
        if self.tuned:
            kernel, launch = softmax.make_loss(n, K)
            self.executor.launch(kernel, launch, logits.reshape(n * K), labels, dy.reshape(n * K), each, right)
        else:
            launch = choose("data", samples_work("loss", n))
            self.executor.launch(CROSS_ENTROPY["data"], launch, logits, labels, each, right, dy, np.float32(1 / n))

        def value() -> tuple[float, int]:
            return float(self.executor.get(each).mean(dtype=np.float64)), int(self.executor.get(right).sum())

        return Pending(value, dy)

    def _on_host(self, name: str, output, labels) -> Pending:
        """A loss that has no kernel: the output is fetched, and its gradient put back."""
        host, classes = self.executor.get(output), self.executor.get(labels).astype(np.int64)
        value, dy = losses.get(name)(host, classes)
        correct = int(np.count_nonzero(host.argmax(axis=1) == classes))
        there = self._array("loss.dy", len(host), host.shape[1:], np.float32)
        self.executor.put(dy.astype(np.float32, copy=False), there)
        return Pending(lambda: (float(value), correct), there)

    def _array(self, name: str, n: int, shape: tuple[int, ...], dtype) -> Any:
        """The first n rows of the array called `name`, which is replaced where it is too small or of another kind."""
        held = self._staged.get(name)
        if held is None or held.shape[0] < n or held.shape[1:] != shape or held.dtype != dtype:
            self._recordings.clear()  # they point to the memory of the array that is replaced
            held = self._staged[name] = self.executor.empty((n, *shape), dtype)
        return self.rows(held, n)
