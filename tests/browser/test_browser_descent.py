"""The gradient-descent stepper in JupyterLab: step, run, diverge and come back, by keyboard."""

import pytest
from notebook_page import move_every_control, open_notebook, run_all, settle, unnamed_controls, use_theme

pytestmark = pytest.mark.browser

CELL = "from labkit.widgets import gradient_descent_stepper\nview = gradient_descent_stepper()\nview"


def test_descent_in_browser(chromium, lab, write_notebook, artifacts):
    name = write_notebook("descent", CELL)
    with open_notebook(chromium, lab, name) as (page, problems):
        assert run_all(page) == []
        widget = page.locator(".labkit-descent")
        widget.wait_for()
        settle(page)
        assert unnamed_controls(widget) == []
        status = widget.get_by_role("status")

        def set_rate(value: str):
            widget.get_by_role("spinbutton", name="Learning rate, number").fill(value)
            page.keyboard.press("Enter")

        set_rate("1.1")
        widget.get_by_role("button", name="Step").focus()
        for key in "ssssssb":
            page.keyboard.press(key)
        settle(page)
        assert status.inner_text().startswith("Step 5, epoch 5: ") and "λmax" not in widget.inner_text()
        widget.get_by_text("What is the largest stable rate?").focus()
        page.keyboard.press("Enter")
        widget.get_by_text("2 / λmax = 1.2004: SGD at 1.1 can converge.").wait_for()
        widget.screenshot(path=artifacts / "descent_light.png")

        set_rate("2")
        widget.get_by_role("button", name="Run").focus()
        page.keyboard.press("p")
        widget.locator("button[aria-disabled=true]", has_text="Run").wait_for()  # it stops by itself
        settle(page)
        assert "Diverged" in status.inner_text()
        widget.screenshot(path=artifacts / "descent_diverged.png")
        page.keyboard.press("r")
        settle(page)
        assert status.inner_text().startswith("Step 0, ")

        assert move_every_control(page, widget) == []
        use_theme(page, "JupyterLab Dark")
        settle(page)
        widget.screenshot(path=artifacts / "descent_dark.png")
        assert problems == []


def test_the_string_of_the_state_shows_the_same_path(chromium, lab, write_notebook):
    line = "gradient_descent_stepper?optimizer=%22adam%22&rate=0.2&batch=8&seed=5&steps=40"
    name = write_notebook("again", CELL.replace("stepper()", f"stepper(from_state={line!r})"))
    with open_notebook(chromium, lab, name) as (page, problems):
        assert run_all(page) == []
        settle(page)
        said = page.locator(".labkit-descent").get_by_role("status").inner_text()
        assert said.startswith("Step 40, epoch 3: ")
        page.locator(".labkit-descent").get_by_role("button", name="Reset").focus()
        page.keyboard.press("r")
        for _ in range(40):
            page.keyboard.press("s")
        settle(page)
        assert page.locator(".labkit-descent").get_by_role("status").inner_text() == said
        assert problems == []
