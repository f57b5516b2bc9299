"""PaToH's and hMETIS's files: figure 3.5 of eserol-2019, round trips, and every mistake with its line and column."""

import re
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.network import Conv, Dense, Flatten, ReLU, Softmax, chain, zoo
from labkit.partition import Hypergraph, Weights, coarse, fine, flops, tasks_of
from labkit.partition.formats import hmetis, patoh
from labkit.partition.formats.rows import MOST_TOTAL, whole_weights

FIGURE_3_5 = """\
0 13 12 38 3
1 0 1 2 3 4
2 1 5 6 7
2 2 5 6 7
2 3 5 6 7
2 4 5 6 7
3 5 8 9
3 6 8 9
3 7 8 9
4 8 10
4 9 10
5 10 11
6 11 12
1 2 2 2 2 3 3 3 4 4 5 6 7
"""


def of_figure_3_4():
    """The network of figure 3.4 with the three dense layers of figure 3.5, of which each is one vertex."""
    layers = {"conv1": Conv(4, 3), "relu1": ReLU(), "conv2": Conv(3, 3), "conv3": Conv(2, 3), "flatten": Flatten()}
    layers |= {"fc1": Dense(6), "relu2": ReLU(), "fc2": Dense(5), "fc3": Dense(4), "softmax": Softmax()}
    tasks = tasks_of(chain("figure 3.4", (3, 12, 12), layers))
    by_hand = Weights("increasing by one at each layer", [1, 4 * 2, 3 * 3, 2 * 4, 5, 6, 7], "by hand", "claimed")
    problem = coarse(tasks, by_hand)
    found = problem.hypergraph
    return Hypergraph(found.starts, found.pins, problem.row_of_net + 1, found.weights)


def same(one: Hypergraph, other: Hypergraph) -> bool:
    return all(np.array_equal(getattr(one, k), getattr(other, k)) for k in ("starts", "pins", "costs", "weights"))


def test_figure_3_5_is_what_we_write_for_the_network_of_figure_3_4():
    assert patoh.write_text(of_figure_3_4()) == (FIGURE_3_5, 1)


def test_figure_3_5_is_read_as_that_hypergraph():
    found = patoh.read_text(FIGURE_3_5)
    assert (found.vertices, found.nets, len(found.pins)) == (13, 12, 38)
    assert same(found, of_figure_3_4())


def test_the_figure_as_a_file_of_hmetis():
    """The same nets; pins from 1, weights below each other."""
    lines = hmetis.write_text(of_figure_3_4())[0].splitlines()
    assert lines[:3] == ["12 13 11", "1 1 2 3 4 5", "2 2 6 7 8"]
    assert lines[12:] == ["6 12 13", "1", "2", "2", "2", "2", "3", "3", "3", "4", "4", "5", "6", "7"]


def small(costs=(1, 1, 1), weights=(1, 1, 1, 1)) -> Hypergraph:
    return Hypergraph([0, 2, 5, 6], [0, 1, 3, 1, 2, 0], costs, weights)


KINDS = [small(), small(costs=(3, 0, 1)), small(weights=(0, 5, 1, 2)), small((2, 2, 2), (4, 3, 2, 1))]


@pytest.mark.parametrize(
    ("hypergraph", "flag", "fmt"), [*zip(KINDS, ["", " 2", " 1", " 3"], ["", " 1", " 10", " 11"], strict=True)]
)
def test_only_what_is_not_one_is_written(hypergraph, flag, fmt):
    for base in (0, 1):
        text, scale = patoh.write_text(hypergraph, base)
        assert text.splitlines()[0] == f"{base} 4 3 6{flag}"
        assert same(patoh.read_text(text), hypergraph) and scale == 1
    text, scale = hmetis.write_text(hypergraph)
    assert text.splitlines()[0] == f"3 4{fmt}"
    assert same(hmetis.read_text(text), hypergraph) and scale == 1


def test_comments_blanks_and_ends_of_lines_of_other_systems():
    text = "% nets first\r\n 3\t4  11 \r\n% one\r\n2 1 2\r\n2 4 2 3\r\n  % two\r\n2 1\r\n4\r\n3\r\n2\r\n1\r\n\r\n  \r\n"
    assert same(hmetis.read_text(text), KINDS[3])
    text = "%\n0 4 3 6 3 \n2 0 1\n2 3 1 2\n%\n2 0\n4 3\n% the rest\n2\n\n1"
    assert same(patoh.read_text(text), KINDS[3])


def test_a_mark_of_windows_editors_before_the_text_is_ignored(tmp_path):
    path = tmp_path / "small.hgr"
    path.write_bytes(b"\xef\xbb\xbf" + hmetis.write_text(KINDS[3])[0].encode())
    assert same(hmetis.read(path), KINDS[3])


