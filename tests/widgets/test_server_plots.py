"""Plots and tables of parameter servers."""

from types import SimpleNamespace

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.network import zoo
from labkit.schemes.placement import balance
from labkit.widgets.server_plots import MOST_POINTS, balance_plot, learning_plot, learning_table

VGG16 = zoo.get("vgg16")


def course(accuracy, regime="simulated", link="slow"):
    """What was learned, with `accuracy` after 0, 3, 6, ... updates and every tenth of a second."""
    points = len(accuracy)

    def first(target, of):
        there = np.flatnonzero(np.array(accuracy) >= target)
        return of[there[0]] if len(there) else None

    seconds, updates = np.arange(points) / 10, 3 * np.arange(points)
    return SimpleNamespace(
        seconds=seconds,
        updates=updates,
        accuracy=np.array(accuracy),
        staleness=np.array([0, 1, 2, 3]),
        regime=regime,
        origin="modelled" if regime == "simulated" else "measured here",
        link=link,
        reaches=lambda target: first(target, seconds),
        updates_to=lambda target: first(target, updates),
    )


def test_balance_has_a_group_of_bars_for_each_placement():
    figure = balance_plot([balance(VGG16, 4, how) for how in ("round-robin", "greedy")])
    assert [trace.name for trace in figure.data] == [f"server {n}" for n in range(4)]
    assert sum(trace.y[0] for trace in figure.data) == pytest.approx(VGG16.parameters / 1e6)
    assert max(trace.y[1] for trace in figure.data) == pytest.approx(105.747712)
    assert "greedy: 5.02, 19.8, 106, 7.79 million, largest 3.06" in figure.layout.meta["alt"]
    assert len({trace.marker.pattern.shape for trace in figure.data}) == 4


def test_placements_that_cannot_be_compared():
    with pytest.raises(LabError, match="no placements"):
        balance_plot([])
    with pytest.raises(LabError, match="different networks"):
        balance_plot([balance(VGG16, 2, "greedy"), balance(VGG16, 4, "greedy")])


def test_learning_is_drawn_against_updates_and_seconds():
    courses = {"good": course([0.1, 0.5, 0.96, 0.97]), "bad": course([0.1, 0.2, 0.3], "emulated")}
    figure = learning_plot(courses, 0.95)
    marks = {(t.name, t.xaxis): (t.x[0], t.y[0]) for t in figure.data if t.mode == "lines+markers"}
    assert marks == {
        ("good", "x"): (6, 95),
        ("good", "x2"): (0.2, 95),
        ("bad", "x"): (None,) * 2,
        ("bad", "x2"): (None,) * 2,
    }
    assert [t.name for t in figure.data if t.showlegend] == ["good", "bad"]
    alt = figure.layout.meta["alt"]
    assert "good: after 6 updates and 0.20 s; bad: never" in alt
    assert "simulated, modelled, link slow; emulated, measured here, link slow" in figure.layout.title.subtitle.text
    with pytest.raises(LabError, match="nothing that was learned"):
        learning_plot({}, 0.9)


def test_long_courses_are_thinned():
    figure = learning_plot({"long": course(np.linspace(0, 1, 5 * MOST_POINTS))}, 0.5)
    assert max(len(trace.x) for trace in figure.data) <= MOST_POINTS


def test_learning_as_a_table():
    table = learning_table({"good": course([0.1, 0.5, 0.96, 0.97]), "bad": course([0.1] * 20)}, 0.95, "Here")
    good, bad = table.rows
    assert good == ("good", pytest.approx(30), "1.50", 6, pytest.approx(0.2), "97.0")
    assert bad[3:] == (None, None, "10.0")
    assert table.caption == "Here (simulated, modelled, link slow)"
