"""Live view of a training run: loss, accuracy, seconds per phase, gradient norms, bytes held.

The run goes on in a thread of its own while the cell has returned. That thread only puts its events into a queue, and
the widget looks into the queue from the kernel's own event loop. If a later cell keeps the kernel busy (it may be
waiting for this very run), the thread of the run sends the picture itself, twice a second; a lock keeps the two apart.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from time import monotonic

import anywidget
import traitlets

from labkit.errors import LabError
from labkit.widgets._base import css, decode, encode, esm, within
from labkit.widgets._series import COLUMNS, Series

KIND = "training_view"
STALLED_S = 0.5  # so long without a look from the loop means that a cell is running
PERIOD_S = 0.08  # at most 12.5 messages a second, each at most 2,000 points
OVER = ("finished", "stopped", "failed")
DEFAULTS = {"log_loss": False, "speed": 50.0, "position": -1}


class TrainingView(anywidget.AnyWidget):
    """Strips and bars of a run; make one with `training_view`.

    points: float32 [points, 8], see `_series.COLUMNS`. norms: float32 [moments, 1 + layers]. info: state of the run and
    what is said in words. state: log_loss, speed (steps a second of a replay), position (step shown; -1: the newest).
    """

    _esm = esm("toggle.js", "units.js", "axes.js", "player.js", "training.js")
    _css = css()
    title = traitlets.Unicode().tag(sync=True)
    points = traitlets.Bytes().tag(sync=True)
    norms = traitlets.Bytes().tag(sync=True)
    columns = traitlets.List(list(COLUMNS)).tag(sync=True)
    info = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def follow(self, run: object, series: Series) -> None:
        """Show `run` (a BackgroundRun) from now on, beginning with the events it has kept."""
        self._run, self._series, self._queue = run, series, deque()
        self._lock, self._looked, self._loop = threading.RLock(), monotonic(), None
        self._unsubscribe = run.subscribe(self._arrived)
        known = list(run.events)
        series.add(known)
        # Events that came between the two lines above are in both; the newest may even reach the queue later.
        already = {id(event) for event in known}
        late = [event for event in self._drain() if id(event) not in already]
        self._newest = known[-1] if known else None
        self._queue.extendleft(reversed(late))
        self.on_msg(self._command)
        self._shown = None
        self.refresh()
        with suppress(RuntimeError):  # without a running loop there is no page either; `refresh` still works
            self._loop = asyncio.get_running_loop()
            self._loop.call_later(PERIOD_S, self._tick)

    def refresh(self) -> str:
        """Send what is new to the page, if anything is; returns the state of the run."""
        with self._lock:
            self._looked = monotonic()
            return self._show_news()

    def _arrived(self, event: object) -> None:
        """In the thread of the run: an event, or None at its end."""
        self._queue.append(event)
        if self._loop is not None and monotonic() - self._looked > STALLED_S:
            self.refresh()

    def _show_news(self) -> str:
        state = self._run.state  # before the queue: an event that follows is shown the next time
        fresh = [event for event in self._drain() if event is not self._newest]
        self._series.add(fresh)
        if fresh or self._shown != state:
            self._shown = state
            with self.hold_sync():
                self.points, self.norms = self._series.points(), self._series.norms()
                self.info = describe(self._series, state, live=True, error=getattr(self._run, "error", None))
        return state

    def state_string(self) -> str:
        """The settings as a line; `training_view(run, from_state=line)` shows the same view of that run."""
        return encode(KIND, self.state)

    def _drain(self) -> list:
        return [event for event in (self._queue.popleft() for _ in range(len(self._queue))) if event is not None]

    def _tick(self) -> None:
        if self.comm is None:  # closed
            self._unsubscribe()
            return
        if self.refresh() not in OVER or self._queue:
            self._loop.call_later(PERIOD_S, self._tick)

    def _command(self, _widget: object, content: dict, _buffers: object) -> None:
        """A button was pressed. Any thread may arrive here: these methods are all safe, and no trait is set."""
        actions = {"play": "resume", "pause": "pause", "step": "step", "stop": "stop"}
        if isinstance(content, dict) and content.get("command") in actions:
            getattr(self._run, actions[content["command"]])()


def training_view(
    run: object,
    *,
    title: str = "Training",
    log_loss: bool = False,
    speed: float = 50.0,
    from_state: str | None = None,
) -> TrainingView:
    """The live view of a BackgroundRun, or the replay of a finished list of TrainEvents.

    run: a `labkit.engine.BackgroundRun`, whose buttons then play, pause, step and stop it, or a list of TrainEvents.
    log_loss: logarithmic axis of the loss. speed: steps a second of a replay, 1 to 10000.
    from_state: a line of `state_string()`; it overrides the other settings.
    Raises LabError for anything else, for an empty list, and for settings out of range.
    """
    state = DEFAULTS | {"log_loss": bool(log_loss), "speed": speed}
    if from_state is not None:
        state = decode(KIND, from_state, state)
    state["speed"] = within("speed", state["speed"], 1, 10_000)
    state["position"] = within("position", state["position"], -1, 1e9, whole=True)
    series, view = Series(), TrainingView(title=title, state=state)
    if hasattr(run, "subscribe") and hasattr(run, "pause"):
        view.follow(run, series)
        return view
    series.add(_finished(run))
    view.points, view.norms = series.points(), series.norms()
    view.info = describe(series, "finished", live=False)
    return view


def _finished(run: object) -> list:
    if not isinstance(run, (list, tuple)):
        wrap = " around it" if isinstance(run, Iterable) else ""
        raise LabError(
            f"training_view of a {type(run).__name__}", "give a list of events, or BackgroundRun(...)" + wrap
        )
    if not run or not all(hasattr(event, "loss") and hasattr(event, "seconds") for event in run):
        raise LabError(f"training_view of a list with {len(run)} entries that are not all events", "give TrainEvents")
    return list(run)


def describe(series: Series, state: str, live: bool, error: BaseException | None = None) -> dict:
    """What the page says in words and needs besides the numbers: a dictionary of plain values."""
    return {
        "state": state,
        "live": live,
        "count": series.count,
        "steps": series.steps,
        "layers": series.layers,
        "bytes_held": series.bytes_held,
        "reason": str(error) if error is not None else (series.stopped or ""),
    }
