"""Static plots and tables of runs on many ranks: `go.Figure` with an alternative text in `layout.meta["alt"]`.

Where the figures come from stands under each title. Colours come with dashes and markers of their own.
"""

from collections.abc import Iterable, Mapping, Sequence

import plotly.graph_objects as go

from labkit.errors import LabError
from labkit.schedule import Timeline
from labkit.schedule.traffic import Traffic
from labkit.widgets._events import origin
from labkit.widgets.kernel_plots import MOST_TICKS, OTHERS, finished
from labkit.widgets.tables import Table

KINDS = ("compute", "communicate")


def collectives_plot(rows: Iterable[dict], title: str = "All-reduce") -> go.Figure:
    """Milliseconds against bytes: lines are closed forms, small dots the simulation, large marks what was measured.

    rows: of `labkit.course.collective_times`, of one link and one number of ranks.
    """
    rows = _needed(rows)
    figure = go.Figure()
    for number, name in enumerate(dict.fromkeys(row["algorithm"] for row in rows)):
        colour, dash, symbol, _ = OTHERS[number % len(OTHERS)]
        mine = sorted((row for row in rows if row["algorithm"] == name), key=lambda row: row["bytes"])
        looks = {
            "closed_s": {"mode": "lines", "line": {"color": colour, "dash": dash}, "name": name},
            "measured_s": {"mode": "markers", "marker": {"color": colour, "symbol": symbol, "size": 11}},
        }
        for key, look in looks.items():
            shown = [row for row in mine if row[key] is not None]
            if shown:
                xy = {"x": [row["bytes"] / 1e3 for row in shown], "y": [1e3 * row[key] for row in shown]}
                look = {"name": f"{name}, measured"} | look
                figure.add_trace(go.Scatter(**xy, legendgroup=name, **look))
    figure.update_xaxes(title_text="kB (10³ bytes)", type="log", tickvals=_places(rows, "bytes", 1e-3))
    figure.update_yaxes(title_text="milliseconds", type="log", dtick="D2", exponentformat="none")
    regimes = ", ".join(dict.fromkeys(row["regime"] for row in rows))
    link, ranks = rows[0]["link"], rows[0]["ranks"]
    origins = f"{ranks} ranks, link {link}; lines: closed form (modelled); marks: {regimes}, measured here"
    return finished(figure, title, origins, _seen(rows))


def _seen(rows: list[dict]) -> str:
    """Which algorithm is the fastest for the shortest and for the longest vector."""
    found = []
    for size in (min(row["bytes"] for row in rows), max(row["bytes"] for row in rows)):
        key = "closed_s" if rows[0]["closed_s"] is not None else "measured_s"
        best = min((row for row in rows if row["bytes"] == size), key=lambda row: row[key])
        found.append(f"{best['algorithm']} is the fastest at {size / 1e3:,.0f} kB")
    return ", ".join(found)


def collectives_table(rows: Iterable[dict], caption: str) -> Table:
    """The rows as milliseconds, and how far the closed form and the simulation are from what was measured."""
    lines = []
    for row in _needed(rows):
        times = [None if row[key] is None else 1e3 * row[key] for key in ("closed_s", "simulated_s", "measured_s")]
        lines.append((row["algorithm"], row["ranks"], row["bytes"], *times))
    head = ("algorithm", "ranks", "bytes", "closed form, ms", "simulated, ms", "measured, ms")
    return Table(caption, head, tuple(lines))


def curves_plot(
    curves: Mapping[str, Mapping[float, float]],
    title: str,
    origin: str,
    x: str,
    y: str,
    *,
    log_x: bool = False,
    log_y: bool = False,
) -> go.Figure:
    """One line for each name: x -> y. origin: where the figures come from, for the line under the title."""
    if not curves or not all(curves.values()):
        raise LabError("there is no curve to show", "give at least one point for each name")
    figure = go.Figure()
    for number, (name, points) in enumerate(curves.items()):
        colour, dash, symbol, _ = OTHERS[number % len(OTHERS)]
        look = {"line": {"color": colour, "dash": dash}, "marker": {"symbol": symbol, "size": 8, "color": colour}}
        figure.add_trace(go.Scatter(x=list(points), y=list(points.values()), name=name, mode="lines+markers", **look))
    places = sorted({place for points in curves.values() for place in points})
    ticks = {"tickvals": places, "ticktext": [f"{p:g}" for p in places]} if len(places) <= MOST_TICKS else {}
    figure.update_xaxes(title_text=x, type="log" if log_x else "linear", **ticks)
    figure.update_yaxes(title_text=y, **({"type": "log"} if log_y else {"rangemode": "tozero"}))
    ends = [
        f"{name} from {next(iter(points.values())):.3g} to {list(points.values())[-1]:.3g}"
        for name, points in curves.items()
    ]
    return finished(figure, title, origin, f"{y} against {x}: {'; '.join(ends)}")


def use_table(timelines: Mapping[str, Timeline], caption: str = "Where the time of each rank goes") -> Table:
    """Computing, communicating and idle in per cent of the whole time, of each rank's main lane.

    timelines: a name such as 'predicted' or 'measured' for each.
    """
    rows = []
    for name, timeline in timelines.items():
        for rank in range(timeline.ranks):
            shares = use_of(timeline, rank)
            rows.append((f"rank {rank}", name, *(f"{100 * share:.0f}" for share in shares), timeline.regime))
    rows.sort(key=lambda row: row[0])
    told = "; ".join(f"{name}: {origin(timeline)}" for name, timeline in timelines.items())
    head = ("", "", "computing, %", "communicating, %", "idle, %", "regime")
    return Table(f"{caption} ({told})", head, tuple(rows))


def use_of(timeline: Timeline, rank: int) -> tuple[float, float, float]:
    """(computing, communicating, idle) as parts of the time of all steps, which sum to 1."""
    whole = timeline.seconds or 1.0
    main = [event for event in timeline.events if event.rank == rank and event.lane == "main"]
    shares = [sum(event.seconds for event in main if event.kind == kind) / whole for kind in KINDS]
    return (*shares, max(0.0, 1 - sum(shares)))


def sent_table(counted: Traffic, planned: Traffic, formula: Sequence[int], caption: str) -> Table:
    """What each rank has sent by its ledger, by the schedule's own count, and (bytes only) by a formula."""
    rows = []
    for rank, size in enumerate(formula):
        both = (counted.of(rank), planned.of(rank))
        rows.append((f"rank {rank}", *(n for one in both for n in (one.messages, one.bytes)), size))
    head = ("", "ledger: messages", "ledger: bytes", "schedule: messages", "schedule: bytes", "formula: bytes")
    return Table(caption, head, tuple(rows))


def _places(rows: list[dict], key: str, scale: float) -> list[float]:
    return sorted({row[key] * scale for row in rows})


def _needed(rows: Iterable[dict]) -> list[dict]:
    rows = list(rows)
    if not rows:
        raise LabError("there are no rows to show", "run the experiment first, with at least one size")
    return rows
