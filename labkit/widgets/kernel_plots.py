"""Static plots of the tables of labkit.kernels.experiments: one function per experiment, rows in, `go.Figure` out.

A mapping has the same colour, dash, marker and hatching in every plot, so that none of them is needed alone. Where the
figures come from stands under each title; `figure.layout.meta["alt"]` says in a sentence what is to be seen.
"""

from collections.abc import Iterable

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from labkit.errors import LabError
from labkit.widgets.tables import Table

# Okabe and Ito's colours for the colour-blind; dash and marker of lines; hatching of bars.
STYLES = {
    "data": ("#0072B2", "solid", "circle", ""),
    "model": ("#D55E00", "dash", "square", "/"),
    "hybrid": ("#009E73", "dot", "diamond", "x"),
    "tuned": ("#CC79A7", "longdash", "triangle-up", "."),
}
OTHERS = (
    *STYLES.values(),
    ("#E69F00", "dashdot", "cross", "\\"),
    ("#56B4E9", "longdashdot", "star", "-"),
    ("#000000", "solid", "x", "+"),
)
MOST_TICKS = 10
WIDTH, HEIGHT = 760, 420  # pixels; fixed, so that a page does not jump while it loads

Rows = Iterable[dict]


def batch_sweep_plot(rows: Rows) -> go.Figure:
    """Time per epoch against batch size, one panel per network, one line per mapping (figures 11-13)."""
    return _curves(rows, "batch", "epoch_s", "Time per epoch against batch size", "batch", "seconds per epoch")


def forward_vs_batch_plot(rows: Rows) -> go.Figure:
    """Time of one forward convolution against batch size, one line per GPU and size of a block (figure 18)."""
    title = "Forward convolution, data mapping: flat until every multiprocessor has a block"
    rows = [row | {"device": _with_threads(row)} for row in rows]
    return _curves(rows, "batch", "seconds", title, "batch", "seconds", line="device", panel="layer")


def forward_vs_channels_plot(rows: Rows) -> go.Figure:
    """Time of one forward convolution against its output channels, one line per GPU (figure 19)."""
    title = "Forward convolution, model mapping: a step per wave"
    return _curves(rows, "K", "seconds", title, "output channels K", "seconds", line="device", panel="layer", log=False)


def image_size_plot(rows: Rows) -> go.Figure:
    """Time per sample of a convolution against the size of the images, one line per mapping (section VIII)."""
    title = "Forward convolution against the size of the images"
    return _curves(rows, "H", "per_sample_s", title, "height and width", "seconds per sample", panel="layer")


def footprint_plot(rows: Rows) -> go.Figure:
    """Memory of a training process against batch size, one line per network."""
    title = "Memory of a training process"
    return _curves(rows, "batch", "total_bytes", title, "batch", "bytes", line="network", panel=None)


def three_gpus_plot(rows: Rows) -> go.Figure:
    """Time per epoch against batch size, one panel per GPU, one line per mapping (figure 17)."""
    title = "Time per epoch on different GPUs"
    return _curves(rows, "batch", "epoch_s", title, "batch", "seconds per epoch", panel="device")


def loads_plot(rows: Rows) -> go.Figure:
    """Loads by level of memory, one bar per mapping (figure 14)."""
    return _bars(rows, "level", "loads", "Loads by level of memory", "level", "loads")


def profile_plot(rows: Rows) -> go.Figure:
    """Time per epoch of each layer, one bar per mapping, its phases added up (figure 15)."""
    return _bars(rows, "layer", "epoch_s", "Time per epoch of each layer", "layer", "seconds per epoch", log=True)


def energy_plot(rows: Rows) -> go.Figure:
    """Energy per epoch of each network, one bar per mapping (figure 16, table III)."""
    title = "Energy per epoch"
    return _bars(rows, "network", "epoch_J", title, "network", "joules per epoch", log=True)


def rows_table(rows: Rows, caption: str = "") -> Table:
    """The rows as a table for a notebook: the columns of the first row, numbers to the right."""
    rows = _needed(rows)
    columns = [key for key in rows[0] if key != "origin"]
    return Table(
        f"{caption} ({_origins(rows)})".strip(), tuple(columns), tuple(tuple(r[c] for c in columns) for r in rows)
    )


