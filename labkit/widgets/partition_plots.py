"""Tables and static plots of plans: what they send beside how evenly they divide the work.

Plans come as the dictionaries of labkit.partition.report.report, since a volume says nothing without the loads that it
was bought with. Figures are `go.Figure`; `layout.meta["alt"]` says in a sentence what is to be seen, and every figure
has a table with the same numbers (`plans_table`, `epochs_table`).
"""

from collections.abc import Iterable

import numpy as np
import plotly.graph_objects as go

from labkit.errors import LabError
from labkit.partition.tasks import Tasks
from labkit.partition.thesis.data_parallelism import Epoch
from labkit.partition.weights import Weights, layer_work
from labkit.widgets.kernel_plots import HEIGHT, OTHERS, WIDTH
from labkit.widgets.tables import Table

UNIT = 2**20  # feature-map values
GIB = 2**30  # bytes
VOLUME = "sent, × 2²⁰ values"


def layers_table(tasks: Tasks, weights: Weights, batch: int = 32) -> Table:
    """Each layer's share of the work, and the values of all the maps that it makes, as they would be sent once."""
    work = layer_work(tasks, weights)
    made = np.zeros(len(tasks.layers), np.int64)
    for tensor in tasks.tensors:
        np.add.at(made, tensor.layer, tensor.elements)
    rows = [
        (layer.name, layer.filters, f"{100 * share:.2f}", f"{batch * values / UNIT:.3f}")
        for layer, share, values in zip(tasks.layers, work / work.sum(), made, strict=True)
    ]
    head = ("layer", "filters", "share of the work, %", "leaves the layer, × 2²⁰ values")
    caption = f"{tasks.network.name}, batch {batch}, forward: work by {weights.name} ({weights.origin})"
    return Table(caption, head, tuple(rows))


def plans_table(reports: Iterable[dict], caption: str = "", name: str = "method") -> Table:
    """Volume and loads of plans, a row for each. name: the entry that tells the plans apart. Bad rows: LabError."""
    reports = _needed(reports)
    rows = []
    for one in reports:
        average = sum(one["loads"]) / one["parts"]
        loads = (f"{one['min_load'] / average:.3f}", f"{one['max_over_avg']:.3f}")
        sent = (_number(one["volume_elements"] / UNIT), _number(one["volume_bytes"] / 2**20))
        rows.append((str(one[name]), one["parts"], *sent, *loads))
    head = (name, "parts", VOLUME, "MiB of float32", "least load", "largest load")
    return Table(_caption(caption, reports, "; loads times the average"), head, tuple(rows))


def methods_plot(reports: Iterable[dict], caption: str = "", name: str = "method") -> go.Figure:
    """A bar for each plan's volume, logarithmic, with its largest load over the average above it."""
    reports = _needed(reports)
    names, volumes = [str(one[name]) for one in reports], [one["volume_elements"] / UNIT for one in reports]
    texts = [f"{_number(v)}<br>load {one['max_over_avg']:.2f}" for v, one in zip(volumes, reports, strict=True)]
    marker = {"color": OTHERS[0][0], "pattern": {"shape": "/", "fgcolor": "white"}}
    figure = go.Figure(go.Bar(x=names, y=volumes, text=texts, textposition="outside", marker=marker, cliponaxis=False))
    low, high = min(volumes), max(volumes)
    span = [np.log10(max(low, 1e-3)) - 0.6, np.log10(max(high, 1e-3)) + 0.35]
    figure.update_xaxes(title_text=name)
    figure.update_yaxes(title_text=VOLUME, type="log", range=span, dtick=1)
    seen = ", ".join(
        f"{n} {_number(v)} at a largest load of {one['max_over_avg']:.2f} times the average"
        for n, v, one in zip(names, volumes, reports, strict=True)
    )
    return _finished(figure, _caption(caption or "Volume of plans", reports), seen)


def balance_plot(swept: Iterable[dict], others: Iterable[dict] = (), caption: str = "") -> go.Figure:
    """Volume against the largest load over the average: a line for the plans of a sweep, a mark for each other one."""
    swept, others = _needed(swept), list(others)
    figure = go.Figure()
    lines = [(swept[0]["method"], sorted(swept, key=lambda one: one["max_over_avg"]))]
    lines += [(one["method"], [one]) for one in others]
    for number, (name, plans) in enumerate(lines):
        colour, dash, symbol, _ = OTHERS[number % len(OTHERS)]
        figure.add_trace(
            go.Scatter(
                x=[one["max_over_avg"] for one in plans],
                y=[one["volume_elements"] / UNIT for one in plans],
                name=name,
                mode="lines+markers" if len(plans) > 1 else "markers",
                line={"color": colour, "dash": dash},
                marker={"symbol": symbol, "size": 9 if len(plans) > 1 else 12, "color": colour},
            )
        )
    figure.update_xaxes(title_text="largest load / average")
    figure.update_yaxes(title_text=VOLUME, rangemode="tozero")
    figure.update_layout(legend={"title": {"text": "method"}})
    first, last = lines[0][1][0], lines[0][1][-1]
    seen = f"{lines[0][0]} falls from {_point(first)} to {_point(last)}" if len(swept) > 1 else _point(first)
    seen += "".join(f"; {name} is at {_point(plans[0])}" for name, plans in lines[1:])
    return _finished(figure, _caption(caption or "Volume against balance", [*swept, *others]), seen)


