"""Running a learner's function so that an endless loop ends with a message instead of a hung kernel.

In the main thread of a system with interval timers (every notebook on Linux and macOS) a timer interrupts even a sleep
or a blocked read, and fires again if the function swallows the interruption. Elsewhere (another thread, Windows) the
function is traced line by line: slower, and one call into compiled code that never returns cannot be interrupted.
"""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

REPEAT_S = 0.2


class OutOfTime(BaseException):
    """Raised inside the learner's function; no Exception, so that `except Exception` in a loop does not swallow it."""


def call_limited(function: Callable, args: tuple, timeout_s: float) -> Any:
    """`function(*args)`; raises OutOfTime once `timeout_s` seconds have passed."""
    with _watched(timeout_s):
        return function(*args)


def _watched(timeout_s: float):
    timed = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    return _alarm(timeout_s) if timed else _trace(timeout_s)


@contextmanager
def _alarm(timeout_s: float) -> Iterator[None]:
    def ring(signum: int, frame: object) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, timeout_s, REPEAT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _trace(timeout_s: float) -> Iterator[None]:
    deadline = time.monotonic() + timeout_s

    def look(frame: object, event: str, arg: object) -> Callable:
        if time.monotonic() > deadline:
            raise OutOfTime
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        yield
    finally:
        sys.settrace(before)
