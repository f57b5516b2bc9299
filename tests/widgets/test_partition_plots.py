"""Plots and tables of plans: what is drawn is what was counted, with the loads beside every volume."""

import pytest

from labkit.errors import LabError
from labkit.network import zoo
from labkit.partition import flops, tasks_of
from labkit.partition.methods import partition
from labkit.partition.report import report
from labkit.partition.thesis import against_data_parallelism, break_even_batch, values_per_sample
from labkit.widgets import partition_plots as plots

NETWORK = zoo.get("lenet5")
WORK = flops(tasks_of(NETWORK))
PLANS = {m: partition(NETWORK, 2, m) for m in ("layer", "filter-horizontal", "filter-incremental")}
REPORTS = [report(plan, WORK) for plan in PLANS.values()]
EPOCHS = against_data_parallelism(PLANS["layer"], (64, 16, 256), samples=1000)


def figures():
    values = values_per_sample(PLANS["layer"])
    even = break_even_batch(NETWORK.parameters, 2, values)
    return [
        plots.methods_plot(REPORTS),
        plots.balance_plot(REPORTS[:2], REPORTS[2:]),
        plots.balance_plot(REPORTS[:1]),
        plots.epochs_plot(EPOCHS),
        plots.epochs_plot(EPOCHS, even),
    ]


@pytest.mark.parametrize("figure", figures(), ids=("methods", "balance", "one", "epochs", "even"))
def test_every_plot_has_its_origin_axes_and_alt_text(figure):
    assert "modelled" in figure.layout.title.text
    assert figure.layout.xaxis.title.text and figure.layout.yaxis.title.text
    assert figure.layout.meta["alt"].startswith(figure.layout.title.text)
    assert (figure.layout.width, figure.layout.height) == (plots.WIDTH, plots.HEIGHT)


@pytest.mark.parametrize("figure", figures()[1:], ids=("balance", "one", "epochs", "even"))
def test_nothing_is_told_by_colour_alone(figure):
    looks = [(trace.marker.symbol, trace.line.dash) for trace in figure.data]
    assert len(set(looks)) == len(looks)


def test_bars_are_volumes_and_say_the_load():
    bar = plots.methods_plot(REPORTS).data[0]
    assert list(bar.x) == list(PLANS)
    assert list(bar.y) == [one["volume_elements"] / 2**20 for one in REPORTS]
    assert [f"load {one['max_over_avg']:.2f}" in text for one, text in zip(REPORTS, bar.text, strict=True)] == [
        True
    ] * 3


def test_the_alternative_text_has_every_number():
    alt = plots.methods_plot(REPORTS).layout.meta["alt"]
    assert all(f"a largest load of {one['max_over_avg']:.2f}" in alt for one in REPORTS)
    alt = plots.balance_plot(REPORTS[:2], REPORTS[2:]).layout.meta["alt"]
    assert "filter-incremental is at 0.04123 at 1.07" in alt


def test_a_sweep_is_a_line_sorted_by_balance():
    swept = sorted(REPORTS, key=lambda one: -one["max_over_avg"])
    line = plots.balance_plot(swept).data[0]
    assert list(line.x) == sorted(one["max_over_avg"] for one in REPORTS)
    assert line.mode == "lines+markers"


def test_data_parallelism_falls_and_the_plan_does_not():
    data, plan = plots.epochs_plot(EPOCHS, 40.0).data
    assert list(data.x) == [16, 64, 256]
    assert list(data.y) == sorted(data.y, reverse=True)
    assert len(set(plan.y)) == 1
    assert plots.epochs_plot(EPOCHS, 40.0).layout.annotations[0].text == " equal at 40"


def test_tables_have_the_numbers_of_the_plots():
    table = plots.plans_table(REPORTS, "LeNet-5 in two parts")
    assert table.caption == "LeNet-5 in two parts: lenet5, batch 32, forward; loads times the average (modelled)"
    assert [row[0] for row in table.rows] == list(PLANS)
    assert [row[5] for row in table.rows] == [f"{one['max_over_avg']:.3f}" for one in REPORTS]
    rows = plots.epochs_table(EPOCHS).rows
    assert [row[0] for row in rows] == [64, 16, 256]
    assert [row[3] for row in rows] == [f"{100 * one.reduction:.0f}" for one in EPOCHS]


def test_plans_can_be_told_apart_by_another_entry():
    table = plots.plans_table([one | {"engine": str(i)} for i, one in enumerate(REPORTS)], name="engine")
    assert table.head[0] == "engine" and [row[0] for row in table.rows] == ["0", "1", "2"]


def test_layers_with_their_work_and_what_leaves_them():
    table = plots.layers_table(tasks_of(NETWORK), WORK, batch=1)
    rows = {row[0]: row for row in table.rows}
    assert sum(float(row[2]) for row in table.rows) == pytest.approx(100, abs=0.05)
    assert rows["conv1"][1:] == (6, f"{100 * 117600 / 416520:.2f}", f"{6 * 14 * 14 / 2**20:.3f}")
    assert "lenet5" in table.caption and "modelled" in table.caption


def test_no_rows_and_mixed_batches_are_refused():
    with pytest.raises(LabError, match="no rows"):
        plots.methods_plot([])
    with pytest.raises(LabError, match="different batches"):
        plots.plans_table([REPORTS[0], report(PLANS["layer"], WORK, batch=1)])
