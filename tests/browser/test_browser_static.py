"""Every widget as a plain page, without a kernel: narrow and wide, light and dark, alive, and nothing fetched."""

import numpy as np
import pytest
from notebook_page import listen, move_every_control, settle, unnamed_controls

from labkit.engine.events import TrainEvent
from labkit.kernels.conv.forward import FORWARD
from labkit.kernels.launch import Launch
from labkit.network import zoo
from labkit.partition.methods import partition
from labkit.schedule.events import Event, Timeline
from labkit.schedule.staleness import Stale
from labkit.widgets import (
    KernelPoint,
    block_microscope,
    block_scheduler,
    convolution_walk,
    gradient_descent_stepper,
    hypergraph_view,
    live_run,
    network_anatomy,
    roofline,
    staleness,
    static_page,
    stepper,
    studio,
    timeline,
    topology,
    training_view,
)

pytestmark = pytest.mark.browser


def events():
    return [
        TrainEvent(
            k, k // 20, 2.3 * 0.97**k, 1 - 0.97**k, {"fp": 1e-3, "bp": 2e-3, "ku": 2e-3}, {"weights": 4}, {"a": 1.0}
        )
        for k in range(60)
    ]


def kernels():
    reached = {"flops_per_s": 8.1e11, "origin": "recorded on H200"}
    return [
        KernelPoint("textbook, any shape", 144, 49, 0.5, **reached),
        KernelPoint("unchecked accesses", 144, 5.9, 2),
        KernelPoint("tiled", 144, 1.26, 0.2, 4e13, "measured here"),
        KernelPoint("ReLU", 0.125, 8, 2, 4e11, "claimed"),
    ]


def divided(parts):
    return partition(zoo.get("resnet18_32"), parts, "filter-incremental")


def arrays():
    return [np.ones(shape, np.float32) for shape in ((2, 2, 7, 9), (2, 2, 3, 3), (2,), (2, 2, 7, 9))]


def ranks(regime, seconds):
    """Three ranks that compute and exchange, for four steps."""
    events = []
    for step in range(4):
        for rank in range(3):
            at = (2 * step + 0.1 * rank) * seconds
            events.append(Event(rank, step, 0, "main", "F0:4", "compute", at, at + seconds))
            swap = ("network", "allreduce g0 ring &", "communicate", at + seconds, at + 1.5 * seconds)
            events.append(Event(rank, step, 1, *swap, 40, 40, 4, (0, 1)))
            events.append(Event(rank, step, 2, "main", "wait", "wait", at + seconds, at + 1.5 * seconds))
    return Timeline(tuple(events), 3, regime, "measured here", cores=2)


def ages():
    return [
        Stale(rank, step, piece, 2 * step, rank * step % 4) for step in range(9) for rank in (1, 2) for piece in (0, 1)
    ]


STUDIO = "partition_studio?method=%22filter-incremental%22&parts=16&part=9&row=4&last=12"
VIEWS = {
    "anatomy": lambda: network_anatomy("resnet18_32", all_layers=True),
    "training": lambda: training_view(events()),
    "convolution": lambda: convolution_walk(np.arange(35).reshape(5, 7), stride=2, padding=3, mode="dX"),
    "roofline": lambda: roofline(kernels(), own=(12, 16.4, 1.5)),
    "scheduler": lambda: block_scheduler(mapping="data", batch=100, channels=40, gpu="p100", spread=30),
    "descent": lambda: gradient_descent_stepper("logistic", "momentum", batch=8),
    "studio": lambda: studio(
        "resnet18_32", 16, "filter-incremental", plans=[divided(16), divided(5)], from_state=STUDIO
    ),
    "hypergraph": lambda: hypergraph_view("residual_block", 3, "fine", graph=True),
    "stepper": lambda: stepper("residual_block", 3, 0.2),
    "timeline": lambda: timeline(ranks("simulated", 1e-4), ranks("emulated", 1.2e-4)),
    "topology": lambda: topology("reduce", "tree", 7, 40, root=3),
    "staleness": lambda: staleness(ages(), ranks("real", 0.1), bound=2),
    "live": lambda: live_run(ranks("real", 0.1)),
    "microscope": lambda: block_microscope(FORWARD["hybrid"], Launch((2, 2, 1), 64, 72), *arrays(), *[1] * 5, 0),
}
# What to do by keyboard so that the sentence of the view changes: a button to focus, and a key.
MOVES = {
    "training": ("Restart", "r"),
    "convolution": ("Step", "s"),
    "descent": ("Step", "s"),
    "scheduler": ("Reset", "s"),
    "hypergraph": ("All in part 0", "Enter"),
    "stepper": ("Step", "s"),
    "studio": ("Undo", "g"),
    "timeline": ("Zoom in", "ArrowRight"),
    "topology": ("Step", "s"),
    "live": ("Restart", "r"),
    "microscope": ("Step", "s"),
}


@pytest.fixture(params=list(VIEWS))
def kind(request):
    return request.param


@pytest.mark.parametrize(("width", "scheme"), [(480, "light"), (1400, "dark")])
def test_a_view_on_a_plain_page(kind, width, scheme, chromium, tmp_path, artifacts):
    file = tmp_path / f"{kind}.html"
    file.write_text(static_page(VIEWS[kind](), title=kind), encoding="utf-8")
    page = chromium.page(width=width, height=900, color_scheme=scheme)
    problems = listen(page)
    try:
        page.goto(file.as_uri())
        widget = page.locator(f".labkit-{kind}")
        settle(page)
        wide, room = page.evaluate("() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide <= room
        assert widget.evaluate("(node) => node.hasAttribute('data-dark')") == (scheme == "dark")
        for details in widget.locator("summary").all():
            details.press("Enter")
        settle(page)
        assert widget.locator("tbody tr").count() > 0
        widget.screenshot(path=artifacts / f"static_{kind}_{width}_{scheme}.png")
        assert unnamed_controls(widget) == []
        if kind in MOVES:
            said = widget.get_by_role("status").inner_text()
            widget.get_by_role("button", name=MOVES[kind][0]).focus()
            page.keyboard.press(MOVES[kind][1])
            settle(page, 1.3)
            assert widget.get_by_role("status").inner_text() != said
        assert move_every_control(page, widget) == []
        assert problems == []
    finally:
        page.context.close()


def test_the_focus_can_be_seen(kind, chromium, tmp_path):
    file = tmp_path / f"{kind}.html"
    file.write_text(static_page(VIEWS[kind](), title=kind), encoding="utf-8")
    page = chromium.page()
    try:
        page.goto(file.as_uri())
        settle(page)
        names, count = set(), page.locator(".labkit-widget :is(button, input, select, summary)").count()
        for _ in range(count):
            page.keyboard.press("Tab")
            found = page.evaluate(
                """() => {
                  const node = document.activeElement, style = getComputedStyle(node);
                  return [node.outerHTML.slice(0, 200), style.outlineStyle, parseFloat(style.outlineWidth)];
                }"""
            )
            assert found[1] == "solid" and found[2] >= 2, found[0]
            names.add(found[0])
        assert len(names) > count / 2
    finally:
        page.context.close()
