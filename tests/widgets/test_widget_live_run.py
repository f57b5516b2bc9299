"""Live run panel: its sums against plain Python, what a live run sends and when, buttons, replay, input and string."""

import asyncio
import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep
from types import SimpleNamespace

import numpy as np
import pytest

from labkit.engine.background import BackgroundRun
from labkit.errors import LabError
from labkit.schedule.events import Event, Timeline
from labkit.widgets import live_run
from labkit.widgets._progress import MOMENTS, POINTS, Progress
from labkit.widgets.live_run import LiveRun

MODULE = str(LiveRun._esm)
KINDS = [("main", "compute", "F0:3"), ("main", "wait", "wait"), ("network", "communicate", "allreduce g0 ring &")]


def loss(step, value):
    return SimpleNamespace(step=step, loss=value)


def made(ranks=3, steps=5, seed=0) -> list[Event]:
    """Events of workers and, as the last rank, of a server, in the order of their ends."""
    rng, events = random.Random(seed), []
    for rank in range(ranks):
        now = 0.5
        for step in range(steps):
            for lane, kind, spelling in KINDS if rank < ranks - 1 else [("server", "communicate", "serve async")] * 3:
                end = now + rng.choice([0.25, 1.0])
                events.append(Event(rank, step, 0, lane, spelling, kind, now, end, 8, 8, 1, (0,)))
                now = now if lane == "network" else end
    return sorted(events, key=lambda event: event.end_s)


def table(view, ranks) -> np.ndarray:
    return np.frombuffer(view.moments, "<f8").reshape(-1, 1 + 3 * ranks)


def losses(view) -> list:
    return np.frombuffer(view.losses, "<f4").reshape(-1, 2).tolist()


def expected(events, rank):
    lane = "main" if any(e.rank == rank and e.lane == "main" for e in events) else "server"
    own = [e for e in events if e.rank == rank and e.lane == lane]
    spent = [sum(e.seconds for e in own if e.kind == kind) for kind in ("compute", "communicate")]
    return [*spent, max((e.step + 1 for e in own), default=0)]


def test_every_moment_is_the_sum_of_the_events_before_it():
    events = made()
    moments = table(live_run(events), 3)
    assert len(moments) == len(events) + 1
    for number in (0, 7, len(events) - 1):
        seen = events[: number + 1]
        assert moments[number, 0] == pytest.approx(max(e.end_s for e in seen) - 0.5)
        known = max(e.rank for e in seen) + 1
        want = [value for rank in range(known) for value in expected(seen, rank)]
        assert moments[number, 1 : 1 + 3 * known].tolist() == pytest.approx(want)


def test_the_page_reads_the_same_sums(run_js):
    events = made()
    view = live_run(events)
    flat = json.dumps(np.frombuffer(view.moments, "<f8").tolist())
    body = f"const rows = m.rowsOf(Float64Array.from({flat}), 10); return m.usesAt(rows, m.momentAt(rows, 1), 3);"
    got = run_js(MODULE, f"(m) => {{ {body} }}")
    whole = max(e.end_s for e in events) - 0.5
    assert got["time"] == pytest.approx(whole)
    for row in got["rows"]:
        computing, communicating, step = expected(events, row["rank"])
        assert (row["computing"], row["communicating"], row["step"]) == pytest.approx((computing, communicating, step))
        assert row["idle"] == pytest.approx(whole - computing - communicating)


def test_the_moment_of_a_part_of_the_time_is_found(run_js):
    rows = "[[1, 0, 0, 1], [2, 1, 0, 1], [2, 1, 0, 1], [4, 1, 1, 2]]"
    assert run_js(MODULE, f"(m) => [0, 0.25, 0.5, 0.9, 1].map((p) => m.momentAt({rows}, p))") == [-1, 0, 2, 2, 3]
    assert run_js(MODULE, "(m) => [m.momentAt([], 1), m.usesAt([], -1, 1)]") == [
        -1,
        {"time": 0, "rows": [{"rank": 0, "computing": 0, "communicating": 0, "step": 0, "idle": 0}]},
    ]