def _curves(
    rows: Rows, x: str, y: str, title: str, x_title: str, y_title: str, *, line="mapping", panel="network", log=True
) -> go.Figure:
    """One line per value of the column `line`, one panel per value of the column `panel` (None: one panel)."""
    rows = [row for row in _needed(rows, x, y) if row[y] is not None]
    panels = _values(rows, panel) if panel else [None]
    names = [str(p) for p in panels] if len(panels) > 1 else None
    figure = make_subplots(1, len(panels), subplot_titles=names, horizontal_spacing=0.08)
    for number, value in enumerate(_values(rows, line)):
        colour, dash, marker, _ = _style(value, number)
        for column, shown in enumerate(panels, start=1):
            chosen = [r for r in rows if r[line] == value and (panel is None or r[panel] == shown)]
            chosen.sort(key=lambda row: row[x])
            trace = go.Scatter(
                x=[row[x] for row in chosen],
                y=[row[y] for row in chosen],
                name=str(value),
                legendgroup=str(value),
                showlegend=column == 1,
                mode="lines+markers",
                line={"color": colour, "dash": dash},
                marker={"symbol": marker, "size": 8},
            )
            figure.add_trace(trace, 1, column)
    places = sorted({row[x] for row in rows})
    ticks = {"tickvals": places, "ticktext": [str(p) for p in places]} if len(places) <= MOST_TICKS else {}
    figure.update_xaxes(title_text=x_title, type="log" if log else "linear", **ticks)
    figure.update_yaxes(**({"type": "log"} if log else {"rangemode": "tozero"}))
    figure.update_yaxes(title_text=y_title, col=1)
    return _finished(figure, rows, title, f"{y_title} against {x_title}, one line per {line}", line)


def _bars(rows: Rows, x: str, y: str, title: str, x_title: str, y_title: str, *, log=False) -> go.Figure:
    """One group of bars per value of the column `x`, one bar per mapping; rows that meet in a bar are added up."""
    rows = [row for row in _needed(rows, x, y) if row[y] is not None]
    places = _values(rows, x)
    figure = go.Figure()
    for number, mapping in enumerate(_values(rows, "mapping")):
        colour, _, _, pattern = _style(mapping, number)
        heights = [sum(r[y] for r in rows if r["mapping"] == mapping and r[x] == place) for place in places]
        marker = {"color": colour, "pattern": {"shape": pattern, "fgcolor": "white"}}
        figure.add_trace(go.Bar(x=[str(p) for p in places], y=heights, name=str(mapping), marker=marker))
    figure.update_layout(barmode="group")
    figure.update_xaxes(title_text=x_title)
    figure.update_yaxes(title_text=y_title, type="log" if log else "linear")
    return _finished(figure, rows, title, f"{y_title} by {x_title}, one bar per mapping", "mapping")


def _finished(figure: go.Figure, rows: list[dict], title: str, seen: str, legend: str) -> go.Figure:
    origins = _origins(rows)
    figure.update_yaxes(exponentformat="SI")  # 1G bytes, not 1B
    figure.update_layout(legend={"title": {"text": legend}})
    return finished(figure, title, origins, seen)


def finished(figure: go.Figure, title: str, origins: str, seen: str) -> go.Figure:
    """The figure with its title, where its numbers come from, and `seen` (what there is to see) as its alt text."""
    figure.update_layout(
        template="plotly_white",
        width=WIDTH,
        height=HEIGHT,
        title={"text": title, "subtitle": {"text": origins}},
        margin={"l": 70, "r": 20, "t": 90, "b": 60},
        meta={"alt": f"{title}: {seen}; {origins}."},
    )
    return figure


def _needed(rows: Rows, *columns: str) -> list[dict]:
    """The rows as a list; LabError where there are none, or where one lacks a column that the plot shows."""
    rows = list(rows)
    if not rows:
        raise LabError("there are no rows to show", "run the experiment first, with at least one size")
    for column in columns:
        if any(column not in row for row in rows):
            raise LabError(
                f"rows without a column {column!r}", "give the rows of the experiment that the plot belongs to"
            )
    return rows


def _with_threads(row: dict) -> str:
    return f"{row['device']}, blocks of {row['threads']}" if row.get("threads") else row["device"]


def _values(rows: list[dict], column: str) -> list:
    """The different values of a column, in the order in which they first appear."""
    return list(dict.fromkeys(row[column] for row in rows))


def _style(value: object, number: int) -> tuple[str, str, str, str]:
    return STYLES.get(value) or OTHERS[number % len(OTHERS)]


def _origins(rows: list[dict]) -> str:
    """'modelled', or for several devices 'Tesla K40s: modelled; H200: measured here'."""
    found = dict.fromkeys((row.get("device"), row.get("origin")) for row in rows)
    origins = list(dict.fromkeys(origin for _, origin in found))
    if len(origins) == 1:
        return str(origins[0])
    return "; ".join(f"{device}: {origin}" for device, origin in found)
