"""Live run: what every rank spends its time on while a run goes on, its loss, and buttons to pause, step and stop it.

The cell that shows it returns at once; `_follow` brings the run's news here. A finished log is replayed in the page.
"""

from collections.abc import Iterable

import anywidget
import traitlets

from labkit.errors import LabError
from labkit.schedule.events import Timeline
from labkit.widgets._ages import flat, is_event
from labkit.widgets._base import css, decode, encode, esm, static_text, within
from labkit.widgets._events import origin
from labkit.widgets._follow import Follower, can_follow
from labkit.widgets._progress import Progress

KIND = "live_run"
DEFAULTS = {"log_loss": False, "replay": 6, "position": -1.0}


class LiveRun(anywidget.AnyWidget):
    """Bars of all ranks and the loss; make one with `live_run`.

    moments, losses: see `_progress.Progress`. info: ranks, steps (of all, 0: not known), state and reason of the run,
    live, news (how many came; the page draws anew when `info` changes). state: log_loss, replay (seconds that a replay
    takes), position (of a replay, in per cent; -1: its end).
    """

    _esm = esm("toggle.js", "units.js", "axes.js", "player.js", "fills.js", "run_buttons.js", "live_run.js")
    _css = css() + static_text("parallel.css")
    title = traitlets.Unicode().tag(sync=True)
    moments = traitlets.Bytes().tag(sync=True)
    losses = traitlets.Bytes().tag(sync=True)
    info = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def show(self, progress: Progress, steps: int, state: str, reason: str = "", live: bool = False) -> None:
        """Send what `progress` holds now."""
        with self.hold_sync():
            self.moments, self.losses = progress.moments(), progress.losses()
            about = {"ranks": progress.ranks, "steps": steps or (0 if live else progress.steps)}
            self.info = about | {"state": state, "reason": reason, "live": live, "news": progress.news}

    def follow(self, run: object, progress: Progress, steps: int) -> None:
        """Show `run` from now on, beginning with what it told before."""

        def show(fresh: list, state: str) -> None:
            progress.add(fresh)
            self.show(progress, steps, state, str(getattr(run, "error", None) or ""), live=True)

        self._follower = Follower(run, self, show)

    def refresh(self) -> str:
        """Send what is new of a followed run to the page, if anything is; returns the state of the run."""
        return self._follower.refresh()

    def state_string(self) -> str:
        """The settings as a line; `live_run(..., from_state=line)` shows the same view."""
        return encode(KIND, self.state)


def live_run(
    what: object,
    *,
    ranks: int | None = None,
    steps: int | None = None,
    title: str = "Run",
    log_loss: bool = False,
    from_state: str | None = None,
) -> LiveRun:
    """Show a run that goes on, or replay one that is over.

    what: a run with subscribe(callback), state, pause, resume, step and stop (BackgroundRun and run handles are such),
    whose news are Events, anything with a `step` and a `loss`, or lists of these, and all else is passed over; or what
    is over: a result with `timeline` and `losses`, a Timeline, or a list of such news. The title says regime, origin
    and link where `what` has them, as a Timeline has. ranks, steps: how many there will be, taken from `what` where it
    says so. log_loss: logarithmic axis of the loss. from_state: a line of `state_string()`; it overrides log_loss.

    Raises LabError for anything else, for a log without events, and for settings out of range.
    """
    state = DEFAULTS | {"log_loss": bool(log_loss)}
    if from_state is not None:
        state = decode(KIND, from_state, state)
    state["replay"] = within("replay", state["replay"], 1, 60, whole=True)
    state["position"] = within("position", state["position"], -1, 100)
    ranks = within("ranks", _told(what, "ranks", ranks), 0, 4096, whole=True)
    steps = within("steps", _told(what, "steps", steps), 0, 10**9, whole=True)
    progress, view = Progress(ranks), LiveRun(title=_titled(what, title), state=state)
    if can_follow(what):
        view.follow(what, progress, steps)
        return view
    progress.add(_log(what))
    progress.add_losses(getattr(what, "losses", ()))
    view.show(progress, steps, "finished")
    return view


def _told(what: object, name: str, given: int | None) -> int:
    """What was given, or else what `what` says of itself; 0 where it says nothing."""
    said = getattr(what, name, 0) if given is None else given
    return said if given is not None or isinstance(said, int) else 0


def _timeline(what: object) -> Timeline | None:
    found = getattr(what, "timeline", what)
    return found if hasattr(found, "events") and hasattr(found, "regime") else None


def _titled(what: object, title: str) -> str:
    found = getattr(what, "timeline", what)
    return f"{title}: {origin(found)}" if hasattr(found, "regime") and hasattr(found, "origin") else title


def _log(what: object) -> list:
    """The news of a run that is over, events by their ends; LabError where there is no event."""
    found = _timeline(what)
    given = what if found is None else found.events
    news = list(flat(given)) if isinstance(given, Iterable) and not isinstance(given, (str, bytes)) else []
    if not any(map(is_event, news)):
        what_it_is = f"live_run of a {type(what).__name__} without events"
        raise LabError(what_it_is, "give a run that goes on, a result that kept its events, or a Timeline")
    return sorted(news, key=lambda item: item.end_s if is_event(item) else 0.0)
