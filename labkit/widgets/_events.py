"""A Timeline as a page gets it: two times and two numbers per event, and each different event's words once.

A rank does the same instructions step after step, so what an event is (rank, lane, kind, spelling, bytes, peers) is
written once in a list, and an event is four float64: start_s, end_s, step, and its number in that list. Times count
from the start of the first event. The events of a lane follow each other by their starts.
"""

from dataclasses import dataclass

import numpy as np

from labkit.errors import LabError
from labkit.schedule.events import Timeline

LANES = ("main", "network", "server")
MOST_EVENTS = 20_000  # of one timeline; each takes 32 bytes of the notebook that the view is saved in
SHARED_CORES = "ranks share cores: no claim about speed-up"


@dataclass(frozen=True)
class Packed:
    """about: plain values (name, says, ranks, count, left_out, whats). data: float64 [count, 4]."""

    about: dict
    data: bytes


def checked(timeline: object, where: str) -> Timeline:
    """`timeline` if it is one with events in it, else a LabError; `where` is what it was given for."""
    if not hasattr(timeline, "events") or not hasattr(timeline, "ranks"):
        raise LabError(
            f"{where}: a {type(timeline).__name__}", "give a Timeline, of simulate(...) or of a run's result"
        )
    if not timeline.events:
        raise LabError(f"{where}: a timeline without events", "give one of a run that kept its events (record=True)")
    return timeline


def origin(timeline: object) -> str:
    """Where its times come from, in words: regime, origin, link, and whether ranks shared cores.

    timeline: a Timeline, or a run that has these attributes of one.
    """
    link, shared = getattr(timeline, "link", ""), getattr(timeline, "oversubscribed", False)
    words = [timeline.regime, timeline.origin] + ([f"link {link}"] if link else [])
    return ", ".join(words) + (f"; {SHARED_CORES}" if shared else "")


def packed(timeline: Timeline, name: str) -> Packed:
    """The events of the first steps of `timeline`, of as many as MOST_EVENTS allow.

    name: what the page calls it, such as 'predicted'. Raises LabError where one step alone is too much.
    """
    kept = _first_steps(timeline)
    begin = min(event.start_s for event in kept)
    whats: dict[tuple, int] = {}
    rows = np.empty((len(kept), 4))
    for row, event in enumerate(kept):
        number = whats.setdefault(_what(event), len(whats))
        rows[row] = event.start_s - begin, event.end_s - begin, event.step, number
    about = {"name": name, "says": origin(timeline), "ranks": timeline.ranks, "count": len(kept)}
    about |= {"left_out": len(timeline.events) - len(kept), "whats": [list(what) for what in whats]}
    return Packed(about, rows.astype("<f8").tobytes())


def _what(event) -> tuple:
    """All that the page says of an event, but for its step and times."""
    peers = tuple(int(peer) for peer in event.peers)
    sizes = int(event.bytes_sent), int(event.bytes_received), int(event.messages)
    return (int(event.rank), LANES.index(event.lane), event.kind, event.spelling, *sizes, peers)


def _first_steps(timeline: Timeline) -> list:
    """The events of the first steps by their starts."""
    steps, counts = np.unique([event.step for event in timeline.events], return_counts=True)
    fitting = steps[np.cumsum(counts) <= MOST_EVENTS]
    if not len(fitting):
        what = f"a timeline with {counts[0]:,} events in step {steps[0]}"
        raise LabError(what, f"show fewer ranks or instructions: {MOST_EVENTS:,} events of a step can be drawn")
    return sorted((event for event in timeline.events if event.step <= fitting[-1]), key=lambda event: event.start_s)
