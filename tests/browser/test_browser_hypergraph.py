"""Hypergraph view and move stepper in JupyterLab: vertices moved by keyboard, nets held, a recording stepped."""

import re

import pytest
from notebook_page import move_every_control, open_notebook, run_all, settle, unnamed_controls, use_theme

pytestmark = pytest.mark.browser

VIEW = """from labkit.widgets import hypergraph_view
view = hypergraph_view("figure", batch=32)
view"""


def test_vertices_are_moved_by_keyboard(chromium, lab, write_notebook, artifacts):
    name = write_notebook("hypergraph_view", VIEW)
    with open_notebook(chromium, lab, name) as (page, problems):
        assert run_all(page) == []
        widget = page.locator(".labkit-hypergraph")
        widget.wait_for()
        settle(page)
        assert unnamed_controls(widget) == []
        status = widget.get_by_role("status")
        assert status.inner_text().startswith("Cut 320 elements per sample, 10,240 for a batch of 32 (40,960 bytes)")
        widget.screenshot(path=artifacts / "hypergraph_light.png")

        widget.get_by_role("slider", name="Parts").focus()
        page.keyboard.press("Tab")  # the number beside it
        for _ in range(4):
            page.keyboard.press("Tab")
        focused = "() => document.activeElement.getAttribute('aria-label')"
        assert page.evaluate(focused) == "Vertex 0, map 0 of input: part 0"
        page.keyboard.press("ArrowRight")  # net of map 0 of the input
        settle(page)
        assert status.inner_text().endswith("Net of map 0 of input: all 5 pins in part 0, λ = 1, costs nothing.")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")  # the vertex that is nearest goes to the next part, the net is held
        settle(page)
        assert page.evaluate(focused) == "Vertex 3, filter 0 of conv1: part 1"
        assert status.inner_text().endswith("Net of map 0 of input: pins in parts 0 and 1, λ = 2, costs 64 elements.")
        page.keyboard.press("0")
        page.keyboard.press("5")  # there is no part 5
        settle(page)
        assert status.inner_text().endswith("all 5 pins in part 0, λ = 1, costs nothing.")
        widget.screenshot(path=artifacts / "hypergraph_held.png")

        page.keyboard.press("Escape")
        widget.get_by_role("checkbox", name="Multistage graph").press("Space")
        widget.get_by_role("combobox", name="Grain").select_option("fine")
        settle(page)
        assert "Cut 320 elements" in status.inner_text() and "of 20 nets are cut" in status.inner_text()
        assert "10 of 61 edges are cut, 640 elements: 2 times the 320" in widget.inner_text()
        vertex = widget.get_by_role("button", name="Vertex 30, channel 3 of filter 2 of conv2: part 1")
        vertex.click()
        settle(page)
        assert widget.get_by_role("button", name="Vertex 30, channel 3 of filter 2 of conv2: part 0").is_visible()
        use_theme(page, "JupyterLab Dark")
        settle(page)
        widget.screenshot(path=artifacts / "hypergraph_dark.png")
        assert move_every_control(page, widget) == []
        assert problems == []


# Every text that the picture is given, in order.
COLLECT = """() => {
  const drawing = document.querySelector(".labkit-stepper .labkit-bipartite");
  window.labkitSaid = new Set();
  const heard = new MutationObserver(() => window.labkitSaid.add(drawing.ariaLabel));
  heard.observe(drawing, { attributeFilter: ["aria-label"] });
}"""
STEPPER = """from labkit.widgets import stepper
view = stepper("residual_block", parts=2, seed=3)
view"""


def test_a_recording_is_stepped_through(chromium, lab, write_notebook, artifacts):
    name = write_notebook("stepper", STEPPER)
    with open_notebook(chromium, lab, name) as (page, problems):
        assert run_all(page) == []
        widget = page.locator(".labkit-stepper")
        widget.wait_for()
        settle(page)
        assert unnamed_controls(widget) == []
        status = widget.get_by_role("status")
        number = widget.get_by_role("spinbutton", name="Step number, number")
        last = int(number.get_attribute("max"))
        assert status.inner_text().startswith(f"Step 0 of {last}, level 0: each task is a vertex of its own.")
        widget.get_by_role("button", name="Step", exact=True).focus()
        page.evaluate(COLLECT)
        for _ in range(last):
            page.keyboard.press("s")
        said = page.evaluate("() => [...window.labkitSaid]")
        assert [int(re.search(r"Step (\d+) of", text)[1]) for text in said] == list(range(1, last + 1))
        settle(page)
        assert status.inner_text().startswith(f"Step {last} of {last}, level 0")
        widget.screenshot(path=artifacts / "stepper_end.png")

        page.keyboard.press("r")
        page.keyboard.press("n")
        page.keyboard.press("b")
        settle(page)
        assert status.inner_text().startswith("Step 0 of")
        widget.get_by_role("spinbutton", name="Steps per second, number").fill("30")
        page.keyboard.press("Enter")
        widget.get_by_role("button", name="Play").press("p")
        widget.get_by_role("button", name="Play").wait_for(timeout=20_000)  # it ends by itself
        settle(page)
        assert number.input_value() == str(last)
        widget.locator("summary").press("Enter")
        widget.locator("tbody tr").nth(last - 1).wait_for()  # filled when it has opened
        assert widget.locator("tbody tr").count() == last
        number.fill(str(last // 2))
        page.keyboard.press("Enter")
        use_theme(page, "JupyterLab Dark")
        settle(page)
        widget.screenshot(path=artifacts / "stepper_dark.png")
        assert move_every_control(page, widget) == []
        assert problems == []
