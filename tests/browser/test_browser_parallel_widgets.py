"""Views of many ranks in JupyterLab: timeline, topology, staleness and live run, by keyboard alone."""

import re

import pytest
from notebook_page import move_every_control, open_notebook, run_all, settle, unnamed_controls, use_theme

pytestmark = pytest.mark.browser

EVENTS = """
from labkit.schedule.events import Event, Timeline
from labkit.widgets import live_run, staleness, timeline, topology

def events(slow=1.0, ranks=3, steps=4):
    for step in range(steps):
        for rank in range(ranks):
            at = (0.016 * step + 0.001 * rank * (slow > 1)) * slow
            spans = [("main", "F0:4", "compute", 0, 4), ("main", "B2:4", "compute", 4, 8),
                     ("network", "allreduce g1 ring &", "communicate", 8, 12), ("main", "B0:2", "compute", 8, 12),
                     ("network", "allreduce g0 ring &", "communicate", 12, 15), ("main", "wait", "wait", 12, 15),
                     ("main", "U0:4", "compute", 15, 16)]
            for position, (lane, spelling, kind, start, end) in enumerate(spans):
                size = (4800, 4800, 4, (1 - rank % 2, 2)) if lane == "network" else ()
                yield Event(rank, step, position, lane, spelling, kind, at + start / 1e3 * slow, at + end / 1e3 * slow,
                            *size)
"""
TIMELINE = (
    EVENTS
    + """
predicted = Timeline(tuple(events()), 3, "simulated", "modelled")
measured = Timeline(tuple(events(1.25)), 3, "real", "measured here", cores=2)
view = timeline(predicted, measured)
view
"""
)


def said(widget) -> str:
    return widget.get_by_role("status").inner_text().replace("\u00a0", " ")


def test_a_timeline_is_walked_through_and_zoomed_by_keyboard(chromium, lab, write_notebook, artifacts):
    name = write_notebook("timeline", TIMELINE, "print(view.state_string())")
    with open_notebook(chromium, lab, name) as (page, problems):
        assert run_all(page) == []
        widget = page.locator(".labkit-timeline")
        widget.wait_for()
        settle(page)
        assert unnamed_controls(widget) == []
        assert "share cores: no claim about speed-up" in widget.locator("h3").inner_text()
        assert said(widget).startswith("All steps, 3 ranks: predicted 64 ms: computing 81.2 %")
        assert said(widget).endswith("Measured is 1.29 times predicted.")
        widget.screenshot(path=artifacts / "timeline_light.png")

        widget.get_by_role("combobox", name="Step").select_option("1")
        settle(page)
        assert said(widget).startswith("Step 1, 3 ranks: predicted 16 ms")
        widget.get_by_role("application").focus()
        for key in ("ArrowRight", "ArrowDown", "ArrowRight"):
            page.keyboard.press(key)
            settle(page)
        assert "rank 0, network lane" in said(widget) and "4,800 B in 4 messages" in said(widget)
        assert "with ranks 1, 2." in said(widget)
        for key in ("+", "+", "]", "["):
            page.keyboard.press(key)
        settle(page)
        widget.screenshot(path=artifacts / "timeline_zoomed.png")
        assert widget.get_by_role("button", name="Whole").get_attribute("aria-disabled") == "false"
        page.keyboard.press("0")
        page.keyboard.press("Escape")
        settle(page)
        assert widget.get_by_role("button", name="Whole").get_attribute("aria-disabled") == "true"
        assert said(widget).startswith("Step 1, 3 ranks")

        box = widget.get_by_role("application").bounding_box()
        page.mouse.move(box["x"] + 180, box["y"] + 16)
        settle(page)
        assert "rank 0, main lane, step 1: “F0:4” computes (FP) from 0 ms to 4 ms" in said(widget)
        use_theme(page, "JupyterLab Dark")
        settle(page)
        widget.screenshot(path=artifacts / "timeline_dark.png")
        assert move_every_control(page, widget) == []
        assert problems == []


TOPOLOGY = """
from labkit.schedule.collectives import moves
from labkit.widgets import topology
mine = [[move._replace(add=True) for move in moves("allreduce", "ring", rank, 4, 0, 10)] for rank in range(4)]
view = topology(moves=mine, values=10)
view
"""