@pytest.mark.parametrize("form", [patoh, hmetis])
@pytest.mark.parametrize("grain", [coarse, fine])
def test_round_trip_of_a_network_through_a_file(form, grain, tmp_path):
    tasks = tasks_of(zoo.get("resnet18_star" if grain is coarse else "lenet5"))
    found = grain(tasks, flops(tasks)).hypergraph
    scale = form.write(found, tmp_path / "new" / "file")
    again = form.read(tmp_path / "new" / "file")
    assert np.array_equal(again.pins, found.pins) and np.array_equal(again.costs, found.costs)
    assert scale == 1 and np.array_equal(again.weights, found.weights)


def test_the_fine_vgg16_survives(tmp_path):
    """3.3 million pins, and weights too large for 32 bits: their shares are kept."""
    tasks = tasks_of(zoo.get("vgg16"))
    found = fine(tasks, flops(tasks)).hypergraph
    scale = hmetis.write(found, tmp_path / "vgg16.hgr")
    again = hmetis.read(tmp_path / "vgg16.hgr")
    assert np.array_equal(again.starts, found.starts) and np.array_equal(again.pins, found.pins)
    assert again.weights.sum() <= MOST_TOTAL
    assert np.abs(again.weights - found.weights * scale).max() <= 0.5


def test_mtkahypar_reads_what_we_write(require, tmp_path):
    require(find_spec("mtkahypar"), "mtkahypar is not installed")
    package = import_module("mtkahypar")
    library = package.initialize(1)
    context = library.context_from_preset(package.PresetType.DETERMINISTIC)
    context.set_partitioning_parameters(2, 0.1, package.Objective.KM1)
    found = of_figure_3_4()
    hmetis.write(found, tmp_path / "figure.hgr")
    read = library.hypergraph_from_file(str(tmp_path / "figure.hgr"), context)
    assert (read.num_nodes(), read.num_edges(), read.num_pins()) == (13, 12, 38)
    assert [sorted(read.pins(e)) for e in range(12)] == [found.net(e).tolist() for e in range(12)]
    assert [read.edge_weight(e) for e in range(12)] == found.costs.tolist()
    assert [read.node_weight(v) for v in range(13)] == found.weights.tolist()


@pytest.mark.parametrize(
    ("weights", "whole", "scale"),
    [
        ([0, 3, 6], [0, 3, 6], 1),
        ([3e9, 6e9, 0], [1, 2, 0], 1 / 3e9),
        ([0, 0], [0, 0], 1),
        ([], [], 1),
    ],
)
def test_whole_weights_are_kept_or_divided_exactly(weights, whole, scale):
    found, factor = whole_weights(np.array(weights, np.float64))
    assert (found.tolist(), factor) == (whole, scale)


@pytest.mark.parametrize("weights", [[0.5, 0.25, 1 / 3], [1e300, 2e300], [2**40 + 1, 2**41], [1e-9, 2e-9]])
def test_other_weights_are_scaled_and_rounded(weights):
    weights = np.array(weights)
    found, scale = whole_weights(weights)
    assert MOST_TOTAL - 2 * len(weights) <= found.sum() <= MOST_TOTAL
    assert np.abs(found - weights * scale).max() <= 0.5


@pytest.mark.parametrize("weights", [[np.inf, 1], [1e308, 1e308, 1e308], [5e-324]])
def test_weights_that_cannot_be_scaled_are_refused(weights):
    with pytest.raises(LabError, match="vertex weights with the sum"):
        hmetis.write_text(Hypergraph([0], [], [], weights))


def test_a_net_without_pins_cannot_be_written():
    with pytest.raises(LabError, match="net 1 has no pins"):
        patoh.write_text(Hypergraph([0, 1, 1], [0], [1, 1], [1.0]))


