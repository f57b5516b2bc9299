"""Training view: what it sends, how often, from which thread, and the arithmetic of its JavaScript."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

import numpy as np
import pytest

from labkit.engine.background import BackgroundRun
from labkit.engine.events import TrainEvent
from labkit.errors import LabError
from labkit.widgets import training_view
from labkit.widgets._series import COLUMNS, LARGEST_POINTS, Series, keep
from labkit.widgets.training import TrainingView

MODULE = str(TrainingView._esm)


def event(step: int, loss: float = 1.0, **others) -> TrainEvent:
    seconds = {"fp": 0.001 * (step + 1), "bp": 0.002, "ku": 0.003}
    norms = {"conv1": 0.1 * (step + 1), "fc1": 2.0}
    given = {"bytes_held": {"weights": 400, "activations": 80}, "gradient_norms": norms, "steps": 100} | others
    return TrainEvent(step, step // 10, loss, 0.5, seconds, **given)


def points(view) -> np.ndarray:
    return np.frombuffer(view.points, dtype=np.float32).reshape(-1, len(COLUMNS))


def test_a_finished_list_becomes_points():
    view = training_view([event(0, 2.5), event(1, 1.5, test_accuracy=0.75)])
    table = points(view)
    assert table[:, 0].tolist() == [1, 2] and table[:, 1].tolist() == [2.5, 1.5]
    assert np.isnan(table[0, 6]) and table[1, 6] == 0.75
    assert view.info["bytes_held"] == {"weights": 400, "activations": 80}
    assert view.info["layers"] == ["conv1", "fc1"] and view.info["state"] == "finished" and not view.info["live"]
    norms = np.frombuffer(view.norms, dtype=np.float32).reshape(-1, 3)
    assert norms == pytest.approx(np.array([[1, 0.1, 2], [2, 0.2, 2]]))


def test_a_long_run_is_thinned_out_but_keeps_its_spikes_and_ends():
    series = Series()
    losses = np.linspace(3, 1, 30_000)
    losses[12_345] = 1e6
    series.add(event(k, loss, gradient_norms={"a": 1.0 + k}) for k, loss in enumerate(losses))
    table = np.frombuffer(series.points(), dtype=np.float32).reshape(-1, len(COLUMNS))
    assert 1000 < len(table) <= LARGEST_POINTS
    assert table[0, 0] == 1 and table[-1, 0] == 30_000 and table[:, 1].max() == 1e6
    assert (np.diff(table[:, 0]) > 0).all()
    norms = np.frombuffer(series.norms(), dtype=np.float32).reshape(-1, 2)
    assert 100 <= len(norms) <= 200 and norms[-1].tolist() == [30_000, 30_000]
    assert (np.diff(norms[:, 0]) > 0).all()


def test_a_loss_that_is_no_number_is_kept():
    losses = np.ones(5000)
    losses[777] = np.nan
    assert 777 in keep(losses, LARGEST_POINTS)


def test_test_accuracies_survive_the_thinning():
    series = Series()
    series.add(event(k, test_accuracy=0.9 if k % 1000 == 999 else None) for k in range(20_000))
    table = np.frombuffer(series.points(), dtype=np.float32).reshape(-1, len(COLUMNS))
    assert np.count_nonzero(~np.isnan(table[:, 6])) == 20


def test_a_background_run_is_followed_from_the_loop_and_sends_at_most_20_messages_a_second():
    """1,000 events a second arrive in another thread; every message leaves in the loop's own thread."""

    def source():
        for step in range(400):
            sleep(0.001)
            yield event(step)

    async def watch():
        view = training_view(BackgroundRun(source()))
        times, threads = [], set()
        view.observe(lambda _: (times.append(monotonic()), threads.add(threading.get_ident())), names="info")
        for _ in range(200):
            await asyncio.sleep(0.05)
            if view.info["state"] == "finished":
                break
        return view, times, threads, threading.get_ident()

    with ThreadPoolExecutor(1) as pool:  # a loop of its own: the browser's tests leave one running in this thread
        view, times, threads, own = pool.submit(lambda: asyncio.run(asyncio.wait_for(watch(), 30))).result(60)
    assert view.info["state"] == "finished" and view.info["count"] == 400 and view.info["live"]
    assert points(view)[:, 0].tolist() == list(range(1, 401))
    assert threads == {own} and len(times) > 2
    assert max(sum(start <= t < start + 1 for t in times) for start in times) <= 20


