"""The network lane: messages behind the computing, one after the other, and how the main lane waits for them."""

import threading
from collections import Counter
from collections.abc import Callable
from queue import SimpleQueue

import numpy as np

from labkit.run.rank.lane import Lane
from labkit.run.rank.ready import Code

LOOK_EVERY_S = 5e-3


class NetworkLane:
    """A thread that does what it is handed with `work(lane, step, code)`, in order, until `close`.

    `work` raises nothing that anyone should see: after an exception the thread does nothing any more.
    """

    def __init__(self, lane: Lane, work: Callable[[Lane, int, Code], None]):
        self._lane, self._work = lane, work
        self._queue: SimpleQueue = SimpleQueue()
        self._changed = threading.Condition()
        self._left: Counter[str] = Counter()  # by what they work on
        self._thread = threading.Thread(target=self._go_on, name=f"network lane of rank {lane.rank}", daemon=True)
        self._thread.start()

    def hand(self, step: int, code: Code) -> None:
        """Have it done after all that was handed over before."""
        with self._changed:
            self._left[code.instruction.key] += 1
        self._queue.put((step, code))

    def wait(self, main: Lane, key: str = "") -> None:
        """Return when nothing on `key` ('': on anything) that was handed over is left; raises what ends the rank."""
        with self._changed:
            if not self._pending(key):
                return
            main.waits()
            while self._pending(key):
                self._changed.wait(LOOK_EVERY_S)
                main.patience.check()

    def close(self) -> None:
        """End the thread after what it is doing."""
        self._queue.put(None)
        self._thread.join()

    def _pending(self, key: str) -> int:
        return self._left[key] if key else self._left.total()

    def _go_on(self) -> None:
        with np.errstate(all="ignore"):  # numbers that overflow show in the loss
            self._do_all(self._lane)

    def _do_all(self, lane: Lane) -> None:
        while (item := self._queue.get()) is not None:
            step, code = item
            try:
                self._work(lane, step, code)
            except BaseException:  # `work` has told the other lanes
                return
            with self._changed:
                self._left[code.instruction.key] -= 1
                self._changed.notify_all()
            if lane.hooks.on_idle and self._queue.empty():
                lane.hooks.on_idle(lane.name)
