"""The tables of eserol-2019 as data: every digit against the thesis's own text, and where the tables contradict."""

import re
from decimal import Decimal

import pytest

from labkit.errors import LabError
from labkit.network import zoo
from labkit.network.sizes import table as sizes
from labkit.partition.thesis import chapter5_network as printed
from labkit.partition.thesis.consistency import contradictions, doubtful_volumes
from labkit.partition.thesis.tables import PARTS, TABLES, all_figures, epoch_rows, figures, layer_rows

LOAD_COLUMNS = ("max_work", "min_work", "avg_work", "max_over_min", "max_over_avg", "max_times_parts")
VOLUME_COLUMNS = ("volume", "max_comm", "avg_comm", "max_over_avg_comm")


@pytest.fixture
def lines(shared_data, require) -> list[str]:
    """The extracted text of the thesis, one line per row of a table, cells between tabs."""
    file = shared_data.parent / "papers" / "eserol-2019.txt"
    require(file.is_file(), f"no text of the thesis in {file.parent}")
    return file.read_text(encoding="utf-8").splitlines()


def block(lines: list[str], table: str) -> list[list[str]]:
    """Cells of the rows that stand above the caption of a table, without the commas that group thousands."""
    (caption,) = (n for n, line in enumerate(lines) if line.startswith(f"Table {table}:"))
    rows = []
    for line in reversed(lines[:caption]):
        if "\t" in line:
            rows.append([cell.replace(",", "") for cell in line.split("\t")])
        elif rows:
            break
    return rows[::-1][1:]


def of_table(table: str) -> list:
    return [one for one in all_figures() if table in (one.load_table, one.volume_table)]


@pytest.mark.parametrize("pair", TABLES, ids=" ".join)
def test_every_digit_of_loads_and_volumes_is_the_text_s(lines, pair):
    for table, columns in zip(pair, (LOAD_COLUMNS, VOLUME_COLUMNS), strict=True):
        ours = [[f"N={one.parts}", *(str(getattr(one, c)) for c in columns)] for one in of_table(table)]
        assert ours == [[row[0], *(str(Decimal(cell)) for cell in row[1:])] for row in block(lines, table)]


def test_the_layers_of_table_5_13_are_the_text_s(lines):
    *rows, total = block(lines, "5.13")
    found = []
    for layer, output, memory, parameters in rows:
        height, width, maps = map(int, re.findall(r"\d+", output))
        plain = (re.sub(r"\\text{(.)}", r"\1", cell) for cell in (memory, parameters))
        kept, values = (re.findall(r"[\d.]+[KM]?", cell)[-1] for cell in plain)
        found.append((layer, (height, width, maps), kept, values))
    ours = [(row.layer, row.output, row.memory, str(row.parameters)) for row in layer_rows()]
    assert ours == found
    assert total[2:] == [f"{printed.MEMORY_MB_PER_IMAGE_5_13} MB / image", f"{printed.PARAMETERS_5_13} (with biases)"]


def test_the_epochs_of_table_5_14_are_the_text_s(lines):
    *rows, mean = block(lines, "5.14")
    found = [tuple(map(int, re.findall(r"\d+", " ".join(row)))) for row in rows]
    assert [(r.parts, r.batch, r.data_parallel, r.hypergraph, r.reduction_percent) for r in epoch_rows()] == found
    assert mean[-1] == f"{printed.MEAN_REDUCTION_PERCENT_5_14}%"
    text = " ".join(lines)
    assert f"by {printed.MEAN_REDUCTION_PERCENT_IN_TEXT}% on average" in text
    assert f"data of {printed.IMAGES_5_14} images" in text


def test_every_method_is_there_for_every_number_of_parts():
    assert len(all_figures()) == 4 + 11 * len(PARTS)
    assert {one.parts for one in all_figures() if one.method != "layer"} == set(PARTS)
    assert all(one.paper == "eserol-2019" and one.origin == "claimed" for one in all_figures())


