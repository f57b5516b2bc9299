"""Static plots and tables of parameter servers: how full they are, and how soon what they keep is any good.

Figures are `go.Figure` with an alternative text in `layout.meta["alt"]`; what was learned comes as objects with the
attributes of `labkit.course.retrace.Learned`.
"""

from collections.abc import Iterable, Mapping

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from labkit.errors import LabError
from labkit.widgets._events import origin
from labkit.widgets.kernel_plots import OTHERS, finished
from labkit.widgets.tables import Table

MILLION = 1e6
MOST_POINTS = 400  # of one line


def balance_plot(balances: Iterable, title: str = "Values on each server") -> go.Figure:
    """A group of bars for each placement, a bar for each server, and a line at the average.

    balances: with how, loads, servers and max_over_avg, as `labkit.schemes.placement.Balance`, all of one network and
    one number of servers.
    """
    balances = _needed(balances)
    if len({(one.servers, sum(one.loads)) for one in balances}) > 1:
        raise LabError("placements of different networks or numbers of servers", "draw them one by one")
    figure, names = go.Figure(), [f"{one.how}: {one.max_over_avg:.2f}" for one in balances]
    for server in range(balances[0].servers):
        colour, _, _, pattern = OTHERS[server % len(OTHERS)]
        heights = [one.loads[server] / MILLION for one in balances]
        look = {"marker": {"color": colour, "pattern": {"shape": pattern, "fgcolor": "white"}}}
        figure.add_trace(go.Bar(x=names, y=heights, name=f"server {server}", **look))
    average = sum(balances[0].loads) / balances[0].servers
    figure.add_hline(average / MILLION, line={"color": "#000000", "dash": "dot", "width": 1})
    figure.update_xaxes(title_text="placement, and its largest load over the average")
    figure.update_yaxes(title_text="million values")
    seen = "; ".join(f"{one.how}: {_millions(one.loads)} million, largest {one.max_over_avg:.2f}" for one in balances)
    return finished(figure, title, "counted; the dotted line is the average", seen)


def learning_plot(courses: Mapping[str, object], target: float, title: str = "Test accuracy") -> go.Figure:
    """Accuracy against updates on the left, against seconds on the right; a large mark where `target` is reached.

    courses: what was learned, by name. target: in [0, 1].
    """
    if not courses:
        raise LabError("there is nothing that was learned", "give at least one course by name")
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04)
    for number, (name, course) in enumerate(courses.items()):
        for panel, places in ((1, course.updates), (2, course.seconds)):
            for trace in _line(name, course, places, target, OTHERS[number % len(OTHERS)], shown=panel == 2):
                figure.add_trace(trace, 1, panel)
    figure.add_hline(100 * target, line={"color": "#000000", "dash": "dot", "width": 1})
    figure.update_xaxes(title_text="updates of the weights", col=1)
    figure.update_xaxes(title_text="seconds", col=2)
    figure.update_yaxes(title_text="test accuracy, %", col=1)
    told = "; ".join(dict.fromkeys(origin(course) for course in courses.values()))
    seen = "; ".join(f"{name}: {_reached(course, target)}" for name, course in courses.items())
    return finished(figure, title, told, f"{100 * target:.0f} % is reached: {seen}")


def learning_table(courses: Mapping[str, object], target: float, caption: str = "") -> Table:
    """Updates per second, mean staleness, updates and seconds to `target`, accuracy in the end (mean of the last
    tenth).
    """
    rows = []
    for name, course in courses.items():
        seconds, last = float(course.seconds[-1]), max(1, len(course.accuracy) // 10)
        rows.append(
            (
                name,
                float(course.updates[-1]) / seconds,
                f"{course.staleness.mean():.2f}",
                course.updates_to(target),
                course.reaches(target),
                f"{100 * course.accuracy[-last:].mean():.1f}",
            )
        )
    told = "; ".join(dict.fromkeys(origin(course) for course in courses.values()))
    head = ("", "updates per second", "mean staleness", f"updates to {100 * target:.0f} %", "seconds to it")
    return Table(f"{caption or 'What was learned'} ({told})", (*head, "accuracy in the end, %"), tuple(rows))


def _line(name: str, course, places, target: float, style: tuple, shown: bool) -> list[go.Scatter]:
    """The line of one course in one panel, and the mark where it reaches the target."""
    colour, dash, symbol, _ = style
    thin = max(1, -(-len(places) // MOST_POINTS))
    accuracy, group = 100 * course.accuracy, {"legendgroup": name, "name": name}
    line = {"color": colour, "dash": dash, "width": 1.5}
    traces = [
        go.Scatter(x=places[::thin], y=accuracy[::thin], mode="lines", line=line, showlegend=False, **group),
    ]
    there = [place for place, right in zip(places, accuracy, strict=True) if right >= 100 * target]
    marker = {"symbol": symbol, "size": 12, "color": colour, "line": {"color": "#000000", "width": 1}}
    x, y = ([there[0]], [100 * target]) if there else ([None], [None])
    look = {"mode": "lines+markers", "line": line, "marker": marker}
    return [*traces, go.Scatter(x=x, y=y, showlegend=shown, **look, **group)]


def _reached(course, target: float) -> str:
    seconds = course.reaches(target)
    return "never" if seconds is None else f"after {course.updates_to(target)} updates and {seconds:.2f} s"


def _millions(loads: Iterable[int]) -> str:
    return ", ".join(f"{load / MILLION:.3g}" for load in loads)


def _needed(balances: Iterable) -> list:
    balances = list(balances)
    if not balances:
        raise LabError("there are no placements to draw", "give at least one balance(network, servers, how)")
    return balances
