"""Timeline: what it sends, its sums against plain Python, what it says, its input and its string."""

import json
import random

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.schedule.events import Event, Timeline
from labkit.widgets import timeline
from labkit.widgets._events import LANES, MOST_EVENTS, packed
from labkit.widgets.timeline import TimelineView

MODULE = str(TimelineView._esm)
SPELLINGS = {"compute": ["F0:3", "B0:3", "U0:3"], "communicate": ["allreduce g0 ring"], "wait": ["wait"]}


def lane(rank, name, step, start, rng, count=12):
    """Events of a lane, one after the other with gaps, and the time at which they end."""
    found = []
    for position in range(count):
        kind = "communicate" if name == "network" else rng.choice(list(SPELLINGS))
        start += rng.choice([0, 0, 0.25])
        end = start + rng.choice([0.5, 1, 0.125])
        sizes = (8, 16, 2, (rank + 1,)) if kind == "communicate" else (0, 0, 0, ())
        found.append(Event(rank, step, position, name, rng.choice(SPELLINGS[kind]), kind, start, end, *sizes))
        start = end
    return found, start


def made(ranks=3, steps=2, seed=0, begin=0.5, regime="real", **others) -> Timeline:
    """A main and a network lane for each rank, and one rank more that only serves."""
    rng, events = random.Random(seed), []
    for rank in range(ranks):
        for name in ("server",) if rank == ranks - 1 else ("main", "network"):
            at = begin
            for step in range(steps):
                found, at = lane(rank, name, step, at, rng)
                events += found
    rng.shuffle(events)
    return Timeline(tuple(events), ranks, regime, "measured here", **others)


def ask(run_js, view, body):
    """`body` of a function that has the view's sources as `sources`; what it returns."""
    bytes_ = list(np.frombuffer(view.events, np.uint8).tolist())
    sources = json.dumps(view.sources)
    head = f"const sources = m.unpackEvents(new Uint8Array({bytes_}).buffer, {sources});"
    return run_js(MODULE, f"(m) => {{ {head} {body} }}")


def expected(whole, step, rank):
    """Computing, communicating, idle, network lane, and how much of that while computing: by 1/16 s slices."""
    events = [e for e in whole.events if step in (-1, e.step)]
    begin, end = min(e.start_s for e in events), max(e.end_s for e in events)
    mine = [e for e in events if e.rank == rank]
    own = [e for e in mine if e.lane == ("main" if any(e.lane == "main" for e in mine) else "server")]

    def during(found, t):
        return any(e.start_s <= t < e.end_s for e in found)

    times = begin + (np.arange(round((end - begin) * 16)) + 0.5) / 16
    computing = [during([e for e in own if e.kind == "compute"], t) for t in times]
    communicating = [during([e for e in own if e.kind == "communicate"], t) for t in times]
    network = [during([e for e in mine if e.lane == "network"], t) for t in times]
    both = [a and b for a, b in zip(computing, network, strict=True)]
    idle = [not a and not b for a, b in zip(computing, communicating, strict=True)]
    return [sum(one) / 16 for one in (computing, communicating, idle, network, both)]


@pytest.mark.parametrize("step", [-1, 1])
def test_totals_of_a_rank_are_those_of_a_plain_count(step, run_js):
    whole = made()
    body = f"m.measure(sources, {step}); return m.totals(sources[0], {step});"
    for row in ask(run_js, timeline(measured=whole), body):
        got = [row[key] for key in ("computing", "communicating", "idle", "network", "behind")]
        assert got == pytest.approx(expected(whole, step, row["rank"]))
        own = [e for e in whole.events if e.rank == row["rank"] and step in (-1, e.step)]
        assert (row["sent"], row["messages"]) == (sum(e.bytes_sent for e in own), sum(e.messages for e in own))


def test_every_event_goes_there_with_its_words_once(run_js):
    whole = made(begin=100)
    view = timeline(measured=whole)
    rows = np.frombuffer(view.events, "<f8").reshape(-1, 4)
    whats, began = view.sources[0]["whats"], min(e.start_s for e in whole.events)
    assert len(rows) == len(whole.events) and len(whats) < 20 and (np.diff(rows[:, 0]) >= 0).all()
    got = {(*whats[int(what)][:4], int(step), start, end) for start, end, step, what in rows}
    assert got == {
        (e.rank, LANES.index(e.lane), e.kind, e.spelling, e.step, e.start_s - began, e.end_s - began)
        for e in whole.events
    }


def test_rows_stand_predicted_above_measured(run_js):
    view = timeline(made(seed=1), made(seed=2))
    body = "const f = (r) => [r.rank, r.s, r.lane]; return [m.rowsOf(sources, -1).map(f), m.rowsOf(sources, 2).map(f)];"
    every, one = ask(run_js, view, body)
    assert every == [[r, s, n] for r in (0, 1) for s in (0, 1) for n in (0, 1)] + [[2, 0, 2], [2, 1, 2]]
    assert one == [[2, 0, 2], [2, 1, 2]]