def _point(one: dict) -> str:
    return f"{_number(one['volume_elements'] / UNIT)} at {one['max_over_avg']:.2f}"


def epochs_plot(epochs: Iterable[Epoch], break_even: float | None = None) -> go.Figure:
    """Bytes of an epoch against the batch: data parallelism falls, a plan does not; a line where they cross.

    break_even: the batch of that line (`thesis.break_even_batch`), none if it is not given.
    """
    epochs = sorted(_needed(epochs), key=lambda one: one.batch)
    batches = [one.batch for one in epochs]
    figure = go.Figure()
    for number, (name, bytes_) in enumerate(_curves(epochs).items()):
        colour, dash, symbol, _ = OTHERS[number]
        line, marker = {"color": colour, "dash": dash}, {"symbol": symbol, "size": 8}
        gib = [value / GIB for value in bytes_]
        figure.add_trace(go.Scatter(x=batches, y=gib, name=name, mode="lines+markers", line=line, marker=marker))
    if break_even is not None:
        figure.add_vline(break_even, line={"color": "#000000", "dash": "dot", "width": 1})
        note = {"x": np.log10(break_even), "y": 1, "yref": "paper", "xanchor": "left", "showarrow": False}
        figure.add_annotation(text=f" equal at {break_even:,.0f}", **note)
    ticks = {"tickvals": batches, "ticktext": [str(batch) for batch in batches]}
    figure.update_xaxes(title_text="batch", type="log", **ticks)
    figure.update_yaxes(title_text="GiB per epoch", type="log", dtick="D2", exponentformat="none")
    where = "" if break_even is None else f"; they meet at a batch of {break_even:,.0f}"
    ends = [_number(one.data_parallel_bytes / GIB) for one in (epochs[0], epochs[-1])]
    seen = f"data parallelism falls from {ends[0]} to {ends[1]} GiB, the plan stays at "
    seen += f"{_number(epochs[0].plan_bytes / GIB)} GiB{where}"
    return _finished(figure, f"{_race(epochs)} (modelled)", seen)


def epochs_table(epochs: Iterable[Epoch]) -> Table:
    """The numbers of `epochs_plot`."""
    epochs = _needed(epochs)
    rows = []
    for one in epochs:
        sent = (_number(each / GIB) for each in (one.data_parallel_bytes, one.plan_bytes))
        rows.append((one.batch, *sent, f"{100 * one.reduction:.0f}"))
    head = ("batch", "data parallelism, GiB", "plan, GiB", "saved, %")
    return Table(f"{_race(epochs)} (modelled)", head, tuple(rows))


def _curves(epochs: list[Epoch]) -> dict[str, list[int]]:
    return {
        "data parallelism": [one.data_parallel_bytes for one in epochs],
        "plan": [one.plan_bytes for one in epochs],
    }


def _race(epochs: list[Epoch]) -> str:
    first = epochs[0]
    return f"{first.network} in {first.parts} parts: bytes of an epoch of {first.samples:,} samples"


def _number(value: float) -> str:
    """Four digits, and at most one behind the point of larger numbers."""
    return f"{value:,.1f}" if value >= 100 else f"{value:.4g}"


def _caption(caption: str, reports: list[dict], more: str = "") -> str:
    """'...: vgg16, batch 32, forward (modelled)'; LabError if the plans were counted for different batches."""
    batches = {one["batch"] for one in reports}
    if len(batches) > 1:
        raise LabError(f"volumes of different batches: {sorted(batches)}", "count them for one")
    networks = ", ".join(dict.fromkeys(one["network"] for one in reports))
    origins = ", ".join(dict.fromkeys(one["origin"] for one in reports))
    start = f"{caption}: " if caption else ""
    return f"{start}{networks}, batch {batches.pop()}, forward{more} ({origins})"


def _needed(rows: Iterable) -> list:
    rows = list(rows)
    if not rows:
        raise LabError("there are no rows to show", "make at least one plan first")
    return rows


def _finished(figure: go.Figure, title: str, seen: str) -> go.Figure:
    figure.update_layout(
        template="plotly_white",
        width=WIDTH,
        height=HEIGHT,
        title={"text": title, "font": {"size": 15}},
        margin={"l": 70, "r": 20, "t": 70, "b": 60},
        meta={"alt": f"{title}: {seen}."},
    )
    return figure