PATOH = [  # text, line, column, what was found and expected
    ("", 1, 1, "the end of the file — expected base"),
    ("% only\n", 2, 1, "the end of the file — expected base"),
    ("\n0 1 1 1\n0\n", 1, 1, "the end of the line — expected base"),
    ("0 2 1\n0 1\n", 1, 6, "the end of the line — expected pins (the first line is: base vertices nets pins [flag])"),
    ("0 2 1 2 0 1\n0 1\n", 1, 11, "1 — expected the end of the line"),
    ("2 2 1 2\n0 1\n", 1, 1, "2 — expected 0 or 1"),
    ("0 2 1 2 4\n0 1\n", 1, 9, "4 — expected flag 0 (nothing more), 1 (vertex weights), 2 (net costs) or 3 (both)"),
    ("0 20000000 1 2\n0 1\n", 1, 3, "20000000 — expected a number of vertices up to 10000000"),
    ("0 2 2 4\n0 1\n", 3, 1, "the end of the file — expected net 2 of the 2 that the first line announces"),
    ("0 2 2 3\n0 1\n\n1\n", 3, 1, "the end of the line — expected net 2 of 2: its pins"),
    ("0 2 1 2 2\n5\n", 2, 2, "the end of the line — expected net 1 of 1: a cost, then pins"),
    ("0 2 1 2\n0 2\n", 2, 3, "2 — expected a vertex from 0 to 1"),
    ("1 2 1 2\n1 0\n", 2, 3, "0 — expected a vertex from 1 to 2"),
    ("0 3 1 3\n2 1 2\n", 2, 5, "2 — expected each vertex once in a net"),
    ("0 2 1 3\n0 1\n", 1, 7, "3 — expected 2, the number of pins that the nets have"),
    ("0 2 1 2 1\n0 1\n7\n", 4, 1, "the end of the file — expected the weight of vertex 1 (2 of 2)"),
    ("0 2 1 2 1\n0 1\n7 8 9\n", 3, 5, "9 — expected the end of the file"),
    ("0 2 1 2\n0 1\n1\n", 3, 1, "1 — expected the end of the file"),
    ("0 2 1 2\n0 -1\n", 2, 3, "the negative number -1 — expected a whole number"),
    ("0 2 1 2\n0 1.0\n", 2, 3, "'1.0' — expected a whole number"),
    ("0 2 1 2\n0 1 % a net\n", 2, 5, "'%' — expected a whole number"),
    ("0 2 1 2\n0\u00a01\n", 2, 1, "'0\\xa01' — expected a whole number"),
    ("0 2 1 2\nÄ 1 x\n", 2, 1, "'Ä' — expected a whole number"),
    ("0 2 1 2\n0 1234567890123456\n", 2, 3, "1234567890123456 — expected a whole number from 0 up, with at most 15"),
]  # fmt: skip

HMETIS = [
    ("", 1, 1, "the end of the file — expected nets (the first line is: nets vertices [fmt])"),
    ("% x\n3\n", 2, 2, "the end of the line — expected vertices"),
    ("1 2 1 1\n", 1, 7, "1 — expected the end of the line"),
    ("1 2 2\n1 2\n", 1, 5, "2 — expected fmt 0 (nothing more), 1 (net costs), 10 (vertex weights) or 11 (both)"),
    ("1 2\n0 1\n", 2, 1, "0 — expected a vertex from 1 to 2"),
    ("% x\n1 2\n% y\n1 3\n", 4, 3, "3 — expected a vertex from 1 to 2"),
    ("2 2\n1 2\n", 3, 1, "the end of the file — expected net 2 of the 2"),
    ("2 2\n1 2\n1\n2\n", 4, 1, "2 — expected the end of the file"),
    ("1 2 10\n1 2\n5\n", 4, 1, "the end of the file — expected the weight of vertex 2 of 2"),
    ("1 2 10\n1 2\n5 6\n", 3, 3, "6 — expected the end of the line: vertex 1 has one weight"),
    ("1 2 10\n1 2\n\n5\n6\n", 3, 1, "the end of the line — expected the weight of vertex 1 of 2"),
    ("1 2 10\n1 2\n5\n6\n7", 5, 1, "7 — expected the end of the file"),
    ("1 2 11\n5 1 1\n", 2, 5, "1 — expected each vertex once in a net"),
    ("1 x\n", 1, 3, "'x' — expected a whole number"),
]


@pytest.mark.parametrize(
    ("form", "text", "line", "column", "words"),
    [(patoh, *row) for row in PATOH] + [(hmetis, *row) for row in HMETIS],
)
def test_each_mistake_with_its_line_and_column(form, text, line, column, words, tmp_path):
    path = tmp_path / "file.hgr"
    path.write_text(text, encoding="utf-8", newline="")
    with pytest.raises(LabError) as caught:
        form.read(path)
    assert str(caught.value).startswith(f"{path}, line {line}, column {column}: found {words}")
    with pytest.raises(LabError, match=rf"^the text, line {line}, column {column}: "):
        form.read_text(text)


@pytest.mark.parametrize("form", [patoh, hmetis])
def test_files_that_are_not_there(form, tmp_path):
    with pytest.raises(LabError, match=r"no such file: .*absent — give the path of a hypergraph file of \w+$"):
        form.read(tmp_path / "absent")
    with pytest.raises(LabError, match="cannot read"):
        form.read(tmp_path)
    with pytest.raises(LabError, match=re.escape(f"cannot write {tmp_path}")):
        form.write(small(), tmp_path)
