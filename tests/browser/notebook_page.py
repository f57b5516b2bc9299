"""One notebook in JupyterLab's page: run it, read its errors from the model, drive its controls by keyboard."""

import json
import re
import time
from contextlib import contextmanager, suppress
from urllib.parse import urlparse

from lab_harness import Chromium, LabServer, watchdog
from playwright.sync_api import TimeoutError

CONTROLS = ":is(button, input, select, [role=slider])"
NAMED_ROLES = ("button", "slider", "spinbutton", "combobox", "checkbox", "textbox", "radio")

READY = """(name) => {
  const panel = window.jupyterapp?.shell.currentWidget;
  const session = panel?.sessionContext, kernel = session?.session?.kernel;
  return Boolean(panel?.context?.isReady && panel.context.path === name && session?.isReady && kernel
    && kernel.status === "idle" && kernel.connectionStatus === "connected"
    && window.jupyterapp.restored && window.jupyterapp.commands.isEnabled("notebook:run-all-cells"));
}"""
RUN = """() => {
  window.labkitRan = false;
  window.jupyterapp.commands.execute("notebook:run-all-cells").then(() => { window.labkitRan = true; });
}"""
ERRORS = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells].flatMap((cell, index) =>
  cell.type !== "code" ? [] : cell.outputs.toJSON().filter((one) => one.output_type === "error")
    .map((one) => `cell ${index}: ${one.ename}: ${one.evalue}`))"""
UNRUN = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells]
  .filter((cell) => cell.type === "code")
  .filter((cell) => cell.sharedModel.getSource().trim() && cell.executionCount === null).length"""


def listen(page) -> list[str]:
    """A list that grows by one line for everything that must not happen on `page`."""
    problems = []

    def asked(request):
        parts = urlparse(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname != "127.0.0.1":
            problems.append(f"request to the outside: {request.url}")

    page.on("request", asked)
    page.on("websocket", lambda socket: asked(socket))
    page.on("requestfailed", lambda request: problems.append(f"failed: {request.url} ({request.failure})"))
    page.on("response", lambda r: r.status >= 400 and problems.append(f"status {r.status}: {r.url}"))
    page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
    page.on("console", lambda m: m.type == "error" and problems.append(f"console error: {m.text}"))
    return problems


@contextmanager
def open_notebook(chromium: Chromium, server: LabServer, name: str, limit_s: float = 240, **options):
    """The page of notebook `name`, its kernel ready, and the list of problems; page and kernel end with the block."""

    def kill():
        chromium.kill()

    with watchdog(limit_s, f"notebook {name} in the browser", kill):
        page = chromium.page(**options)
        problems = listen(page)
        try:
            page.goto(server.address(name))
            page.wait_for_function(READY, arg=name, timeout=90_000)
            use_theme(page, "JupyterLab Light")  # the server remembers the theme of the test before
            yield page, problems
        finally:
            page.context.close()
            for session in json.loads(server.request("/api/sessions")):
                server.request(f"/api/sessions/{session['id']}", "DELETE")


def run_all(page, limit_s: float = 150) -> list[str]:
    """Run every cell and return the errors that the notebook's model holds, one line each."""
    page.evaluate(RUN)
    page.wait_for_function("() => window.labkitRan", timeout=limit_s * 1000)
    with suppress(TimeoutError):  # the number of a cell's run may arrive after the command has ended
        page.wait_for_function(f"() => ({UNRUN})() === 0 || ({ERRORS})().length", timeout=10_000)
    errors, left = page.evaluate(ERRORS), page.evaluate(UNRUN)
    return errors + ([f"{left} code cells were not run"] if left and not errors else [])


def unroll(page) -> None:
    """Make the page as tall as the notebook, so that one screenshot shows all of it."""
    tall = page.evaluate("() => document.querySelector('.jp-WindowedPanel-outer').scrollHeight")
    page.set_viewport_size({"width": page.viewport_size["width"], "height": min(tall + 160, 14_000)})
    page.evaluate("() => { document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0; }")
    settle(page, 0.6)


def use_theme(page, theme: str) -> None:
    """Switch JupyterLab to 'JupyterLab Dark' or 'JupyterLab Light'."""
    page.evaluate("(theme) => { window.jupyterapp.commands.execute('apputils:change-theme', { theme }); }", theme)
    page.wait_for_function("(theme) => document.body.dataset.jpThemeName === theme", arg=theme)


def unnamed_controls(scope) -> list[str]:
    """Controls inside the locator `scope` that a screen reader would read without a name."""
    line = re.compile(rf"- ({'|'.join(NAMED_ROLES)})(?![\w-])(?! \")")
    return [one.strip() for one in scope.aria_snapshot().splitlines() if line.match(one.strip())]


def move_every_control(page, scope) -> list[str]:
    """Reach and move each enabled, visible control in `scope` by keyboard alone; returns one line per failure."""
    failures = []
    for index in range(scope.locator(CONTROLS).count()):
        control = scope.locator(CONTROLS).nth(index)
        if not control.is_visible() or not control.is_enabled():
            continue
        failures += _move(page, control)
    return failures


def _move(page, control) -> list[str]:
    name = control.get_attribute("aria-label") or control.inner_text()
    tag = control.evaluate("(node) => node.type === 'range' ? 'range' : node.type || node.getAttribute('role')")
    control.focus()
    if not control.evaluate("(node) => document.activeElement === node"):
        return [f"{name!r} does not take the focus"]
    keys = {"range": ("ArrowRight", "ArrowLeft"), "slider": ("ArrowRight", "ArrowLeft")}
    keys |= {"number": ("ArrowUp", "ArrowDown"), "select-one": ("ArrowDown", "ArrowUp"), "checkbox": ("Space",)}
    if tag not in keys:
        page.keyboard.press("Enter")
        return []
    value = "(node) => node.type === 'checkbox' ? node.checked : node.value ?? node.getAttribute('aria-valuenow')"
    before = control.evaluate(value)
    for key in keys[tag]:
        page.keyboard.press(key)
        for _ in range(10):  # a select changes a moment after its key
            if control.evaluate(value) != before:
                return []
            page.wait_for_timeout(50)
    return [f"{name!r} does not move by keyboard from {before!r}"]


def settle(page, seconds: float = 0.4) -> None:
    """Let animation frames and the status line's short delay pass."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        page.wait_for_timeout(50)
