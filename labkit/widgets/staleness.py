"""Staleness: how old the weights were that a parameter server's updates were computed with.

A histogram of the staleness of updates, and a lane for each worker: which version of the weights it computed each step
with. Staleness counts the updates that came between that version and the one the gradient was applied to.
"""

from collections.abc import Iterable

import anywidget
import traitlets

from labkit.errors import LabError
from labkit.schedule.events import Timeline
from labkit.widgets._ages import Ages, flat, is_record
from labkit.widgets._base import css, decode, encode, esm, static_text, within
from labkit.widgets._events import origin
from labkit.widgets._follow import OVER, Follower, can_follow

KIND = "staleness"
DEFAULTS = {"rank": -1, "piece": -1, "last": 20}
NO_BOUND = -1
LEGEND = (
    "A box is a step of a worker: v, the version of the weights that it computed with, s, the staleness of its update. "
    "Plain: the newest weights; slanted lines: older ones; ✗ and a double frame: older than the bound allows. Where "
    "several pieces are shown, versions run from the least to the greatest, and s is the greatest."
)


class StalenessView(anywidget.AnyWidget):
    """Histogram and lanes; make one with `staleness`.

    counts, lanes: see `_ages.Ages`. info: count, ranks, pieces, timed, bound, state and reason of a run that is
    followed, news (how many came; the page draws anew when `info` changes). state: rank and piece (-1: all), last (how
    many of the newest steps the lanes show).
    """

    _esm = esm("choice.js", "units.js", "fills.js", "staleness.js")
    _css = css() + static_text("parallel.css")
    title = traitlets.Unicode().tag(sync=True)
    legend = traitlets.Unicode(LEGEND).tag(sync=True)
    counts = traitlets.Bytes().tag(sync=True)
    lanes = traitlets.Bytes().tag(sync=True)
    info = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def show(self, ages: Ages, bound: int, state: str = "finished", reason: str = "") -> None:
        """Send what `ages` holds now."""
        with self.hold_sync():
            self.counts, self.lanes = ages.counts(), ages.lanes()
            self.info = {
                "count": ages.count,
                "news": ages.news,
                "ranks": ages.ranks,
                "pieces": ages.pieces,
                "timed": ages.timed,
                "bound": bound,
                "state": state,
                "reason": reason,
            }

    def follow(self, run: object, bound: int) -> None:
        """Show the records that `run` gives, now and from now on."""
        ages = Ages()

        def show(fresh: list, state: str) -> None:
            ages.add(fresh)
            if state in OVER and not ages.count:  # a run that tells of its updates in its result only
                ages.add(getattr(getattr(run, "result", None), "staleness", ()))
            self.show(ages, bound, state, str(getattr(run, "error", None) or ""))

        self._follower = Follower(run, self, show)

    def refresh(self) -> str:
        """Send what is new of a followed run to the page, if anything is; returns the state of the run."""
        return self._follower.refresh()

    def state_string(self) -> str:
        """The settings as a line; `staleness(..., from_state=line)`, with the same records, shows the same view."""
        return encode(KIND, self.state)


def staleness(
    what: object,
    timeline: Timeline | None = None,
    *,
    bound: int | None = None,
    title: str = "Staleness of updates",
    from_state: str | None = None,
) -> StalenessView:
    """Show how stale the updates of a parameter server are, of a run that goes on or of one that is over.

    what: records with rank, step, piece, version and staleness, a result with such records as `staleness`, or a run
    that gives them to subscribers (see `_follow.can_follow`) or, when it is over, in its `result`. timeline: of the
    same run, for lanes over time; taken from a result that has one; without it the lanes go by steps. bound: the
    greatest staleness that is allowed, in versions, or None; updates above it are marked (the bound of a
    stale-synchronous server itself counts steps by which workers are apart). from_state: a line of `state_string()`.

    Raises LabError for what has no records, and for settings out of range.
    """
    state = dict(DEFAULTS) if from_state is None else decode(KIND, from_state, DEFAULTS)
    for key, low, high in (("rank", -1, 10**6), ("piece", -1, 10**6), ("last", 2, 500)):
        state[key] = within(key, state[key], low, high, whole=True)
    limit = NO_BOUND if bound is None else within("bound", bound, 0, 10**6, whole=True)
    if can_follow(what):
        told = f"{title}: {origin(what)}" if hasattr(what, "regime") else title
        view = StalenessView(title=told, state=state)
        view.follow(what, limit)
        return view
    timeline = getattr(what, "timeline", None) if timeline is None else timeline
    records, ages = _records(what), Ages()
    ages.add(records)
    ages.add(() if timeline is None else timeline.events)
    view = StalenessView(title=title if timeline is None else f"{title}: {origin(timeline)}", state=state)
    view.show(ages, limit)
    return view


def _records(what: object) -> list:
    """The records of a result, or the list itself; LabError if there are none."""
    given = getattr(what, "staleness", what)
    found = list(flat(given)) if isinstance(given, Iterable) and not isinstance(given, (str, bytes)) else []
    if not found or not all(map(is_record, found)):
        raise LabError(
            f"staleness of a {type(what).__name__} without records of it",
            "give the result of a parameter-server run, or its staleness",
        )
    return found
