"""`labkit networks`: the keys that scripts rely on, and the table for people."""

import json

import pytest
from rich.console import Console

from labkit.cli_show import cell, show_json
from labkit.network import describe, zoo


def test_list_has_every_network(labkit):
    rows = json.loads(labkit("networks", "--json").out)
    assert [row["name"] for row in rows] == zoo.names()
    assert all(row.keys() >= {"name", "input_shape", "parameters", "macs"} for row in rows)


def test_one_network_has_the_keys_of_the_contract(labkit):
    sizes = json.loads(labkit("networks", "lenet5", "--batch", "32", "--json").out)
    assert (sizes["name"], sizes["parameters"], sizes["macs"]) == ("lenet5", 61_706, 416_520)
    assert (sizes["batch"], sizes["input_shape"]) == (32, [1, 32, 32])
    layer = {"name", "kind", "output_shape", "parameters", "macs", "activation_bytes", "weight_bytes"}
    assert all(row.keys() >= layer for row in sizes["layers"])


def test_activations_grow_with_the_batch_and_weights_do_not(labkit):
    one, many = (json.loads(labkit("networks", "lenet5", "--batch", b, "--json").out)["layers"][0] for b in ("1", "7"))
    assert many["activation_bytes"] == 7 * one["activation_bytes"] == 7 * 6 * 28 * 28 * 4
    assert many["weight_bytes"] == one["weight_bytes"] == 156 * 4


def test_lenet_of_1998_has_its_connections(labkit):
    assert json.loads(labkit("networks", "lenet5_1998", "--json").out)["connections"] == 340_908


def test_table_names_each_column_and_the_totals(labkit):
    out = labkit("networks", "lenet5").out
    for word in ("output", "parameters", "MAC", "activation bytes", "weight bytes", "weight/activation"):
        assert word in out
    assert "61,706 parameters, 416,520 MAC" in out and "6 x 28 x 28" in out


@pytest.fixture
def terminal(monkeypatch):
    """`terminal(80)`: tables are drawn for a terminal of 80 columns from now on."""

    def resize(width: int) -> None:
        monkeypatch.setattr("labkit.cli_show._console", lambda: Console(width=width, markup=False, highlight=False))

    return resize


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
@pytest.mark.parametrize("name", ["lenet5", "vgg16"])
def test_no_number_is_broken_in_a_narrow_terminal(labkit, terminal, name, width):
    terminal(width)
    lines = labkit("networks", name).out.splitlines()
    for row in describe(zoo.get(name))["layers"]:
        keys = ("name", "kind", "output_shape", "parameters", "macs", "activation_bytes", "weight_bytes", "ratio")
        words = " ".join(cell(row[key]) for key in keys).split()
        assert sum(line.replace("│", " ").split() == words for line in lines) == 1, row["name"]


@pytest.mark.parametrize("width", [79, 80, 100, 113, 120])
def test_a_terminal_that_is_wide_enough_is_not_exceeded(labkit, terminal, width):
    terminal(width)
    for words in (("networks", "lenet5"), ("networks",), ("data", "list")):
        assert max(map(len, labkit(*words).out.splitlines())) <= width


def test_a_batch_is_for_one_network(labkit):
    ran = labkit("networks", "--batch", "32")
    assert (ran.status, ran.out) == (2, "") and "labkit networks NAME --batch 32" in ran.err


def test_a_file_is_taken_where_a_name_is(labkit, tmp_path):
    layers = [{"name": "flatten", "kind": "flatten"}, {"name": "fc", "kind": "dense", "K": 3}]
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"name": "mine", "input_shape": [1, 2, 2], "layers": layers}))
    assert json.loads(labkit("networks", str(file), "--json").out)["parameters"] == 15


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "yes"),
        (61706, "61,706"),
        (0.00104, "0.00104"),
        (12345.6, "12,346"),
        ((1, 28, 28), "1 x 28 x 28"),
        ("conv", "conv"),
    ],
)
def test_cells(value, text):
    assert cell(value) == text


def test_json_refuses_what_json_cannot_say():
    with pytest.raises(ValueError):
        show_json({"loss": float("nan")})
