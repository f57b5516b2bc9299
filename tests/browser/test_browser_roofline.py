"""The roofline in JupyterLab: choosing a kernel, another GPU, a kernel of one's own."""

import pytest
from notebook_page import move_every_control, open_notebook, run_all, settle, unnamed_controls, use_theme

pytestmark = pytest.mark.browser

CELL = """from labkit.widgets import KernelPoint, roofline
view = roofline([
    KernelPoint("textbook, any shape", 144, 49, 0.5),
    KernelPoint("shapes compiled in", 144, 27, 0.5),
    KernelPoint("unchecked accesses", 144, 5.9, 2),
    KernelPoint("8 pixels x 4 channels", 144, 1.5, 0.3, 2.1e13, "recorded on H200"),
    KernelPoint("tiled", 144, 1.26, 0.2, 4e13, "measured here")])
view"""


def test_roofline_in_browser(chromium, lab, write_notebook, artifacts):
    name = write_notebook("roofline", CELL)
    with open_notebook(chromium, lab, name) as (page, problems):
        assert run_all(page) == []
        widget = page.locator(".labkit-roofline")
        widget.wait_for()
        settle(page)
        assert unnamed_controls(widget) == []
        status = widget.get_by_role("status")
        assert "5 kernels; choose one" in status.inner_text()

        widget.get_by_role("combobox", name="Kernel").select_option("tiled")
        settle(page)
        assert "of its roof" in status.inner_text()
        widget.screenshot(path=artifacts / "roofline_light.png")

        widget.get_by_role("slider", name="Instructions per multiply-add").focus()
        page.keyboard.press("ArrowRight")
        settle(page)
        assert status.inner_text().startswith("yours on H200")
        widget.get_by_role("combobox", name="GPU").select_option("a100")
        use_theme(page, "JupyterLab Dark")
        settle(page)
        assert status.inner_text().startswith("yours on A100")
        widget.screenshot(path=artifacts / "roofline_dark.png")
        assert move_every_control(page, widget) == []
        assert problems == []