def test_a_collective_is_played_and_a_mistake_is_found(chromium, lab, write_notebook, artifacts):
    name = write_notebook("topology", TOPOLOGY)
    with open_notebook(chromium, lab, name) as (page, problems):
        assert run_all(page) == []
        widget = page.locator(".labkit-topology")
        widget.wait_for()
        settle(page)
        assert unnamed_controls(widget) == []
        assert said(widget).startswith("Before the first of 6 rounds.")
        widget.get_by_role("button", name="Step").focus()
        page.keyboard.press("s")
        settle(page)
        assert said(widget).startswith("Round 1 of 6: rank 3 → 0")
        page.keyboard.press("e")
        settle(page)
        assert "First mistake: in round 4 a message of rank 3" in said(widget)
        widget.screenshot(path=artifacts / "topology_wrong.png")

        widget.get_by_role("combobox", name="Algorithm").select_option("ring")
        widget.get_by_role("spinbutton", name="Rounds per second, number").fill("10")
        page.keyboard.press("Enter")
        widget.get_by_role("button", name="Play").focus()
        page.keyboard.press("p")
        widget.get_by_role("button", name="Pause").wait_for()
        widget.get_by_role("button", name="Play").wait_for()  # it ends by itself
        settle(page)
        assert said(widget).endswith("Right: after 6 rounds every rank holds the sum of all ranks, each counted once.")
        use_theme(page, "JupyterLab Dark")
        settle(page)
        widget.screenshot(path=artifacts / "topology_dark.png")
        assert move_every_control(page, widget) == []
        assert problems == []


LIVE = (
    EVENTS
    + """
from time import sleep
from types import SimpleNamespace
from labkit.engine.background import BackgroundRun
from labkit.schedule.staleness import Stale

def news():
    for number, event in enumerate(events(steps=2000)):
        sleep(0.004)
        more = []
        if event.spelling == "U0:4":
            more = [Stale(event.rank, event.step, 0, 3 * event.step, number % 4)]
            more += [SimpleNamespace(step=event.step, loss=2.3 * 0.99**event.step)]
        yield [event, *more]

run = BackgroundRun(news())
panel = live_run(run, ranks=3, steps=2000)
panel
"""
)


def test_a_run_is_followed_paused_and_stopped(chromium, lab, write_notebook, artifacts):
    name = write_notebook("live", LIVE, "ages = staleness(run, bound=2)\nages")
    with open_notebook(chromium, lab, name) as (page, problems):
        assert run_all(page) == []  # the cells have returned, and the run goes on
        panel, ages = page.locator(".labkit-live"), page.locator(".labkit-staleness")
        status = panel.get_by_role("status")
        status.filter(has_text=re.compile(r"Running: step \d+ of 2,000")).wait_for()
        page.wait_for_timeout(1500)
        assert unnamed_controls(panel) == [] and unnamed_controls(ages) == []
        first = said(ages)
        assert first.startswith("Running: ") and "of 3 workers: staleness 1." in first and "is broken by" in first
        panel.screenshot(path=artifacts / "live_light.png")

        panel.get_by_role("button", name="Pause").focus()
        page.keyboard.press("p")
        panel.get_by_role("button", name="Play").wait_for()
        status.filter(has_text="Paused: step ").wait_for()
        page.wait_for_timeout(600)
        assert said(ages) != first
        page.keyboard.press("s")
        page.keyboard.press("x")
        panel.get_by_role("slider", name="Moment shown").wait_for()
        status.filter(has_text="Stopped: step ").wait_for()
        assert panel.get_by_role("button", name="Stop").get_attribute("aria-disabled") == "true"

        panel.get_by_role("button", name="Restart").focus()
        page.keyboard.press("r")
        page.keyboard.press("s")
        status.filter(has_text="Replay, paused: step 1 of 2,000").wait_for()
        assert move_every_control(page, panel) == [] and move_every_control(page, ages) == []
        use_theme(page, "JupyterLab Dark")
        settle(page)
        panel.screenshot(path=artifacts / "live_dark.png")
        ages.screenshot(path=artifacts / "staleness_dark.png")
        assert problems == []


def test_readers_who_asked_for_less_motion_see_the_end_at_once(chromium, lab, write_notebook):
    name = write_notebook("calm", "from labkit.widgets import topology\ntopology('bcast', 'tree', 8)")
    with open_notebook(chromium, lab, name, reduced_motion="reduce") as (page, problems):
        assert run_all(page) == []
        widget = page.locator(".labkit-topology")
        widget.get_by_role("button", name="Play").focus()
        page.keyboard.press("p")
        settle(page)
        assert said(widget).startswith("Round 3 of 3: ") and "Right: after 3 rounds" in said(widget)
        assert problems == []
