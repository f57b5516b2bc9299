"""Plots and tables of runs on many ranks: what is drawn is what was given, with its regime and an alternative text."""

import pytest

from labkit.errors import LabError
from labkit.machine.links import parse_link
from labkit.network import zoo
from labkit.schedule import Event, Timeline
from labkit.schedule.costs import Costs, flops_costs
from labkit.schedule.simulate import simulate
from labkit.schemes import build
from labkit.widgets import parallel_plots as plots


def row(algorithm, size, closed_s, measured_s=None):
    base = {"algorithm": algorithm, "ranks": 4, "bytes": size, "link": "emulated:2000,25", "regime": "emulated"}
    return base | {"closed_s": closed_s, "simulated_s": closed_s, "measured_s": measured_s}


ROWS = [
    row("ring", 8_000, 0.012, 0.013),
    row("ring", 4_000, 0.011, 0.012),
    row("tree", 4_000, 0.008, 0.009),
    row("tree", 8_000, 0.02),
]


def test_lines_are_closed_forms_and_marks_measurements():
    figure = plots.collectives_plot(ROWS)
    drawn = {trace.name: (trace.mode, list(trace.x), list(trace.y)) for trace in figure.data}
    assert drawn["ring"] == ("lines", [4.0, 8.0], [11.0, 12.0])
    assert drawn["ring, measured"] == ("markers", [4.0, 8.0], [12.0, 13.0])
    assert drawn["tree, measured"] == ("markers", [4.0], [9.0])
    assert "tree is the fastest at 4 kB, ring is the fastest at 8 kB" in figure.layout.meta["alt"]
    assert "emulated" in figure.layout.title.subtitle.text and "modelled" in figure.layout.title.subtitle.text


def test_rows_without_a_model_are_only_marked():
    given = [one | {"closed_s": None, "simulated_s": None} for one in ROWS[:3]]
    figure = plots.collectives_plot(given)
    assert {trace.mode for trace in figure.data} == {"markers"}
    assert "tree is the fastest at 4 kB" in figure.layout.meta["alt"]


def test_the_table_has_milliseconds_and_dashes():
    table = plots.collectives_table(ROWS, "caption")
    assert table.rows[0][:3] == ("ring", 4, 8_000) and table.rows[0][3:] == pytest.approx((12.0, 12.0, 13.0))
    assert table.rows[3][5] is None and table.caption == "caption"


def test_curves_differ_in_more_than_colour():
    figure = plots.curves_plot(
        {"a": {1: 2.0, 2: 3.0}, "b": {1: 1.0, 4: 0.5}}, "title", "simulated", "x", "y", log_x=True
    )
    looks = {(trace.line.dash, trace.marker.symbol) for trace in figure.data}
    assert len(looks) == 2 and figure.layout.xaxis.type == "log"
    assert figure.layout.title.subtitle.text == "simulated"
    assert "a from 2 to 3; b from 1 to 0.5" in figure.layout.meta["alt"]


@pytest.mark.parametrize("curves", [{}, {"a": {}}])
def test_no_curve_is_refused(curves):
    with pytest.raises(LabError, match="no curve"):
        plots.curves_plot(curves, "title", "simulated", "x", "y")


def test_no_rows_are_refused():
    with pytest.raises(LabError, match="no rows"):
        plots.collectives_plot([])


def test_shares_of_a_rank_sum_to_one():
    network = zoo.get("lenet5")
    costs = Costs(flops_costs(network, 30e9), parse_link("emulated:2000,25"))
    timeline = simulate(build("master", network, ranks=4, batch=40), costs, steps=3)
    for rank in range(4):
        assert sum(plots.use_of(timeline, rank)) == pytest.approx(1)


def test_shares_are_those_of_the_main_lane():
    events = (
        Event(0, 0, 0, "main", "F0:1", "compute", 0.0, 4.0),
        Event(0, 0, 1, "network", "allreduce g0 ring &", "communicate", 1.0, 9.0),
        Event(0, 0, 2, "main", "wait", "wait", 4.0, 9.0),
        Event(0, 0, 3, "main", "bcast w0<0 linear", "communicate", 9.0, 10.0),
    )
    timeline = Timeline(events, 1, "simulated", "modelled")
    assert plots.use_of(timeline, 0) == pytest.approx((0.4, 0.1, 0.5))
    table = plots.use_table({"predicted": timeline})
    assert table.rows == (("rank 0", "predicted", "40", "10", "50", "simulated"),)
    assert "simulated, modelled" in table.caption