def test_sentences_name_instruction_times_bytes_peers_and_the_factor(run_js):
    first = Event(0, 0, 0, "main", "F0:3", "compute", 2.0, 2.003)
    swap = Event(0, 0, 1, "network", "swap g1<>1 &", "communicate", 2.003, 2.01, 4000, 4000, 1, (1,))
    other = Event(1, 0, 0, "main", "F0:3", "compute", 2.0, 2.005)
    predicted = Timeline((first, swap, other), 2, "simulated", "modelled")
    measured = Timeline((Event(1, 0, 0, "main", "F0:3", "compute", 0.0, 0.02),), 2, "emulated", "measured here")
    view = timeline(predicted, measured)
    body = "m.measure(sources, -1); return [m.eventSentence(sources[0], 2), m.summary(sources, -1)];"
    said, summary = (text.replace("\u00a0", " ") for text in ask(run_js, view, body))
    assert said == (
        "Predicted, rank 0, network lane, step 0: “swap g1<>1 &” communicates from 3 ms to 10 ms, 7 ms in all; "
        "sends 4,000 B in 1 message, receives 4,000 B, with rank 1."
    )
    assert summary == (
        "All steps, 2 ranks: predicted 10 ms: computing 40 %, communicating 0 %, idle 60 % of the ranks' time; "
        "measured 20 ms: computing 50 %, communicating 0 %, idle 50 % of the ranks' time. "
        "Measured is 2 times predicted."
    )


def test_the_event_at_a_time_is_found(run_js):
    events = tuple(Event(0, 0, k, "main", "F0:3", "compute", t, t + 1.0) for k, t in enumerate((0.0, 1.0, 4.0)))
    view = timeline(Timeline(events, 1, "simulated", "modelled"))
    body = """m.measure(sources, -1); const row = m.rowsOf(sources, -1)[0];
      return [[0.5, 1], [1, 1], [2.5, 1], [2.5, 0.2], [3.9, 0.2], [9, 1e9]].map(([t, near]) => m.eventAt(row, t, near));
    """
    assert ask(run_js, view, body) == [0, 1, 1, -1, 2, 2]


def test_a_step_begins_at_its_own_first_event(run_js):
    whole = made(steps=3)
    began = min(e.start_s for e in whole.events)
    own = [e for e in whole.events if e.step == 2]
    first, last = min(e.start_s for e in own), max(e.end_s for e in own)
    body = "m.measure(sources, 2); return [sources[0].from, sources[0].seconds];"
    assert ask(run_js, timeline(whole), body) == pytest.approx([first - began, last - first])


def test_the_title_says_regime_origin_and_shared_cores():
    title = timeline(made(regime="simulated"), made(cores=2, link="memory")).title
    assert "Predicted: simulated, measured here." in title
    assert title.endswith("real, measured here, link memory; ranks share cores: no claim about speed-up")
    assert "share cores" not in timeline(measured=made(cores=4)).title


def long(steps, each=1000) -> Timeline:
    events = [
        Event(0, step, k, "main", "F0:3", "compute", step + k / each, step + (k + 1) / each)
        for step in range(steps)
        for k in range(each)
    ]
    return Timeline(tuple(events), 1, "real", "measured here")


def test_of_too_many_events_the_first_steps_are_kept_and_the_rest_is_named(run_js):
    view = timeline(measured=long(MOST_EVENTS // 1000 + 2))
    assert view.sources[0]["count"] == MOST_EVENTS and view.sources[0]["left_out"] == 2000
    assert len(view.events) == 32 * MOST_EVENTS
    with pytest.raises(LabError, match="events in step 0"):
        packed(long(1, MOST_EVENTS + 1), "measured")


def test_the_string_of_the_state_goes_there_and_back():
    view = timeline(made(), step=1, rank=2)
    view.state = view.state | {"low": 0.25, "high": 1.5, "event": 7}
    assert timeline(made(), from_state=view.state_string()).state == view.state


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({}, "of nothing"),
        ({"measured": [1, 2]}, "give a Timeline"),
        ({"measured": Timeline((), 2, "real", "measured here")}, "record=True"),
        ({"predicted": made(3), "measured": made(4)}, "3 ranks predicted, 4 measured"),
        ({"measured": made(), "step": 2}, "step=2"),
        ({"measured": made(), "rank": 3}, "from -1 to 2"),
        ({"measured": made(), "from_state": "timeline?event=100000"}, "event"),
        ({"measured": made(), "from_state": "training_view?speed=3"}, "timeline"),
    ],
)
def test_bad_input_is_refused(arguments, word):
    with pytest.raises(LabError, match=word):
        timeline(**arguments)
