"""The harness itself: what it must notice, and that it ends what hangs."""

from time import monotonic

import pytest
from lab_harness import watchdog
from notebook_page import listen, move_every_control, open_notebook, run_all, unnamed_controls

pytestmark = pytest.mark.browser

BAD = """<div class="labkit-widget"><button></button><input type="range" disabled><input type="number" aria-label="n">
<select aria-label="still" onkeydown="event.preventDefault()"><option>a<option>b</select>
<label>tick <input type="checkbox"></label></div>
<script>console.error("oops"); fetch("http://example.invalid/x").catch(() => {}); throw new Error("boom");</script>"""


def test_a_page_with_faults_is_found_out(chromium):
    page = chromium.page()
    problems = listen(page)
    try:
        page.set_content(BAD)
        page.wait_for_timeout(500)
        found = " | ".join(problems)
        for word in ("oops", "boom", "outside: http://example.invalid/x", "failed: http://example.invalid/x"):
            assert word in found
        widget = page.locator(".labkit-widget")
        assert [one.split()[1] for one in unnamed_controls(widget)] == ["button", "slider"]
        assert move_every_control(page, widget) == ["'still' does not move by keyboard from 'a'"]
    finally:
        page.context.close()


def test_an_error_in_a_cell_is_read_from_the_model(chromium, lab, write_notebook):
    name = write_notebook("raises", "x = 1", "raise ValueError('on purpose')", "y = 2")
    with open_notebook(chromium, lab, name) as (page, _):
        assert run_all(page) == ["cell 1: ValueError: on purpose"]


def test_what_hangs_is_ended_with_a_sentence(chromium):
    page = chromium.page()
    start = monotonic()
    with pytest.raises(pytest.fail.Exception, match=r"a page that hangs took more than 2 s"):  # noqa: SIM117
        with watchdog(2, "a page that hangs", chromium.kill):
            page.evaluate("() => new Promise(() => {})")
    assert monotonic() - start < 30
    again = chromium.page()  # and the next test gets a new browser
    assert again.evaluate("() => 1 + 1") == 2
    again.context.close()
