"""Brings what a run tells in its own thread to a widget, at most 12.5 times a second, and buttons to the run.

The thread of the run only puts events into a queue; the kernel's own event loop looks into it. If a cell keeps the
kernel busy (it may be waiting for this very run), the thread of the run shows the news itself, twice a second; a lock
keeps the two apart.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

STALLED_S = 0.5  # so long without a look from the loop means that a cell is running
PERIOD_S = 0.08  # at most 12.5 messages a second
OVER = ("finished", "stopped", "failed")
COMMANDS = {"play": "resume", "pause": "pause", "step": "step", "stop": "stop"}


def can_follow(run: object) -> bool:
    """Whether `run` has what a Follower needs: subscribe(callback), state and pause, resume, step, stop."""
    return all(hasattr(run, name) for name in ("subscribe", "state", *COMMANDS.values()))


class Follower:
    """Follows `run` for `widget`.

    run: see `can_follow`; its `events`, if it has them, are what it told before. widget: an AnyWidget; its buttons send
    {command: "play", "pause", "step" or "stop"}. show(fresh, state): called with the events that are new (the first
    time with all so far) and the state of the run, if there are any or the state has changed; never by two threads at
    once.
    """

    def __init__(self, run: object, widget: object, show: Callable[[list, str], None]):
        self._run, self._widget, self._show, self._queue = run, widget, show, deque()
        self._lock, self._looked, self._loop = threading.RLock(), monotonic(), None
        self._unsubscribe = run.subscribe(self._arrived)
        known = list(getattr(run, "events", ()))
        # Events that came between the two lines above are in both; the newest may even reach the queue later.
        already = {id(event) for event in known}
        late = [event for event in self._drain() if id(event) not in already]
        self._newest = known[-1] if known else None
        self._queue.extendleft(reversed(late))
        self._shown = run.state
        widget.on_msg(self.command)
        show(known, self._shown)
        self.refresh()
        with suppress(RuntimeError):  # without a running loop there is no page either; `refresh` still works
            self._loop = asyncio.get_running_loop()
            self._loop.call_later(PERIOD_S, self._tick)

    def refresh(self) -> str:
        """Show what is new, if anything is; returns the state of the run."""
        with self._lock:
            self._looked = monotonic()
            state = self._run.state  # before the queue: an event that follows is shown the next time
            fresh = [event for event in self._drain() if event is not self._newest]
            if fresh or self._shown != state:
                self._shown = state
                self._show(fresh, state)
            return state

    def command(self, _widget: object, content: dict, _buffers: object) -> None:
        """A button was pressed. Any thread may arrive here: these methods are all safe, and no trait is set."""
        if isinstance(content, dict) and content.get("command") in COMMANDS:
            getattr(self._run, COMMANDS[content["command"]])()

    def _arrived(self, event: object) -> None:
        """In the thread of the run: an event, or None at its end."""
        self._queue.append(event)
        if self._loop is not None and monotonic() - self._looked > STALLED_S:
            self.refresh()

    def _drain(self) -> list:
        return [event for event in (self._queue.popleft() for _ in range(len(self._queue))) if event is not None]

    def _tick(self) -> None:
        if self._widget.comm is None:  # closed
            self._unsubscribe()
            return
        if self.refresh() not in OVER or self._queue:
            self._loop.call_later(PERIOD_S, self._tick)