def test_many_events_are_thinned_out_and_the_last_is_there():
    progress = Progress()
    progress.add(Event(0, k // 10, 0, "main", "F0:3", "compute", float(k), k + 1.0) for k in range(20_000))
    progress.add_losses(1 / (1 + k) if k != 1234 else 50.0 for k in range(20_000))
    moments = np.frombuffer(progress.moments(), "<f8").reshape(-1, 4)
    assert MOMENTS / 2 < len(moments) <= MOMENTS + 1 and moments[-1].tolist() == [20_000, 20_000, 0, 2000]
    assert (np.diff(moments[:, 0]) > 0).all()
    found = np.frombuffer(progress.losses(), "<f4").reshape(-1, 2)
    assert len(found) <= POINTS and [1235, 50] in found.tolist() and found[-1, 0] == 20_000


def test_the_sentence_says_state_step_shares_and_loss(run_js):
    info = {"steps": 40, "reason": "", "ranks": 2}
    first = {"rank": 0, "computing": 1, "communicating": 0.5, "idle": 0.5, "step": 7}
    now = {"time": 2, "rows": [first, {"rank": 1, "computing": 2, "communicating": 0, "idle": 0, "step": 6}]}
    data = json.dumps({"info": info, "losses": [[6, 1.25]]})
    text = run_js(MODULE, f"(m) => m.sentence({data}, {json.dumps(now)}, 'Running')").replace("\u00a0", " ")
    assert text == (
        "Running: step 7 of 40, 2 s since the first event; of the ranks' time 75 % computing, 12.5 % communicating, "
        "12.5 % idle; loss 1.25 in step 6."
    )
    empty = json.dumps({"info": info | {"reason": "rank 1 died"}, "losses": []})
    nothing = json.dumps({"time": 0, "rows": []})
    assert run_js(MODULE, f"(m) => m.sentence({empty}, {nothing}, 'Failed')") == "Failed: nothing yet. rank 1 died"


def test_a_run_is_followed_from_the_loop_and_sends_at_most_20_messages_a_second():
    """Events arrive in another thread; every message leaves in the loop's own thread."""
    events = made(steps=60)

    def source():
        for number, event in enumerate(events):
            sleep(0.001)
            yield [event, loss(event.step, 3.0)] if number % 2 else event

    async def watch():
        view = live_run(BackgroundRun(source()), ranks=3, steps=60)
        times, threads = [], set()
        view.observe(lambda _: (times.append(monotonic()), threads.add(threading.get_ident())), names="info")
        for _ in range(200):
            await asyncio.sleep(0.05)
            if view.info["state"] == "finished":
                break
        return view, times, threads, threading.get_ident()

    with ThreadPoolExecutor(1) as pool:  # a loop of its own: the browser's tests leave one running in this thread
        view, times, threads, own = pool.submit(lambda: asyncio.run(asyncio.wait_for(watch(), 30))).result(60)
    assert view.info["state"] == "finished" and view.info["live"] and view.info["steps"] == 60
    assert view.moments == live_run(events).moments and len(losses(view)) == 60
    assert threads == {own} and len(times) > 2
    assert max(sum(start <= t < start + 1 for t in times) for start in times) <= 20


class Handle:
    """The least that a run needs to be followed; it keeps no events of its own."""

    ranks, steps = 2, 9
    regime, origin, oversubscribed = "emulated", "measured here", True

    def __init__(self):
        self.state, self.said, self.callbacks = "running", [], []

    def subscribe(self, callback):
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def tell(self, event):
        for callback in self.callbacks:
            callback(event)

    def __getattr__(self, name):
        if name in ("pause", "resume", "step", "stop"):
            return lambda: self.said.append(name)
        raise AttributeError(name)


def test_any_run_with_these_methods_is_followed_and_commanded():
    run = Handle()
    view = live_run(run)
    assert view.info == {"ranks": 2, "steps": 9, "state": "running", "reason": "", "live": True, "news": 0}
    assert view.title == "Run: emulated, measured here; ranks share cores: no claim about speed-up"
    run.tell(Event(1, 3, 0, "main", "F0:3", "compute", 0.0, 2.0))
    run.tell(loss(3, 0.5))
    run.tell(None)
    assert view.refresh() == "running"
    assert table(view, 2)[-1].tolist() == [2, 0, 0, 0, 2, 0, 4] and losses(view) == [[4, 0.5]]
    for command in ("pause", "play", "step", "stop", "nonsense"):
        view._follower.command(view, {"command": command}, [])
    assert run.said == ["pause", "resume", "step", "stop"]
    run.state, run.error = "failed", LabError("rank 1 was killed in step 3", "look at its log")
    assert view.refresh() == "failed" and "rank 1 was killed" in view.info["reason"]


def test_a_result_is_replayed_with_its_losses_and_its_origin():
    timeline = Timeline(tuple(made()), 3, "real", "measured here", cores=2)
    view = live_run(SimpleNamespace(timeline=timeline, losses=(2.0, 1.5, 1.0, 0.5, 0.25), ranks=3, steps=5))
    assert view.title == "Run: real, measured here; ranks share cores: no claim about speed-up"
    assert losses(view) == [[1, 2.0], [2, 1.5], [3, 1.0], [4, 0.5], [5, 0.25]]
    assert (view.info["steps"], view.info["state"], view.info["live"]) == (5, "finished", False)
    assert live_run(timeline).moments == view.moments and live_run(timeline).info["steps"] == 5


def test_a_list_of_news_is_replayed():
    view = live_run([*made(), loss(0, 2.5), "text"])
    assert losses(view) == [[1, 2.5]] and view.info["ranks"] == 3


def test_the_string_of_the_state_goes_there_and_back():
    view = live_run(made(), log_loss=True)
    view.state = view.state | {"position": 12.5, "replay": 30}
    assert live_run(made(), from_state=view.state_string()).state == view.state


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"what": []}, "without events"),
        ({"what": 3}, "live_run of a int"),
        ({"what": [loss(0, 1.0)]}, "without events"),
        ({"what": Timeline((), 2, "real", "measured here")}, "kept its events"),
        ({"what": made(), "ranks": -1}, "ranks=-1"),
        ({"what": made(), "steps": 0.5}, "steps=0.5"),
        ({"what": made(), "from_state": "live_run?replay=0"}, "replay=0"),
    ],
)
def test_bad_input_is_refused(arguments, word):
    with pytest.raises(LabError, match=word):
        live_run(**arguments)
