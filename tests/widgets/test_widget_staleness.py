"""Staleness view: its counts against plain Python, lanes over time and over steps, live runs, input and string."""

import json
import random
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from labkit.engine.background import BackgroundRun
from labkit.errors import LabError
from labkit.schedule.events import Event, Timeline
from labkit.schedule.staleness import Stale
from labkit.widgets import staleness
from labkit.widgets._ages import LANES, Ages
from labkit.widgets.staleness import StalenessView

MODULE = str(StalenessView._esm)


def made(updates=60, pieces=2, seed=0):
    """Records and events of three workers of different speed, on one server that is rank 0."""
    rng, now = random.Random(seed), {1: 0.0, 2: 0.0, 3: 0.0}
    step, known = dict.fromkeys(now, 0), dict.fromkeys(now, 0)
    records, events = [], []
    for version in range(updates):
        rank = min(now, key=now.get)
        end = now[rank] + rng.choice([1.0, 1.5]) * (2 if rank == 3 else 1)
        events.append(Event(rank, step[rank], 0, "main", "F0:4", "compute", now[rank], end - 0.5))
        events.append(Event(rank, step[rank], 1, "main", "B0:4", "compute", end - 0.5, end))
        events.append(Event(rank, step[rank], 2, "main", "U0:4", "compute", end, end + 0.25))
        records += [Stale(rank, step[rank], piece, known[rank], version - known[rank]) for piece in range(pieces)]
        now[rank], known[rank], step[rank] = end + 0.25, version + 1, step[rank] + 1
    return records, Timeline(tuple(events), 4, "emulated", "measured here", cores=8)


def rows(data, width, kind="<f8"):
    return np.frombuffer(data, kind).reshape(-1, width).tolist()


@pytest.mark.parametrize(("rank", "piece"), [(-1, -1), (3, -1), (2, 1)])
def test_the_histogram_counts_every_update(rank, piece, run_js):
    records, _ = made()
    view = staleness(records)
    counts = json.dumps(rows(view.counts, 4, "<f4"))
    got = run_js(MODULE, f"(m) => m.histogram({counts}, {{ rank: {rank}, piece: {piece} }})")
    expected = Counter(r.staleness for r in records if rank in (-1, r.rank) and piece in (-1, r.piece))
    assert dict(enumerate(got)) == {s: expected[s] for s in range(max(expected) + 1)}
    assert view.info["count"] == len(records) and view.info["ranks"] == [1, 2, 3] and view.info["pieces"] == [0, 1]


def test_lanes_lie_from_the_first_forward_to_the_last_backward_pass():
    records, timeline = made()
    view = staleness(records, timeline)
    assert view.info["timed"] and view.title.endswith("emulated, measured here")
    for rank, step, _, version, stale, start, end in rows(view.lanes, 7):
        own = [e for e in timeline.events if (e.rank, e.step) == (rank, step) and e.spelling[0] in "FB"]
        assert (start, end) == (min(e.start_s for e in own), max(e.end_s for e in own))
        assert (version, stale) in {(r.version, r.staleness) for r in records if (r.rank, r.step) == (rank, step)}


def test_without_events_lanes_go_by_steps():
    view = staleness(made()[0])
    assert not view.info["timed"] and all(row[5:] == [row[1], row[1] + 1] for row in rows(view.lanes, 7))


@pytest.mark.parametrize("timed", [True, False])
def test_boxes_show_the_newest_steps_of_every_worker(timed, run_js):
    records, timeline = made()
    lanes = rows(staleness(records, timeline if timed else None).lanes, 7)
    setting = "{ rank: -1, piece: -1, last: 5 }"
    boxes = run_js(MODULE, f"(m) => m.boxesOf({json.dumps(lanes)}, {setting}, {json.dumps(timed)})")
    assert {box["rank"] for box in boxes} == {1, 2, 3}
    ends = {rank: max(r.step for r in records if r.rank == rank) for rank in (1, 2, 3)}
    newest = {(box["rank"], box["step"]) for box in boxes}
    assert set(ends.items()) <= newest
    if not timed:
        assert newest == {(r.rank, r.step) for r in records if r.step > min(ends.values()) - 5}
    else:
        assert len(newest) < 30


