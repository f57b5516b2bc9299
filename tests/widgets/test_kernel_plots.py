"""Plots of the experiments' tables: what is drawn is what the rows say, and nothing is told by colour alone."""

from itertools import product

import pytest

from labkit.errors import LabError
from labkit.widgets import kernel_plots as plots

MAPPINGS = ("data", "model", "hybrid")


def rows(**columns):
    """One row for each combination of the given values, with a time of its own and the origin of a model."""
    found = []
    for number, values in enumerate(product(*columns.values()), start=1):
        row = {
            "network": "lenet5",
            "layer": "conv1",
            "mapping": "data",
            "batch": 8,
            "device": "T4",
            "origin": "modelled",
        }
        row |= dict(zip(columns, values, strict=True))
        time = number / 1000
        found.append(row | {"seconds": time, "epoch_s": time, "per_sample_s": time, "total_bytes": number})
    return found


SWEEP = rows(network=("lenet5", "alexnet_star"), mapping=MAPPINGS, batch=(8, 1, 64))
CASES = [
    (plots.batch_sweep_plot, SWEEP, 6),
    (plots.forward_vs_batch_plot, rows(device=("K40", "P100"), batch=(1, 2)), 2),
    (plots.forward_vs_channels_plot, rows(device=("K40", "P100"), K=(1, 2)), 2),
    (plots.image_size_plot, rows(mapping=MAPPINGS, H=(32, 224)), 3),
    (plots.footprint_plot, rows(network=("lenet5", "vgg16"), batch=(1, 2)), 2),
    (plots.three_gpus_plot, rows(device=("K40", "P100"), mapping=MAPPINGS, batch=(1, 2)), 6),
    (plots.loads_plot, [r | {"loads": 7} for r in rows(mapping=MAPPINGS, level=("global", "shared"))], 3),
    (plots.profile_plot, rows(mapping=MAPPINGS, layer=("conv1", "fc"), phase=("fp", "bp")), 3),
    (plots.energy_plot, [r | {"epoch_J": 5.0} for r in rows(mapping=MAPPINGS, network=("a", "b"))], 3),
]


@pytest.mark.parametrize(("plot", "table", "traces"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_every_plot_has_its_origin_axes_and_alt_text(plot, table, traces):
    figure = plot(table)
    assert len(figure.data) == traces
    assert figure.layout.title.subtitle.text == "modelled"
    assert figure.layout.xaxis.title.text and figure.layout.yaxis.title.text
    assert "modelled" in figure.layout.meta["alt"] and figure.layout.title.text in figure.layout.meta["alt"]
    assert (figure.layout.width, figure.layout.height) == (plots.WIDTH, plots.HEIGHT)


@pytest.mark.parametrize(("plot", "table", "traces"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_nothing_is_told_by_colour_alone(plot, table, traces):
    shown = [trace for trace in plot(table).data if trace.showlegend is not False]
    if shown[0].type == "bar":
        looks = [(trace.marker.color, trace.marker.pattern.shape) for trace in shown]
    else:
        looks = [(trace.line.color, trace.line.dash + trace.marker.symbol) for trace in shown]
    colours, others = (set(column) for column in zip(*looks, strict=True))
    assert len(colours) == len(others) == len(shown)


def test_points_are_the_rows_sorted_along_the_axis():
    figure = plots.batch_sweep_plot(SWEEP)
    first = figure.data[0]
    expected = sorted((r["batch"], r["epoch_s"]) for r in SWEEP if (r["network"], r["mapping"]) == ("lenet5", "data"))
    assert list(zip(first.x, first.y, strict=True)) == expected
    assert [a.text for a in figure.layout.annotations] == ["lenet5", "alexnet_star"]


def test_a_mapping_looks_the_same_everywhere():
    one = plots.batch_sweep_plot(SWEEP).data
    other = plots.image_size_plot(rows(mapping=("hybrid", "data"), H=(32,))).data
    dash = {trace.name: trace.line.dash for trace in one}
    assert all(dash[trace.name] == trace.line.dash for trace in other)


def test_rows_that_meet_in_one_bar_are_added_up():
    table = rows(mapping=("data",), layer=("conv1",), phase=("fp", "bp", "ku"))
    assert plots.profile_plot(table).data[0].y == (pytest.approx(0.001 + 0.002 + 0.003),)


def test_several_origins_are_told_apart():
    table = rows(batch=(1, 2)) + [r | {"device": "H200", "origin": "measured here"} for r in rows(batch=(1, 2))]
    assert plots.three_gpus_plot(table).layout.title.subtitle.text == "T4: modelled; H200: measured here"


def test_blocks_of_another_size_are_another_line():
    table = rows(batch=(1, 2)) + [row | {"threads": 512} for row in rows(batch=(1, 2))]
    assert [trace.name for trace in plots.forward_vs_batch_plot(table).data] == ["T4", "T4, blocks of 512"]


def test_rows_without_a_value_are_left_out():
    table = [*rows(batch=(1, 2)), rows(batch=(4,))[0] | {"seconds": None}]
    assert list(plots.forward_vs_batch_plot(table).data[0].x) == [1, 2]


def test_no_rows_or_those_of_another_experiment_are_refused():
    with pytest.raises(LabError, match="no rows"):
        plots.batch_sweep_plot([])
    with pytest.raises(LabError, match="without a column 'loads'"):
        plots.loads_plot([r | {"level": "global"} for r in rows()])


def test_rows_as_a_table():
    text = repr(plots.rows_table(rows(batch=(1, 2)), "Forward"))
    assert text.startswith("Forward (modelled)") and "network" in text and "origin" not in text
