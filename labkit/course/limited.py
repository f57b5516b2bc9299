"""Running a learner's function so that an endless loop ends with a message instead of a hung kernel.

In the main thread of a system with interval timers (every notebook on Linux and macOS) a timer interrupts even a sleep
or a blocked read. A bare `except:` that swallows the interruption is interrupted once more on its own first line, which
is outside of its `try`. Elsewhere (another thread, Windows) the function is traced line by line: slower, and one call
into compiled code that never returns cannot be interrupted.
"""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
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
    before, tracer = signal.signal(signal.SIGALRM, _ring), sys.gettrace()
    signal.setitimer(signal.ITIMER_REAL, timeout_s, REPEAT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
        sys.settrace(tracer)


def _ring(signum: int, frame: FrameType | None) -> None:
    """Interrupt the function, and watch its frames, so that it is interrupted once more where it goes on regardless."""
    sys.settrace(_insist)
    while frame and frame.f_code is not call_limited.__code__:
        frame.f_trace = _insist
        frame = frame.f_back
    raise OutOfTime


def _insist(frame: FrameType, event: str, arg: object) -> Callable | None:
    if event == "line":
        raise OutOfTime
    return None if event == "call" else _insist  # new frames, such as those that clean up, are left alone


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
