"""The convolution walk-through in JupyterLab: arrow keys, play, and the three passes."""

import pytest
from notebook_page import move_every_control, open_notebook, run_all, settle, unnamed_controls, use_theme

pytestmark = pytest.mark.browser

CELL = "from labkit.widgets import convolution_walk\nview = convolution_walk(padding=1)\nview"


def test_convolution_in_browser(chromium, lab, write_notebook, artifacts):
    name = write_notebook("convolution", CELL)
    with open_notebook(chromium, lab, name) as (page, problems):
        assert run_all(page) == []
        widget = page.locator(".labkit-convolution")
        widget.wait_for()
        settle(page)
        assert unnamed_controls(widget) == []
        status = widget.get_by_role("status")

        widget.get_by_role("button", name="Step").focus()
        for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft", "s"):
            page.keyboard.press(key)
        settle(page)
        assert status.inner_text().startswith("Y[3, 2] = ")
        widget.screenshot(path=artifacts / "convolution_light.png")

        widget.get_by_role("spinbutton", name="Cells per second, number").fill("30")
        page.keyboard.press("Enter")
        widget.get_by_role("button", name="Play").focus()
        page.keyboard.press("p")
        widget.get_by_role("button", name="Pause").wait_for()
        widget.get_by_role("button", name="Play").wait_for()  # it ends by itself
        settle(page)
        assert status.inner_text().startswith("Y[7, 7] = ")

        widget.get_by_role("combobox", name="Pass").select_option("dX")
        page.keyboard.press("r")
        assert move_every_control(page, widget) == []
        use_theme(page, "JupyterLab Dark")
        settle(page)
        widget.screenshot(path=artifacts / "convolution_dark.png")
        assert problems == []


def test_reduced_motion_shows_the_end_at_once(chromium, lab, write_notebook):
    name = write_notebook("calm", CELL)
    with open_notebook(chromium, lab, name, reduced_motion="reduce") as (page, problems):
        assert run_all(page) == []
        widget = page.locator(".labkit-convolution")
        widget.get_by_role("button", name="Play").click()
        settle(page)
        assert widget.get_by_role("status").inner_text().startswith("Y[7, 7] = ")
        assert widget.get_by_role("button", name="Play").count() == 1
        assert problems == []
