"""A generator that runs in a thread of its own, so that a notebook's cell returns at once.

Between two events the thread looks at what was asked of it: go on, pause, do one step, stop. It sleeps while paused.
"""

from collections import deque
from collections.abc import Callable, Iterable
from threading import Condition, Thread
from time import monotonic
from traceback import format_exc

from labkit.errors import LabError

OVER = ("finished", "stopped", "failed")


class BackgroundRun:
    """Runs `events` (any iterable; usually `train(...)`) in a daemon thread, from the moment it is made.

    state: 'running', 'paused', 'finished' (no events left), 'stopped' (by `stop`) or 'failed'. error: the exception
    that ended a failed run; traceback: where it was raised, as text. callback_error: the last exception raised by a
    subscriber, which is then no longer called.
    maxlen: keep only the newest so many events (None: all of them). paused: start paused, for the first `step`.

    All methods return at once except `wait`. An event that is already under way is finished before a pause or stop.
    """

    def __init__(self, events: Iterable, maxlen: int | None = None, paused: bool = False):
        self._source = iter(events)
        self._kept: deque = deque(maxlen=maxlen)
        self._changed = Condition()
        self._wanted = "paused" if paused else "running"
        self._steps = 0  # single steps asked for while paused and not yet done
        self._subscribers: list[Callable[[object], None]] = []
        self.state = self._wanted
        self.count = 0
        self.error: BaseException | None = None
        self.traceback = ""
        self.callback_error: Exception | None = None
        self._thread = Thread(target=self._work, name="labkit background run", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        reason = f": {self.error}" if self.error else ""
        return f"BackgroundRun({self.state} after {self.count} events{reason})"

    @property
    def events(self) -> list:
        """The events kept so far, oldest first, as a new list."""
        with self._changed:
            return list(self._kept)

    @property
    def over(self) -> bool:
        """Whether no event will come any more."""
        return self.state in OVER

    def subscribe(self, callback: Callable[[object], None]) -> Callable[[], None]:
        """Call `callback(event)` for every event from now on, in the worker thread; returns how to unsubscribe.

        When the run is over, `callback(None)` is called once; at once if it is over already.
        """
        with self._changed:
            over = self.over
            if not over:
                self._subscribers.append(callback)
        if over:
            callback(None)
        return lambda: self._unsubscribe(callback)

    def pause(self) -> None:
        """Sleep after the event under way."""
        self._want("paused")

    def resume(self) -> None:
        """Go on after a pause."""
        self._want("running")

    def step(self) -> None:
        """Pause, and do one event more."""
        with self._changed:
            self._steps += 1
        self._want("paused")

    def stop(self) -> None:
        """End after the event under way; the generator is closed, so that a training run writes its checkpoint."""
        self._want("stopped")

    def wait(self, timeout_s: float = 60.0, until: Callable[[], bool] | None = None) -> str:
        """Sleep until the run is over (or `until()` holds, looked at after every change); returns the state.

        Raises LabError if that takes longer than `timeout_s` seconds. A run that failed is over: look at `error`.
        """
        deadline = monotonic() + timeout_s
        with self._changed:
            while not (self.over or (until is not None and until())):
                left = deadline - monotonic()
                if left <= 0:
                    raise LabError(
                        f"the run is still {self.state} after waiting {timeout_s:g} s ({self.count} events so far)",
                        "wait longer with wait(timeout_s=...), or end it with stop()",
                    )
                self._changed.wait(left)
        return self.state

    def _want(self, state: str) -> None:
        with self._changed:
            if self._wanted != "stopped":  # a stop is final
                self._wanted = state
                if state == "running" and self.state == "paused":
                    self.state = "running"
            self._changed.notify_all()

    def _work(self) -> None:
        end = "failed"
        try:
            while self._may_go_on():
                try:
                    event = next(self._source)
                except StopIteration:
                    end = "finished"
                    break
                self._publish(event)
            else:
                end = "stopped"
                close = getattr(self._source, "close", None)
                if close is not None:
                    close()
        except BaseException as error:  # whatever it was, it is kept for the one who looks
            self.traceback = format_exc()
            self.error = error.with_traceback(None)  # whose frames would keep the model, often most of the memory
        self._source = None
        self._finish(end if self.error is None else "failed")

    def _may_go_on(self) -> bool:
        """Sleep while paused; True when an event is wanted, False when the run is to stop."""
        with self._changed:
            while self._wanted == "paused" and not self._steps:
                self._set("paused")
                self._changed.wait()
            if self._wanted == "stopped":
                return False
            if self._wanted == "paused":
                self._steps -= 1
            else:
                self._steps = 0
            self._set("running")
            return True

    def _publish(self, event: object) -> None:
        with self._changed:
            self._kept.append(event)
            self.count += 1
            self._changed.notify_all()
        self._call(event)

    def _finish(self, state: str) -> None:
        with self._changed:
            self._set(state)
        self._call(None)

    def _call(self, event: object) -> None:
        with self._changed:
            subscribers = list(self._subscribers)
        for callback in subscribers:
            try:
                callback(event)
            except Exception as error:  # a broken view must not end the training behind it
                self.callback_error = error
                self._unsubscribe(callback)

    def _unsubscribe(self, callback: Callable[[object], None]) -> None:
        with self._changed:
            if callback in self._subscribers:
                self._subscribers.remove(callback)

    def _set(self, state: str) -> None:
        self.state = state
        self._changed.notify_all()
