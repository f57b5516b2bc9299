"""Networks as JSON: everything in the zoo survives the round trip, and each mistake in a document is named."""

import json

import pytest

from labkit.errors import LabError
from labkit.network import describe, from_document, load, to_document, zoo

TINY = {
    "name": "tiny",
    "input_shape": [1, 8, 6],
    "layers": [
        {"name": "conv1", "kind": "conv", "K": 4, "R": 3, "padding": [1, 0], "connections": [[0], [0], [0], [0]]},
        {"name": "left", "kind": "relu"},
        {"name": "right", "kind": "tanh", "inputs": ["conv1"]},
        {"name": "sum", "kind": "add", "inputs": ["left", "right"]},
        {"name": "flatten", "kind": "flatten"},
        {"name": "fc", "kind": "dense", "K": 3},
    ],
}


@pytest.mark.parametrize("name", zoo.names())
def test_round_trip_through_text(name):
    network = zoo.get(name)
    assert from_document(json.loads(json.dumps(to_document(network)))) == network


def test_a_file_is_accepted_wherever_a_name_is(tmp_path):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(TINY))
    network = load(str(path))
    assert network.output_shape == (3,)
    assert network == from_document(to_document(network))
    assert load("lenet5") == zoo.get("lenet5")


def edited(**changes):
    document = json.loads(json.dumps(TINY))
    for key, value in changes.items():
        if key in document:
            document[key] = value
        else:
            document["layers"][0][key] = value
    return document


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], ["list", "input_shape"]),
        (edited(name=3), ["'name'", "3"]),
        (edited(layers={}), ["'layers'"]),
        (edited(input_shape=[1, "8", 6]), ["input shape"]),
        (edited(input_shape=[True, 8, 6]), ["input shape", "True"]),
        (edited(input_shape=[8, 6]), ["input shape", "(C, H, W)"]),
        (TINY | {"inputs": ["input"]}, ["'inputs'", "did you mean 'input_shape'"]),
        (edited(kind=["conv"]), ["'conv1'", "['conv']"]),
        (edited(kind="Conv"), ["'Conv'", "did you mean 'conv'"]),
        (edited(bias="no"), ["'conv1'", "bias='no'", "True or False"]),
        (edited(connections=[[0.7], [0], [0], [0]]), ["'conv1'", "filter 0", "[0.7]"]),
        (edited(connections=[[0], [-1], [0], [0]]), ["'conv1'", "filter 1", "[-1]"]),
        (edited(connections=[[0], [0], [[0]], [0]]), ["'conv1'", "filter 2", "[[0]]"]),
        (edited(connections=4), ["'conv1'", "connections=4"]),
        (edited(R=10**30, padding=10**30), ["'conv1'", "R=1000", "below 2^31"]),
        (edited(layers=[{"name": "", "kind": "relu"}]), ["''", "a name"]),
        (edited(layers=[{"name": "n", "kind": "lrn", "alpha": "x"}]), ["'n'", "alpha='x'", "finite number"]),
        (edited(layers=[{"name": "n", "kind": "lrn", "beta": float("nan")}]), ["'n'", "beta=nan"]),
        (edited(layers=[{"name": "n", "kind": "lrn", "k": 0}]), ["'n'", "k=0"]),
        (edited(layers=[{"kind": "relu"}]), ["layer 1"]),
        (edited(kind="convv"), ["'conv1'", "'convv'", "did you mean 'conv'"]),
        (edited(r=3), ["'conv1'", "did you mean 'R'"]),
        (edited(pading=2), ["'conv1'", "'pading'", "did you mean 'padding'"]),
        (edited(K="4"), ["'conv1'", "K='4'"]),
        (edited(inputs="input"), ["'conv1'", "list of names"]),
        (edited(layers=[{"name": "c", "kind": "conv", "R": 3}]), ["'c'", "lacks K"]),
    ],
)
def test_mistakes_are_named(document, words):
    with pytest.raises(LabError) as caught:
        from_document(document)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(LabError, match="no such file"):
        load(str(tmp_path / "none.json"))
    broken = tmp_path / "broken.json"
    broken.write_text('{"name": "x",\n "layers": [}')
    with pytest.raises(LabError, match="line 2, column 13"):
        load(str(broken))
    for text in ("[" * 100_000, '{"name": "x", "input_shape": [' + "9" * 5000 + "]}"):
        broken.write_text(text)
        with pytest.raises(LabError, match=r"broken\.json is (no document|not JSON)"):
            load(str(broken))
    with pytest.raises(LabError, match="did you mean 'lenet5'"):
        load("lenet")


def test_only_what_differs_from_the_defaults_is_written():
    rows = to_document(zoo.get("lenet5"))["layers"]
    assert rows[0] == {"name": "conv1", "kind": "conv", "K": 6, "R": 5, "S": 5, "stride": (1, 1), "padding": (0, 0)}
    assert rows[1] == {"name": "tanh1", "kind": "tanh"}


def test_a_file_from_windows_notepad_begins_with_a_mark(tmp_path):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(TINY), encoding="utf-8-sig")
    assert load(str(path)) == from_document(TINY)


def test_description_is_json_and_scales_with_the_batch():
    one, many = describe(zoo.get("lenet5")), describe(zoo.get("lenet5"), batch=32)
    assert json.loads(json.dumps(many)) == many
    assert many["activation_bytes"] == 32 * one["activation_bytes"] and many["weight_bytes"] == 4 * 61_706
    conv1 = many["layers"][0]
    assert conv1["ratio"] == pytest.approx(156 * 4 / (32 * 6 * 28 * 28 * 4))
    with pytest.raises(LabError, match="batch=0"):
        describe(zoo.get("lenet5"), batch=0)