def test_events_before_and_after_the_view_are_each_shown_once():
    gate = threading.Event()

    def source():
        yield from (event(k) for k in range(5))
        gate.wait(10)
        yield from (event(k) for k in range(5, 9))

    run = BackgroundRun(source())
    run.wait(10, until=lambda: run.count == 5)
    view = training_view(run)
    assert view.info["count"] == 5 and view.info["state"] == "running"
    gate.set()
    run.wait(10)
    view.refresh()
    assert points(view)[:, 0].tolist() == list(range(1, 10))


def test_buttons_reach_the_run():
    run = BackgroundRun((event(k) for k in range(1000)), paused=True)
    view = training_view(run)
    press = lambda command: view._follower.command(view, {"command": command}, [])  # noqa: E731
    press("step")
    run.wait(10, until=lambda: run.count == 1 and run.state == "paused")
    press("nonsense")
    view._follower.command(view, "no dictionary", [])
    assert run.count == 1
    press("stop")
    assert run.wait(10) == "stopped"
    assert view.refresh() == "stopped" and view.info["state"] == "stopped" and view.info["count"] == 1


def test_the_reason_of_a_failure_is_shown():
    def source():
        yield event(0)
        raise LabError("the loss is not a number at step 1", "take a smaller learning rate")

    run = BackgroundRun(source())
    assert run.wait(10) == "failed"
    view = training_view(run)
    assert view.info["state"] == "failed" and "smaller learning rate" in view.info["reason"]


@pytest.mark.parametrize(
    ("run", "word"),
    [([], "TrainEvents"), ([1, 2], "TrainEvents"), (iter([]), "BackgroundRun"), (None, "NoneType")],
)
def test_what_is_no_run_is_refused(run, word):
    with pytest.raises(LabError, match=word):
        training_view(run)


def test_state_string_rebuilds_the_view():
    view = training_view([event(0)], log_loss=True, speed=7)
    view.state = view.state | {"position": 1}
    assert training_view([event(0)], from_state=view.state_string()).state == view.state
    with pytest.raises(LabError, match="speed"):
        training_view([event(0)], from_state="training_view?speed=0")


def test_the_page_reads_the_same_numbers(run_js):
    view = training_view([event(k, loss=5 - k / 10) for k in range(30)])
    flat = json.dumps(np.frombuffer(view.points, dtype=np.float32).tolist()).replace("NaN", "null")
    norms = json.dumps(np.frombuffer(view.norms, dtype=np.float32).tolist())
    body = f"const data = m.unpack({flat}, {json.dumps(list(COLUMNS))});"
    data = run_js(MODULE, f"(m) => {{ {body} return [...data.loss]; }}")
    assert data == pytest.approx([5 - k / 10 for k in range(30)])
    assert run_js(MODULE, f"(m) => {{ {body} return [0, 1, 7.5, 30, 99].map((s) => m.upTo(data.step, s)); }}") == [
        0, 1, 7, 30, 30,
    ]  # fmt: skip
    assert run_js(MODULE, f"(m) => {{ {body} return m.phases(data, 10); }}") == pytest.approx([0.0055, 0.002, 0.003])
    rows = run_js(MODULE, f"(m) => m.normsAt({norms}, ['conv1', 'fc1'], 10.5)")
    assert rows[0]["value"] == pytest.approx(1.0) and rows[0]["low"] == pytest.approx(0.1)
    assert rows[1]["high"] == pytest.approx(2.0) and rows[0]["high"] == pytest.approx(1.0)


def test_the_trailing_mean_equals_numpy_and_leaves_gaps(run_js):
    values = np.random.default_rng(3).normal(size=40)
    got = run_js(MODULE, f"(m) => m.trailing({json.dumps(values.tolist())}, 7)")
    assert got == pytest.approx([values[max(0, k - 6) : k + 1].mean() for k in range(40)])
    assert run_js(MODULE, "(m) => m.trailing([1, NaN, 3], 2)") == [1, None, 3]
