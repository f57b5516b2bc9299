"""Every notebook of the course in a real browser: opens, runs, every control moves, nothing leaves the machine."""

from pathlib import Path

import pytest
from notebook_page import move_every_control, open_notebook, run_all, settle, unnamed_controls, unroll

NOTEBOOKS = sorted(p.name for p in (Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
pytestmark = pytest.mark.browser


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_in_browser(name, chromium, lab, artifacts):
    with open_notebook(chromium, lab, name) as (page, problems):
        assert run_all(page) == []
        settle(page, 1.0)
        unroll(page)
        page.screenshot(path=artifacts / f"{Path(name).stem}.png")
        widgets = page.locator(".labkit-widget")
        for index in range(widgets.count()):
            widget = widgets.nth(index)
            widget.scroll_into_view_if_needed()
            widget.screenshot(path=artifacts / f"{Path(name).stem}_widget{index}.png")
            assert unnamed_controls(widget) == []
            assert move_every_control(page, widget) == []
        settle(page)
        assert page.get_by_text("Jupyter news").count() == 0
        assert problems == []