def test_a_box_of_several_pieces_says_the_range_of_versions_and_the_greatest_staleness(run_js):
    lanes = [[1, 0, 0, 4, 1, 0, 1], [1, 0, 1, 7, 3, 0, 1], [1, 0, 2, 5, 0, 0, 1]]
    got = run_js(MODULE, f"(m) => m.boxesOf({lanes}, {{ rank: -1, piece: -1, last: 5 }}, false)")
    assert got == [{"rank": 1, "step": 0, "low": 4, "high": 7, "stale": 3, "start": 0, "end": 1}]


def test_the_sentence_says_mean_greatest_and_whether_the_bound_is_kept(run_js):
    records = [Stale(1, s, 0, s, k) for s, k in enumerate([0, 1, 1, 4])]

    def said(**given):
        view = staleness(records, **given)
        data = json.dumps({"counts": rows(view.counts, 4, "<f4"), "info": view.info, "set": view.state})
        return run_js(MODULE, f"(m) => m.sentence({data})").replace("\u00a0", " ")

    start = "4 updates of 1 worker: staleness 1.5 on average, at most 4, none in 25 %"
    assert said() == start + "."
    assert said(bound=4) == start + "; the bound 4 is kept."
    assert said(bound=3) == start + "; the bound 3 is broken by 1."


def test_of_many_records_the_newest_are_in_the_lanes_and_all_in_the_histogram():
    ages = Ages()
    ages.add(Stale(1, step, 0, step, step % 3) for step in range(LANES + 500))
    assert len(rows(ages.lanes(), 7)) == LANES and rows(ages.lanes(), 7)[0][1] == 500
    assert sum(row[3] for row in rows(ages.counts(), 4, "<f4")) == LANES + 500


def test_a_result_is_shown_with_its_own_timeline():
    records, timeline = made()
    view = staleness(SimpleNamespace(staleness=tuple(records), timeline=timeline))
    assert view.info["timed"] and view.info["count"] == len(records)


def test_a_run_is_followed_and_its_other_news_are_passed_over():
    records, timeline = made()
    news = [records[:10], *records[10:], timeline.events, SimpleNamespace(step=1, loss=2.0), None, "text"]
    run = BackgroundRun(iter(news))
    run.wait(10)
    view = staleness(run, bound=2)
    assert view.refresh() == "finished"
    assert view.info["count"] == len(records) and view.info["timed"] and view.info["bound"] == 2
    assert view.counts == staleness(records).counts


def test_a_run_may_tell_of_its_updates_in_its_result():
    records, timeline = made()
    run = BackgroundRun(iter(timeline.events), paused=True)
    run.result = None
    assert staleness(run).title == "Staleness of updates"
    run.regime, run.origin, run.link = "emulated", "measured here", "slow"
    view = staleness(run)
    assert view.title == "Staleness of updates: emulated, measured here, link slow"
    assert view.info["count"] == 0
    run.result = SimpleNamespace(staleness=tuple(records))
    run.resume()
    run.wait(10)
    assert view.refresh() == "finished"
    assert view.info["count"] == len(records) and view.info["timed"]


def test_a_run_without_updates_yet_says_so(run_js):
    view = staleness(BackgroundRun(iter([]), paused=True))
    data = json.dumps({"counts": [], "info": view.info, "set": view.state})
    assert run_js(MODULE, f"(m) => m.sentence({data})") == "Paused: no update yet."


def test_the_string_of_the_state_goes_there_and_back():
    view = staleness(made()[0])
    view.state = view.state | {"rank": 2, "piece": 1, "last": 7}
    assert staleness(made()[0], from_state=view.state_string()).state == view.state


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"what": []}, "without records"),
        ({"what": 3}, "staleness of a int"),
        ({"what": [1, 2]}, "parameter-server"),
        ({"what": SimpleNamespace(staleness=())}, "without records"),
        ({"what": made()[0], "bound": -1}, "bound=-1"),
        ({"what": made()[0], "from_state": "staleness?last=1"}, "last=1"),
    ],
)
def test_bad_input_is_refused(arguments, word):
    with pytest.raises(LabError, match=word):
        staleness(**arguments)
