"""A run in a thread: it pauses, steps, stops, keeps its error, and never makes anybody wait for ever."""

import gc
import weakref
from threading import Event, get_ident

import pytest

from labkit.engine.background import BackgroundRun
from labkit.errors import LabError


def gated(gate, closed=None):
    """0, 1, 2, ...: the next one whenever the test releases it; notes in `closed` that it was closed."""
    number = 0
    try:
        while True:
            assert gate.wait(10)
            yield number
            number += 1
    finally:
        if closed is not None:
            closed.append(number)


@pytest.fixture
def gate():
    gate = Event()
    gate.set()
    yield gate
    gate.set()


def test_runs_to_the_end():
    run = BackgroundRun(range(5))
    assert run.wait(10) == "finished"
    assert run.events == [0, 1, 2, 3, 4] and run.count == 5 and run.over


def test_pause_step_resume_stop(gate):
    closed = []
    run = BackgroundRun(gated(gate, closed), paused=True)
    assert run.state == "paused"
    run.step()
    run.step()
    run.wait(10, until=lambda: run.count == 2 and run.state == "paused")
    assert run.events == [0, 1]
    with pytest.raises(LabError, match=r"still paused after waiting 0\.05 s"):
        run.wait(0.05)
    assert run.count == 2
    run.resume()
    run.wait(10, until=lambda: run.count > 20)
    run.pause()
    run.wait(10, until=lambda: run.state == "paused")
    count = run.count
    run.stop()
    assert run.wait(10) == "stopped"
    assert run.count == count and closed == [count - 1]
    run.resume()
    assert run.wait(10) == "stopped"


def test_wait_tells_how_long_and_how_far():
    gate = Event()
    run = BackgroundRun(gated(gate))
    with pytest.raises(LabError, match=r"still running .* \(0 events so far\)"):
        run.wait(0.05)
    run.stop()
    gate.set()
    assert run.wait(10) == "stopped" and run.count <= 1


def test_an_exception_is_kept_and_shown():
    def failing():
        yield 1
        raise LabError("the loss of step 1 is nan")

    run = BackgroundRun(failing())
    assert run.wait(10) == "failed"
    assert run.events == [1] and "step 1 is nan" in repr(run)
    assert isinstance(run.error, LabError)


def test_an_error_while_closing_is_kept_too(gate):
    def stubborn():
        try:
            yield 1
        finally:
            raise OSError("disk full")

    run = BackgroundRun(stubborn(), paused=True)
    run.step()
    run.wait(10, until=lambda: run.count == 1)
    run.stop()
    assert run.wait(10) == "failed" and isinstance(run.error, OSError)


def test_subscribers_are_called_from_the_worker_and_told_the_end():
    seen, threads = [], set()

    def note(event):
        seen.append(event)
        threads.add(get_ident())

    run = BackgroundRun(range(3), paused=True)
    run.subscribe(note)
    unsubscribe = run.subscribe(lambda event: seen.append("never"))
    unsubscribe()
    run.resume()
    run.wait(10)
    run._thread.join(10)
    assert seen == [0, 1, 2, None] and get_ident() not in threads
    late = []
    run.subscribe(late.append)
    assert late == [None]


def test_a_broken_subscriber_does_not_end_the_run():
    def broken(event):
        raise RuntimeError("no widget")

    run = BackgroundRun(range(4), paused=True)
    run.subscribe(broken)
    run.resume()
    assert run.wait(10) == "finished" and run.events == [0, 1, 2, 3]
    assert str(run.callback_error) == "no widget"


def test_a_subscriber_may_pause_the_run():
    run = BackgroundRun(range(1000), paused=True)
    run.subscribe(lambda event: run.pause() if event == 9 else None)
    run.resume()
    run.wait(10, until=lambda: run.count == 10 and run.state == "paused")
    assert run.events == list(range(10))
    run.stop()
    assert run.wait(10) == "stopped"


def test_memory_can_be_bounded():
    run = BackgroundRun(range(100), maxlen=3)
    run.wait(10)
    assert run.events == [97, 98, 99] and run.count == 100


def test_a_run_that_is_over_keeps_nothing_alive_but_its_events():
    """A failed run may stand in a notebook for hours: its generator and the error's frames hold the model."""

    class Heavy:
        pass

    def fails(heavy):
        yield 1
        raise LabError(f"too heavy: {type(heavy).__name__}")

    heavy = Heavy()
    gone = weakref.ref(heavy)
    run = BackgroundRun(fails(heavy))
    del heavy
    assert run.wait(10) == "failed" and run.events == [1]
    assert "in fails" in run.traceback and "too heavy" in str(run.error)
    gc.collect()
    assert gone() is None
