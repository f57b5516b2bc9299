"""Static plots of what a cut costs: `go.Figure` with an alternative text in `layout.meta["alt"]`."""

from collections.abc import Iterable

import plotly.graph_objects as go

from labkit.errors import LabError
from labkit.widgets.kernel_plots import HEIGHT, OTHERS, WIDTH

LOWEST = 1.0  # a logarithmic axis has no zero: plans that send nothing are left out


def ways_plot(rows: Iterable[dict], ways: tuple[str, ...]) -> go.Figure:
    """What each of `ways` says about a plan, against the volume that was counted; one marker per plan and way.

    rows: with 'counted', one column per way, and 'origin'. On the diagonal a way says what is sent. Raises LabError
    where no plan sends anything.
    """
    rows = [row for row in rows if row["counted"] >= LOWEST]
    if not rows:
        raise LabError("there is no plan that sends anything", "draw plans in two or more parts")
    counted = [row["counted"] for row in rows]
    ends = [min(counted), max(counted)]
    figure = go.Figure()
    for number, way in enumerate(ways):
        colour, _, symbol, _ = OTHERS[number]
        marker = {"color": colour, "symbol": symbol, "size": 7, "opacity": 0.7}
        said = [row[way] for row in rows]
        figure.add_trace(go.Scatter(x=counted, y=said, name=way, mode="markers", marker=marker))
    line = {"color": "#000000", "dash": "dot", "width": 1}
    figure.add_trace(go.Scatter(x=ends, y=ends, name="what is sent", mode="lines", line=line))
    origins = ", ".join(sorted({row["origin"] for row in rows}))
    title = f"{len(rows)} random plans: what is said against what is sent"
    figure.update_xaxes(title_text="values counted one by one", type="log", dtick=1, exponentformat="SI")
    figure.update_yaxes(title_text="values according to ...", type="log", dtick=1, exponentformat="SI")
    figure.update_layout(
        template="plotly_white",
        width=WIDTH,
        height=HEIGHT,
        title={"text": title, "subtitle": {"text": origins}},
        legend={"title": {"text": "according to"}, "orientation": "h", "y": -0.2},  # seen in a narrow window as well
        margin={"l": 70, "r": 20, "t": 90, "b": 90},
        meta={"alt": f"{title}: {', '.join(_seen(rows, way) for way in ways)}; {origins}."},
    )
    return figure


def _seen(rows: list[dict], way: str) -> str:
    """'nets on the diagonal for all plans', or by how much the way is off."""
    ratios = [row[way] / row["counted"] for row in rows]
    if set(ratios) == {1.0}:
        return f"{way} on the diagonal for all plans"
    return f"{way} between {min(ratios):.2g} and {max(ratios):.2g} times the volume"
