"""Live view of a training run: loss, accuracy, seconds per phase, gradient norms, bytes held.

The run goes on in a thread of its own while the cell has returned; `_follow` brings its events here.
"""

from collections.abc import Iterable

import anywidget
import traitlets

from labkit.errors import LabError
from labkit.widgets._base import css, decode, encode, esm, within
from labkit.widgets._follow import Follower, can_follow
from labkit.widgets._series import COLUMNS, Series

KIND = "training_view"
DEFAULTS = {"log_loss": False, "speed": 50.0, "position": -1}


class TrainingView(anywidget.AnyWidget):
    """Strips and bars of a run; make one with `training_view`.

    points: float32 [points, 8], see `_series.COLUMNS`. norms: float32 [moments, 1 + layers]. info: state of the run and
    what is said in words. state: log_loss, speed (steps a second of a replay), position (step shown; -1: the newest).
    """

    _esm = esm("toggle.js", "units.js", "axes.js", "player.js", "run_buttons.js", "training.js")
    _css = css()
    title = traitlets.Unicode().tag(sync=True)
    points = traitlets.Bytes().tag(sync=True)
    norms = traitlets.Bytes().tag(sync=True)
    columns = traitlets.List(list(COLUMNS)).tag(sync=True)
    info = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def follow(self, run: object, series: Series) -> None:
        """Show `run` (a BackgroundRun) from now on, beginning with the events it has kept."""

        def show(fresh: list, state: str) -> None:
            series.add(fresh)
            with self.hold_sync():
                self.points, self.norms = series.points(), series.norms()
                self.info = describe(series, state, live=True, error=getattr(run, "error", None))

        self._follower = Follower(run, self, show)

    def refresh(self) -> str:
        """Send what is new to the page, if anything is; returns the state of the run."""
        return self._follower.refresh()

    def state_string(self) -> str:
        """The settings as a line; `training_view(run, from_state=line)` shows the same view of that run."""
        return encode(KIND, self.state)


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
    if can_follow(run):
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
