"""Small networks to draw, and the names of their vertices and nets: the pins of figures 3.3 and 3.4 of eserol-2019."""

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.network import zoo
from labkit.partition import coarse, fine, flops, tasks_of
from labkit.partition.figure import SMALL, figure_network, lenet5_head, residual_block, small_network
from labkit.partition.names import counted, names, vertex_names


def problem(network, grain=coarse, **options):
    tasks = tasks_of(network)
    return grain(tasks, flops(tasks), **options)


def pins(found):
    return {tuple(found.hypergraph.net(e).tolist()) for e in range(found.hypergraph.nets)}


def test_pins_of_figure_3_4():
    """Input maps 0-2, filters 3-11; every map of a layer is read by all filters of the next."""
    found = problem(figure_network(), dense="neuron")
    expected = {(a, 3, 4, 5, 6) for a in (0, 1, 2)} | {(a, 7, 8, 9) for a in (3, 4, 5, 6)}
    expected |= {(a, 10, 11) for a in (7, 8, 9)} | {(10, 11)}  # the last: output map 1 goes where the loss is
    assert pins(found) == expected
    assert found.hypergraph.nets == 11


def test_pins_of_figure_3_3():
    """Channels 3-14 and sums 15-18 of conv1, channels 19-30 and sums 31-33 of conv2, and so on."""
    found = problem(figure_network(), fine)
    read = {(c, *range(3 + c, 15, 3)) for c in range(3)}
    read |= {(15 + c, *range(19 + c, 31, 4)) for c in range(4)} | {(31 + c, *range(34 + c, 40, 3)) for c in range(3)}
    added = {(*range(3 + 3 * k, 6 + 3 * k), 15 + k) for k in range(4)}
    added |= {(*range(19 + 4 * k, 23 + 4 * k), 31 + k) for k in range(3)}
    added |= {(*range(34 + 3 * k, 37 + 3 * k), 40 + k) for k in range(2)}
    assert pins(found) == read | added | {(40, 41)}
    assert (3, 4, 5, 15) in added  # the sum that the text of section 3.3 works out


def test_names_in_the_figures_numbering():
    found = names(problem(figure_network(), fine))
    assert found.vertices[0] == "map 0 of input"
    assert found.vertices[4] == "channel 1 of filter 0 of conv1"
    assert found.vertices[15] == "sum of filter 0 of conv1"
    assert found.vertices[30] == "channel 3 of filter 2 of conv2"
    by_name = dict(zip(found.nets, found.hubs, strict=True))
    assert by_name["map 3 of conv1"] == 18 and by_name["sum of filter 2 of conv2"] == 33
    assert names(problem(figure_network(), dense="neuron")).vertices[3] == "filter 0 of conv1"


def test_a_map_of_the_stem_is_read_over_three_layers():
    found = problem(residual_block(), dense="neuron")
    named = names(found)
    net = named.nets.index("map 1 of relu")
    assert [named.vertices[v] for v in found.hypergraph.net(net)] == [
        "filter 1 of stem",
        *(f"filter {k} of conv1" for k in range(4)),
        "filter 1 of conv2",
    ]


def test_lenet5_head_ends_after_its_convolutions():
    found = problem(lenet5_head())
    assert found.tasks.names == ("input", "conv1", "conv2") and found.vertices.count == 1 + 6 + 16


@pytest.mark.parametrize("name", ["resnet18_32", "googlenet", "lenet5_1998"])
@pytest.mark.parametrize(("grain", "groups"), [(coarse, 3), (fine, 2)])
def test_every_vertex_and_net_has_one_name_and_the_hub_is_a_pin(name, grain, groups):
    found = problem(zoo.get(name), grain, groups=groups)
    named = names(found)
    assert len(set(named.vertices)) == len(named.vertices) == found.vertices.count
    rows = list(zip(found.row_of_net.tolist(), named.nets, strict=True))
    assert all(hub in found.hypergraph.net(e) for e, hub in enumerate(named.hubs))
    assert all(found.rows[row][0] in text for row, text in rows)


def test_groups_are_named_by_their_ranges():
    found = problem(zoo.get("lenet5"), groups=2)
    assert vertex_names(found)[1:6] == (
        "filters 0 to 2 of conv1",
        "filters 3 to 5 of conv1",
        "filters 0 to 7 of conv2",
        "filters 8 to 15 of conv2",
        "filters 0 to 59 of conv3",
    )
    assert names(found).nets[1] == "maps 0 to 2 of pool1"


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([3], "map 3"), ([0, 1], "maps 0 and 1"), ([0, 2], "maps 0 and 2"), ([0, 2, 5, 6, 7], "maps 0, 2 and 5 to 7")],
)
def test_numbers_in_words(numbers, text):
    assert counted("map", np.array(numbers)) == text


def test_small_networks_have_names():
    assert {small_network(name).name for name in SMALL} == {SMALL[name]().name for name in SMALL}
    assert small_network("lenet5") == zoo.get("lenet5")
    with pytest.raises(LabError, match="did you mean 'figure'"):
        small_network("figur")
