"""Network anatomy in JupyterLab: reachable by keyboard, named for screen readers, alive in both themes."""

import pytest
from notebook_page import move_every_control, open_notebook, run_all, settle, unnamed_controls, use_theme

pytestmark = pytest.mark.browser

CELL = "from labkit.widgets import network_anatomy\nview = network_anatomy('lenet5')\nview"


def test_anatomy_in_browser(chromium, lab, write_notebook, artifacts):
    name = write_notebook("anatomy", CELL)
    with open_notebook(chromium, lab, name) as (page, problems):
        assert run_all(page) == []
        widget = page.locator(".labkit-anatomy")
        widget.wait_for()
        settle(page)
        widget.screenshot(path=artifacts / "anatomy_light.png")
        assert unnamed_controls(widget) == []
        assert move_every_control(page, widget) == []
        widget.get_by_role("spinbutton", name="Batch, number").fill("256")
        page.keyboard.press("Enter")
        settle(page)
        assert widget.get_by_role("status").inner_text().count("batch 256") == 1
        use_theme(page, "JupyterLab Dark")
        settle(page)
        widget.screenshot(path=artifacts / "anatomy_dark.png")
        assert problems == []


def test_shortcuts_of_the_notebook_stay_out_of_the_widget(chromium, lab, write_notebook):
    name = write_notebook("shortcuts", CELL)
    with open_notebook(chromium, lab, name) as (page, problems):
        assert run_all(page) == []
        page.locator(".labkit-anatomy").get_by_role("slider", name="Batch").focus()
        for key in ("b", "a", "d", "d", "ArrowDown"):
            page.keyboard.press(key)
        cells = page.evaluate("() => window.jupyterapp.shell.currentWidget.content.model.cells.length")
        assert cells == 1
        assert problems == []
