"""Timeline: what every rank does when, predicted above measured on one axis of time.

A row is a lane of a rank (main, network, server), a bar an event. Where bars would be narrower than a dot, neighbours
are drawn together as a stack: its height says which part of that moment the lane was busy, and with what.
"""

import anywidget
import traitlets

from labkit.errors import LabError
from labkit.schedule.events import Timeline
from labkit.widgets._base import css, decode, encode, esm, static_text, within
from labkit.widgets._events import checked, packed

KIND = "timeline"
DEFAULTS = {"step": -1, "rank": -1, "low": 0.0, "high": 0.0, "source": 0, "event": -1}
LEGEND = (
    "Computing, communicating and idle are those of a rank's main lane (of a rank that only serves: of its server "
    "lane); idle is waiting, or done. Arrow keys walk through events and lanes, Escape lets go; drag to move along."
)


class TimelineView(anywidget.AnyWidget):
    """Bars of all ranks against time; make one with `timeline`.

    sources: what `_events.packed` says about each timeline, the predicted one first. events: their events, float64
    [events, 4], one timeline after the other. state: step, rank (-1: all), low and high (the window of time in seconds,
    both 0: everything), source and event (the one that is pointed out, -1: none).
    """

    _esm = esm("choice.js", "player.js", "units.js", "fills.js", "timeline_math.js", "timeline.js")
    _css = css() + static_text("parallel.css")
    title = traitlets.Unicode().tag(sync=True)
    legend = traitlets.Unicode(LEGEND).tag(sync=True)
    sources = traitlets.List(traitlets.Dict()).tag(sync=True)
    events = traitlets.Bytes().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def state_string(self) -> str:
        """The settings as a line; `timeline(..., from_state=line)`, with the same events, shows the same view."""
        return encode(KIND, self.state)


def timeline(
    predicted: Timeline | None = None,
    measured: Timeline | None = None,
    *,
    title: str = "Timeline",
    step: int = -1,
    rank: int = -1,
    from_state: str | None = None,
) -> TimelineView:
    """Draw one timeline, or a prediction above a measurement, on one axis of time.

    predicted, measured: Timelines with the same number of ranks; one of the two may be left out. Each begins at its own
    first event; where one step is chosen, at the first event of that step. step, rank: what to show, -1 for all.
    from_state: a line of `state_string()`; it overrides step and rank. Of more than 20,000 events the first steps are
    shown, and the view says how many are left out.

    Raises LabError where neither is given, for one without events, for two with different numbers of ranks, and for a
    step or rank that is not there.
    """
    given = [("predicted", predicted), ("measured", measured)]
    sources = [packed(checked(one, name), name) for name, one in given if one is not None]
    if not sources:
        raise LabError("a timeline of nothing", "give predicted=simulate(...) or measured=result.timeline, or both")
    ranks = [one.about["ranks"] for one in sources]
    if len(set(ranks)) > 1:
        raise LabError(f"{ranks[0]} ranks predicted, {ranks[1]} measured", "give two timelines of one schedule")
    state = DEFAULTS | {"step": step, "rank": rank}
    if from_state is not None:
        state = decode(KIND, from_state, state)
    last = max(event.step for _, one in given if one is not None for event in one.events)
    limits = [("step", -1, last), ("rank", -1, ranks[0] - 1), ("source", 0, len(sources) - 1)]
    for key, low, high in [*limits, ("event", -1, max(one.about["count"] for one in sources) - 1)]:
        state[key] = within(key, state[key], low, high, whole=True)
    for key in ("low", "high"):
        state[key] = within(key, state[key], 0, 1e9)
    says = ". ".join(f"{one.about['name'].capitalize()}: {one.about['says']}" for one in sources)
    return TimelineView(
        title=f"{title}. {says}",
        sources=[one.about for one in sources],
        events=b"".join(one.data for one in sources),
        state=state,
    )
