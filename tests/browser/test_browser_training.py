"""The training view in JupyterLab: a run in the background, its buttons by keyboard, and a replay."""

import pytest
from notebook_page import move_every_control, open_notebook, run_all, settle, unnamed_controls, use_theme

pytestmark = pytest.mark.browser

RUN = """
from time import sleep
from labkit.engine.background import BackgroundRun
from labkit.engine.events import TrainEvent
from labkit.widgets import training_view

def event(step):
    norms = {"conv1": 2 / (step + 1), "fc1": 0.5, "fc2": 0.1}
    return TrainEvent(step, step // 50, 2.3 * 0.99**step, 1 - 0.99**step, {"fp": 0.001, "bp": 0.002, "ku": 0.0015},
                      {"weights": 246824, "activations": 1042400}, norms, steps=4000,
                      test_accuracy=0.8 if step % 50 == 49 else None)

def events():
    for step in range(4000):
        sleep(0.005)
        yield event(step)

run = BackgroundRun(events())
view = training_view(run)
view
"""
STATE = "run.state, run.count"


def ask(page, source: str) -> str:
    """What the kernel says to `source`, run from the last cell while the view is alive."""
    page.evaluate(
        """async (code) => {
          const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
          const future = kernel.requestExecute({ code: `print(${code})` });
          window.labkitSaid = "";
          future.onIOPub = (m) => { if (m.header.msg_type === "stream") window.labkitSaid += m.content.text; };
          future.done.then(() => { window.labkitSaid += "!"; });
        }""",
        source,
    )
    page.wait_for_function("() => window.labkitSaid.endsWith('!')")
    return page.evaluate("() => window.labkitSaid").rstrip("!").strip()


def test_a_background_run_is_drawn_paused_stepped_and_stopped(chromium, lab, write_notebook, artifacts):
    name = write_notebook("training", RUN)
    with open_notebook(chromium, lab, name) as (page, problems):
        assert run_all(page) == []  # the cell has returned, and the run goes on
        widget = page.locator(".labkit-training")
        widget.wait_for()
        page.wait_for_timeout(1500)
        assert ask(page, "run.state, run.count > 50") == "running True"
        widget.screenshot(path=artifacts / "training_live_light.png")
        assert unnamed_controls(widget) == []

        widget.get_by_role("button", name="Pause").focus()
        page.keyboard.press("p")
        widget.get_by_role("button", name="Play").wait_for()
        before = int(ask(page, "run.count"))
        page.keyboard.press("s")
        page.wait_for_timeout(500)
        assert ask(page, STATE) == f"paused {before + 1}"
        page.keyboard.press("p")
        widget.get_by_role("button", name="Pause").wait_for()
        page.keyboard.press("x")
        widget.get_by_role("slider", name="Step shown").wait_for()
        assert ask(page, "run.state") == "stopped"
        page.wait_for_timeout(1200)
        assert widget.get_by_role("status").inner_text().startswith("Stopped: step ")

        assert move_every_control(page, widget) == []
        use_theme(page, "JupyterLab Dark")
        settle(page)
        widget.screenshot(path=artifacts / "training_dark.png")
        assert problems == []


def test_the_picture_goes_on_while_a_cell_keeps_the_kernel_busy(chromium, lab, write_notebook):
    name = write_notebook("busy", RUN, "run.wait(60, until=lambda: run.count > 1500)\nrun.stop()")
    with open_notebook(chromium, lab, name) as (page, problems):
        page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        status = page.locator(".labkit-training").get_by_role("status")
        status.filter(has_text="Running: step ").wait_for()
        busy = "() => window.jupyterapp.shell.currentWidget.content.model.cells.get(1).executionCount === null"
        seen = set()
        for _ in range(8):
            page.wait_for_timeout(500)
            if page.evaluate(busy):
                seen.add(status.inner_text())
        assert len(seen) >= 3
        status.filter(has_text="Stopped: step ").wait_for()
        assert problems == []


RESTART = """async () => {
  await window.jupyterapp.shell.currentWidget.sessionContext.restartKernel();
}"""


def test_a_restart_of_the_kernel_ends_the_run_in_the_picture(chromium, lab, write_notebook):
    name = write_notebook("restart", RUN)
    with open_notebook(chromium, lab, name) as (page, problems):
        assert run_all(page) == []
        widget = page.locator(".labkit-training")
        status = widget.get_by_role("status")
        status.filter(has_text="Running: step ").wait_for()
        page.wait_for_timeout(1500)
        page.evaluate(RESTART)
        status.filter(has_text="The kernel was restarted: this run has ended with it.").wait_for()
        said = status.inner_text()
        assert said.startswith("Ended: step ") and " of 4,000, " in said
        assert widget.get_by_role("button", name="Stop").get_attribute("aria-disabled") == "true"
        assert widget.get_by_role("button", name="Step").get_attribute("aria-disabled") == "true"  # the last one

        widget.get_by_role("spinbutton", name="Step shown, number").fill("10")
        page.keyboard.press("Enter")
        status.filter(has_text="Replay, paused: step 10 of 4,000").wait_for()
        widget.get_by_role("button", name="Restart").focus()
        page.keyboard.press("x")  # nobody is there to stop
        widget.get_by_role("button", name="Step", exact=True).focus()
        page.keyboard.press("s")
        status.filter(has_text="Replay, paused: step 11 of 4,000").wait_for()
        assert problems == []


BURST = """
from time import sleep
for step in range(300):
    sleep(0.001)
    view.points, view.info = view.points, view.info | {"count": step}
"""


def test_three_hundred_updates_are_drawn_in_few_frames(chromium, lab, write_notebook):
    """A burst of messages is coalesced: a canvas is never painted more often than once per animation frame."""
    events = "view = training_view([event(step) for step in range(200)])\nview"
    name = write_notebook("burst", RUN.split("def events")[0] + events, BURST)
    with open_notebook(chromium, lab, name) as (page, problems):
        page.evaluate(
            """() => {
              window.frames_ = 0; window.paints_ = 0;
              const count = () => { window.frames_ += 1; requestAnimationFrame(count); };
              requestAnimationFrame(count);
              const scale = CanvasRenderingContext2D.prototype.scale;
              CanvasRenderingContext2D.prototype.scale = function (...all) {
                window.paints_ += 1;
                scale.apply(this, all);
              };
            }"""
        )
        assert run_all(page) == []
        settle(page)
        paints, frames = page.evaluate("() => [window.paints_, window.frames_]")
        assert 5 <= paints <= 5 * frames
        assert paints < 5 * 300
        assert problems == []
