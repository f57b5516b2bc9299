"""The plot of what several ways to count say about plans, against what these send."""

import pytest

from labkit.errors import LabError
from labkit.widgets.cut_plots import ways_plot

ROWS = [
    {"counted": 64, "nets": 64, "edges": 256, "origin": "modelled"},
    {"counted": 0, "nets": 0, "edges": 0, "origin": "modelled"},
    {"counted": 100, "nets": 100, "edges": 100, "origin": "modelled"},
]


def test_a_marker_for_each_plan_that_sends_something():
    figure = ways_plot(ROWS, ("nets", "edges"))
    nets, edges, diagonal = figure.data
    assert (list(nets.x), list(nets.y), list(edges.y)) == ([64, 100], [64, 100], [256, 100])
    assert list(diagonal.x) == list(diagonal.y) == [64, 100]
    assert nets.marker.symbol != edges.marker.symbol
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"


def test_the_alternative_text_says_who_is_on_the_diagonal():
    alt = ways_plot(ROWS, ("nets", "edges")).layout.meta["alt"]
    assert "2 random plans" in alt and "modelled" in alt
    assert "nets on the diagonal for all plans" in alt
    assert "edges between 1 and 4 times the volume" in alt


def test_plans_that_send_nothing_cannot_be_drawn():
    with pytest.raises(LabError, match="sends anything"):
        ways_plot(ROWS[1:2], ("nets",))