def test_table_5_13_describes_the_zoo_s_vgg16():
    network = zoo.get("vgg16")
    ours = {row.name.upper(): row for row in sizes(network)}
    for row in layer_rows():
        name = {"INPUT": None}.get(row.layer, row.layer)
        maps, height, width = network.input_shape if name is None else (*ours[name].output_shape, 1, 1)[:3]
        assert (height, width, maps) == row.output
        biases = 0 if name is None or row.parameters == 0 else maps
        assert row.parameters + biases == (0 if name is None else ours[name].parameters)
    assert network.parameters == printed.PARAMETERS_5_13


@pytest.mark.parametrize(
    ("method", "parts", "max_load"),
    [("coarse", 128, 74_800 / 128), ("filter-incremental", 64, 57_957 / 63), ("layer", 2, 22_757), ("fine", 128, 546)],
)
def test_the_largest_load_has_the_digits_that_the_product_adds(method, parts, max_load):
    assert figures(method, parts, 0.03).max_load == pytest.approx(max_load)


def test_parts_that_stay_empty_are_told_by_the_product():
    empty = {(o.method, o.parts): o.parts - o.filled for o in all_figures() if o.filled and o.filled < o.parts}
    assert empty == {("filter-incremental", 64): 1, ("filter-incremental", 128): 6, ("channel-incremental", 128): 1}


def test_averages_are_of_the_parts_that_are_not_empty():
    """So 'Max / Avg comm' compares a layer's volume with a part's, and says nothing of balance."""
    for one in all_figures():
        if one.method.endswith("incremental"):
            low, high = one.between("avg_comm")
            volume = one.between("volume")
            assert low * one.filled < volume[1] and volume[0] < high * one.filled


def test_contradictions_of_the_chapter_5():
    found = {(c.table, c.parts, c.column) for c in contradictions() if c.table.startswith("5")}
    assert found == {("5.1", 2, "max_times_parts"), ("5.12", 16, "volume"), ("5.13", None, "memory")}


def test_contradictions_of_the_appendix_are_all_fine_grain_communication():
    found = {(c.table, c.parts, c.column) for c in contradictions() if c.table.startswith("A")}
    undecided, average, ratio = "volume or avg_comm", "avg_comm", "max_over_avg_comm"
    assert found == {
        ("A.10", 16, undecided),
        ("A.10", 32, average),
        ("A.10", 32, ratio),
        ("A.10", 64, "volume"),
        ("A.11", 8, undecided),
        ("A.11", 16, "volume"),
        ("A.11", 32, "volume"),
        ("A.11", 64, "volume"),
        ("A.12", 4, "volume"),
        ("A.12", 16, "volume"),
        ("A.12", 32, "volume"),
        ("A.12", 64, "volume"),
    }


def test_two_volumes_cannot_be_relied_on():
    """426.2 and 72.8: the average and the ratio beside them belong to volumes of about 560 and 55."""
    assert doubtful_volumes(off=0.1) == {("A.11", 16), ("A.12", 4)}
    expected = {(c.table, c.parts): c.expected for c in contradictions() if c.column == "volume"}
    assert expected["A.11", 16] == pytest.approx((560, 561.6))
    assert expected["A.12", 4] == pytest.approx((54.8, 55.2))


def test_the_memory_of_table_5_13_is_not_the_sum_of_its_rows():
    (found,) = (c for c in contradictions() if c.table == "5.13")
    assert found.expected[0] == pytest.approx(58.13, abs=0.01) and found.off == pytest.approx(0.6, abs=0.01)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (("corse", 8), "no method 'corse' — did you mean 'coarse'"),
        (("coarse", 8, 0.5), "no imbalance 0.5 — choose from 0.03, 0.1, 0.15, 0.2"),
        (("layer", 32), "no layer partition in 32 parts — choose from 2, 4, 8, 16"),
    ],
)
def test_a_figure_that_is_not_there_is_named(question, message):
    with pytest.raises(LabError, match=message):
        figures(*question)
