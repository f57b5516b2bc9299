"""The thread-block microscope in JupyterLab: a race in a kernel of the notebook, step by step, by keyboard."""

import pytest
from notebook_page import move_every_control, open_notebook, run_all, settle, unnamed_controls, use_theme

pytestmark = pytest.mark.browser

KERNEL = """import numpy as np
from labkit.kernels.launch import Launch
from labkit.kernels.source import cuda, float32
from labkit.widgets import block_microscope

SIZE = 64

def mirrored(x, y):
    part = cuda.shared.array(SIZE, float32)
    tid = cuda.threadIdx.x
    part[tid] = x[cuda.blockIdx.x, 2 * tid]
    y[cuda.blockIdx.x, tid] = part[SIZE - 1 - tid]"""
VIEW = """x, y = np.ones((2, 128), np.float32), np.zeros((2, 64), np.float32)
view = block_microscope(mirrored, Launch((2, 1, 1), SIZE), x, y)
view"""


def test_microscope_in_browser(chromium, lab, write_notebook, artifacts):
    name = write_notebook("microscope", KERNEL, VIEW)
    with open_notebook(chromium, lab, name) as (page, problems):
        assert run_all(page) == []
        widget = page.locator(".labkit-microscope")
        widget.wait_for()
        settle(page)
        assert unnamed_controls(widget) == []
        status, source = widget.get_by_role("status"), widget.locator(".labkit-source [aria-current]")
        assert status.inner_text().startswith(
            "Step 1 of 4. Line 11 reads x in global memory: all 64 threads, 2 warp requests, "
            "16 sectors of 32 bytes (8 would do). Thread 0: x[0, 0]."
        )
        assert source.inner_text().strip() == "11    part[tid] = x[cuda.blockIdx.x, 2 * tid]"

        widget.get_by_role("button", name="Step", exact=True).focus()
        for key in ("ArrowRight", "s", "ArrowLeft", "ArrowDown", "ArrowDown", "ArrowUp"):
            page.keyboard.press(key)
        settle(page)
        assert status.inner_text().startswith("Step 2 of 4. Line 11 writes part in shared memory")
        assert "Thread 1: part[1]." in status.inner_text() and "✗ Race in shared memory" in status.inner_text()
        widget.screenshot(path=artifacts / "microscope_light.png")

        widget.get_by_role("button", name="Show: ✗ Race in shared memory").click()
        settle(page)
        assert status.inner_text().startswith("Step 3 of 4. Line 12 reads part in shared memory")
        widget.get_by_role("combobox", name="Block").select_option("block 1")
        widget.get_by_role("combobox", name="Arrays drawn").select_option("as they lie in memory")
        widget.get_by_role("spinbutton", name="Steps per second, number").fill("30")
        page.keyboard.press("Enter")
        widget.get_by_role("button", name="Play").focus()
        page.keyboard.press("p")
        settle(page, 1)  # it ends by itself, within a seventh of a second
        assert status.inner_text().startswith("Step 4 of 4. Line 12 writes y in global memory")
        assert widget.get_by_role("button", name="Play").count() == 1

        strip = widget.get_by_role("img", name="All steps of the block").bounding_box()
        page.mouse.click(strip["x"] + strip["width"] * 0.3, strip["y"] + strip["height"] / 2)
        settle(page)
        assert status.inner_text().startswith("Step 1 of 4")
        use_theme(page, "JupyterLab Dark")
        settle(page)
        widget.screenshot(path=artifacts / "microscope_dark.png")
        assert move_every_control(page, widget) == []
        assert problems == []


def test_reduced_motion_shows_the_last_step_at_once(chromium, lab, write_notebook):
    name = write_notebook("calm_microscope", KERNEL, VIEW)
    with open_notebook(chromium, lab, name, reduced_motion="reduce") as (page, problems):
        assert run_all(page) == []
        widget = page.locator(".labkit-microscope")
        widget.get_by_role("button", name="Play").click()
        settle(page)
        assert widget.get_by_role("status").inner_text().startswith("Step 4 of 4")
        assert problems == []
