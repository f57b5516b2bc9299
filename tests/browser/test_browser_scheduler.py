"""The block-to-SM scheduler in JupyterLab: replay, single steps, sliders that move waves and tail."""

import pytest
from notebook_page import move_every_control, open_notebook, run_all, settle, unnamed_controls, use_theme

pytestmark = pytest.mark.browser

CELL = """from labkit.widgets import block_scheduler
view = block_scheduler(mapping="hybrid", batch=4, channels=10, gpu="k40", blocks_per_sm=2)
view"""


def test_scheduler_in_browser(chromium, lab, write_notebook, artifacts):
    name = write_notebook("scheduler", CELL)
    with open_notebook(chromium, lab, name) as (page, problems):
        assert run_all(page) == []
        widget = page.locator(".labkit-scheduler")
        widget.wait_for()
        settle(page)
        assert unnamed_controls(widget) == []
        status = widget.get_by_role("status")
        assert "15 SMs hold 2 each" in status.inner_text() and "2 waves, the last 33.3 % full" in status.inner_text()
        widget.screenshot(path=artifacts / "scheduler_light.png")

        widget.get_by_role("button", name="Reset").focus()
        page.keyboard.press("r")
        page.keyboard.press("s")
        settle(page)
        assert "At 1 of 2 units: 10 running on 10 SMs, 30 done, 0 waiting." in status.inner_text()
        widget.screenshot(path=artifacts / "scheduler_step.png")

        widget.get_by_role("spinbutton", name="Seconds of a replay, number").fill("1")
        page.keyboard.press("Enter")
        widget.get_by_role("button", name="Play").focus()
        page.keyboard.press("p")
        widget.get_by_role("button", name="Pause").wait_for()
        widget.get_by_role("button", name="Play").wait_for()  # it ends by itself
        settle(page)
        assert status.inner_text().endswith("All done after 2 units.")

        widget.get_by_role("slider", name="Batch N").focus()
        page.keyboard.press("End")  # 512 samples: 5,120 blocks
        widget.get_by_role("combobox", name="Curves against").select_option("channels")
        settle(page)
        assert "5,120 blocks" in status.inner_text()
        use_theme(page, "JupyterLab Dark")
        settle(page)
        widget.screenshot(path=artifacts / "scheduler_dark.png")
        assert move_every_control(page, widget) == []
        assert problems == []
