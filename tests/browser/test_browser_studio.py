"""The partition studio in JupyterLab: painting by mouse and by keyboard, undo, a search by the kernel, its error."""

import pytest
from notebook_page import move_every_control, open_notebook, run_all, settle, unnamed_controls, use_theme

pytestmark = pytest.mark.browser

CELL = """from labkit.partition import volume
from labkit.widgets import studio
view = studio("vgg16", 4, "filter-incremental")
def owners(layer, first, last): return sorted(set(view.plan[layer].owner[first : last + 1].tolist()))
def sent(plan): return format(volume(plan).elements / 2**20, ".4g")
view"""
TOP, ROW = 20, 22  # pixels above the first layer, and of a layer


def ask(page, source: str) -> str:
    """What the kernel says to `source`."""
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


def fill(page, widget, name: str, value: int) -> None:
    widget.get_by_role("spinbutton", name=f"{name}, number").fill(str(value))
    page.keyboard.press("Enter")


def value(widget, name: str) -> int:
    return int(widget.get_by_role("spinbutton", name=f"{name}, number").input_value())


def paint_by_mouse(page, widget) -> tuple[int, int]:
    """A drag over filters of conv5 (row 5), then a click on the name of conv6; which filters were painted."""
    status, picture = widget.get_by_role("status"), widget.locator("canvas").first
    fill(page, widget, "Part that gets filters", 3)
    box = picture.bounding_box()
    y = box["y"] + TOP + 5.5 * ROW
    page.mouse.move(box["x"] + 600, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, y, steps=5)
    page.mouse.up()
    settle(page)
    first, last = value(widget, "First filter"), value(widget, "Last filter")
    assert 0 < first < last < 255
    assert ask(page, f"owners('conv5', {first}, {last})") == "[3]"
    painted = ask(page, "view.plan.method, view.plan['conv5'].owner.tolist().count(3)")
    assert painted == f"by hand {last - first + 1}"
    assert "of the plan you began with" in status.inner_text()
    page.mouse.click(box["x"] + 10, y + ROW)
    settle(page)
    assert ask(page, "owners('conv6', 0, 255)") == "[3]"
    return first, last


def paint_by_keyboard(page, widget, painted: tuple[int, int]) -> None:
    """Row, filters and part without the mouse; then undo twice, and back to the plan that one began with."""
    picture = widget.locator("canvas").first
    picture.focus()
    page.keyboard.press("ArrowDown")
    assert widget.get_by_role("combobox", name="Layer").input_value() == "7"
    fill(page, widget, "First filter", 10)
    fill(page, widget, "Last filter", 19)
    picture.focus()
    press(page, "ArrowLeft", "g")
    assert ask(page, "owners('conv7', 10, 19), view.plan['conv7'].owner.tolist().count(2)") == "[2] 230"
    press(page, "z", "z")
    assert ask(page, "owners('conv7', 0, 35), owners('conv6', 0, 255)") == "[1] [1]"
    assert "[3]" in ask(page, "owners('conv5', {}, {})".format(*painted))
    press(page, "r")
    assert ask(page, "view.plan is view.reference") == "True"


def beat_the_plan(page, widget) -> None:
    """The whole of conv7 for part 2 saves what part 1 sent of it, within the limit: that counts, and is kept."""
    press(page, "ArrowUp", "ArrowDown", "g")
    told = widget.get_by_role("status").inner_text()
    assert "no part is above the limit: it counts. Best so far: 99.2 %." in told
    best = "view.best_plan == view.plan, view.best_plan == view.reference"
    assert ask(page, best) == "True False"
    saved = "volume(view.reference).elements - volume(view.best_plan).elements == 36 * 28 * 28 * 32"
    assert ask(page, saved) == "True"
    press(page, "r")
    assert ask(page, best) == "False False"
    press(page, "b")
    assert ask(page, best) == "True False"


def press(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
    settle(page)


@pytest.fixture
def shown(chromium, lab, write_notebook):
    """(page, the widget in it); afterwards nothing may have gone wrong in the page."""
    name = write_notebook("studio", CELL)
    with open_notebook(chromium, lab, name) as (page, problems):
        assert run_all(page) == []
        widget = page.locator(".labkit-studio")
        widget.wait_for()
        settle(page)
        yield page, widget
        assert problems == []


def test_studio_is_painted_by_mouse_and_by_keyboard(shown, artifacts):
    page, widget = shown
    assert unnamed_controls(widget) == []
    first_sentence = widget.get_by_role("status").inner_text()
    assert "This is the plan to beat" in first_sentence
    widget.screenshot(path=artifacts / "studio_light.png")
    painted = paint_by_mouse(page, widget)
    widget.screenshot(path=artifacts / "studio_painted.png")
    paint_by_keyboard(page, widget, painted)
    assert widget.get_by_role("status").inner_text() == first_sentence
    beat_the_plan(page, widget)


def test_studio_asks_the_kernel_for_a_plan_that_is_not_there(shown, artifacts):
    """What the kernel makes is shown; what cannot be made is said, and changes nothing."""
    page, widget = shown
    widget.get_by_role("combobox", name="Parts").select_option("16")
    chosen = widget.get_by_role("combobox", name="Plan")
    page.wait_for_function("(node) => node.value === 'filter-incremental/16/0.1'", arg=chosen.element_handle())
    settle(page)
    assert ask(page, "view.plan.parts, sent(view.plan)").startswith("16 ")
    assert f"{ask(page, 'sent(view.plan)')} × 2²⁰ elements" in widget.get_by_role("status").inner_text()
    use_theme(page, "JupyterLab Dark")
    settle(page)
    widget.screenshot(path=artifacts / "studio_dark.png")
    widget.get_by_role("combobox", name="Method").select_option("layer")
    page.wait_for_function("(node) => node.value === 'layer/16/0.1'", arg=chosen.element_handle())
    widget.get_by_role("combobox", name="Parts").select_option("128")
    widget.get_by_role("alert").filter(has_text="128 parts").wait_for()
    assert chosen.input_value() == "layer/16/0.1" and ask(page, "view.plan.parts") == "16"
    assert move_every_control(page, widget) == []
