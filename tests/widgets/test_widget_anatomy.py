"""Network anatomy: the rows it gets, the arithmetic of its JavaScript, and its string."""

import json

import pytest

from labkit.errors import LabError
from labkit.network import table, zoo
from labkit.widgets import network_anatomy
from labkit.widgets._base import esm

MODULE = esm("choice.js", "toggle.js", "units.js", "anatomy.js")


@pytest.mark.parametrize("name", ["lenet5", "resnet18_32"])
@pytest.mark.parametrize("batch", [1, 32, 700])
def test_sizes_rescaled_in_the_page_equal_the_table(name, batch, run_js):
    network = zoo.get(name)
    view = network_anatomy(network, batch=5)
    rows = run_js(MODULE, f"(m) => {json.dumps(view.rows)}.map((row) => m.sizes(row, {batch}))")
    expected = table(network, batch)
    assert len(rows) == len(expected)
    for row, want in zip(rows, expected, strict=True):
        assert row["activations"] == want.activation_bytes
        assert row["weights"] == want.weight_bytes
        assert row["heavy"] == (want.weight_bytes > want.activation_bytes)
        if want.weight_bytes and want.activation_bytes:
            assert row["equal"] == pytest.approx(want.ratio * batch)


def test_the_sentence_names_the_heavy_layers(run_js):
    rows = json.dumps(network_anatomy("alexnet").rows)
    state = json.dumps({"batch": 32, "layer": ""})
    body = f"const all = {rows}.map((row) => m.sizes(row, 32)); return m.sentence(all, all, {state});"
    text = run_js(MODULE, f"(m) => {{ {body} }}")
    assert text.startswith("Batch 32: 3 of 8 layers with weights hold more bytes of weights than of activations")
    assert "(fc6, fc7, fc8)" in text


def test_a_scale_starts_at_zero_and_ends_before_its_right_edge(run_js):
    for log in ("true", "false"):
        body = f"const scale = m.scaleOf([0, 10, 1000], {log}, 100, 200); return [0, 10, 1000].map(scale.at);"
        got = run_js(MODULE, f"(m) => {{ {body} }}")
        assert got[0] == 100 and got[0] < got[1] < got[2] < 200


def test_state_string_rebuilds_the_view():
    view = network_anatomy("lenet5", batch=64, scale="linear", all_layers=True)
    view.state = view.state | {"layer": "conv2"}
    again = network_anatomy(from_state=view.state_string())
    assert again.state == view.state and again.rows == view.rows and again.title == "Anatomy of lenet5"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"network": "lenet"}, "lenet5"),
        ({"network": "lenet5", "batch": 0}, "from 1 to 4096"),
        ({"network": "lenet5", "scale": "cubic"}, "log"),
        ({}, "network_anatomy\\('lenet5'\\)"),
        ({"from_state": "convolution_walk?stride=1"}, "network_anatomy"),
    ],
)
def test_bad_input_is_refused(arguments, word):
    with pytest.raises(LabError, match=word):
        network_anatomy(**arguments)
