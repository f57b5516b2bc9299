"""Networks as JSON documents: a user's own network is accepted wherever a name of the zoo is.

    {"name": "tiny", "input_shape": [1, 28, 28], "layers": [
        {"name": "conv1", "kind": "conv", "K": 8, "R": 3, "padding": 1},
        {"name": "relu1", "kind": "relu"},
        {"name": "flatten", "kind": "flatten"},
        {"name": "fc", "kind": "dense", "K": 10},
        {"name": "softmax", "kind": "softmax"}]}

A layer reads the one before it unless it names others: `"inputs": ["conv1", "conv2"]`; the network's own input is
called "input". Fields are those of the layer records in `layers.py` and `weightless.py`; fields left out take their
defaults.
"""

import json
from dataclasses import MISSING, fields
from pathlib import Path

from labkit.errors import LabError, suggest
from labkit.network import layers, weightless
from labkit.network.graph import INPUT, Network, Node
from labkit.network.layer import Layer
from labkit.network.zoo import get, names

KEYS = {"name": str, "input_shape": list, "layers": list}
SPOKEN = {str: "string", list: "list"}
KINDS = {
    record.__name__.lower(): record
    for module in (layers, weightless)
    for record in vars(module).values()
    if isinstance(record, type) and issubclass(record, Layer) and record is not Layer
}


def load(name_or_file: str) -> Network:
    """A network of the zoo by name, or one from a JSON file if the text ends in .json.

    Raises LabError for an unknown name, a missing or malformed file, or layers that do not fit.
    """
    if not str(name_or_file).endswith(".json"):
        if name_or_file in names():
            return get(name_or_file)
        raise LabError(
            f"unknown network {str(name_or_file)!r}", suggest(name_or_file, names()) + " (or give a .json file)"
        )
    path = Path(name_or_file)
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))  # Windows' editors put a mark before the text
    except FileNotFoundError:
        raise LabError(f"no such file: {path}", "give the path of a network's JSON file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(f"cannot read {path}: {error}", "give the path of a network's JSON file") from None
    except json.JSONDecodeError as error:
        raise LabError(
            f"{path} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}", "mend it"
        ) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, lists within lists within lists
        raise LabError(f"{path} is no document of a network: {error}", "mend it") from None
    return from_document(document)


def to_document(network: Network) -> dict:
    """The JSON document of `network`: only fields that differ from their defaults."""
    rows = []
    previous = INPUT
    for node in network.nodes:
        row = {"name": node.name, "kind": node.layer.kind}
        if node.inputs != (previous,):
            row["inputs"] = list(node.inputs)
        for field in fields(node.layer):
            value = getattr(node.layer, field.name)
            if field.default is MISSING or value != field.default:
                row[field.name] = value
        rows.append(row)
        previous = node.name
    return {"name": network.name, "input_shape": list(network.input_shape), "layers": rows}


def from_document(document: object) -> Network:
    """The network that a JSON document describes; raises LabError naming the key or layer that is wrong."""
    if not isinstance(document, dict):
        raise LabError(f"a network's document is {type(document).__name__}", 'write {"name", "input_shape", "layers"}')
    for key, kind in KEYS.items():
        if not isinstance(document.get(key), kind):
            raise LabError(f"a network's {key!r} is {document.get(key)!r}", f"give a {SPOKEN[kind]}")
    for key in document:
        if key not in KEYS:
            raise LabError(f"a network's document has a key {key!r}", suggest(key, KEYS))
    nodes, previous = [], INPUT
    for number, row in enumerate(document["layers"], start=1):
        nodes.append(_node(row, number, previous))
        previous = nodes[-1].name
    return Network(document["name"], tuple(document["input_shape"]), tuple(nodes))


def _node(row: object, number: int, previous: str) -> Node:
    if not isinstance(row, dict) or not isinstance(row.get("name"), str):
        raise LabError(f"layer {number} of the document is {row!r}", 'write {"name": ..., "kind": ...}')
    name = row["name"]
    kind = row.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise LabError(f"layer {name!r} has kind {kind!r}", suggest(kind, KINDS))
    record = KINDS[kind]
    allowed = [field.name for field in fields(record)]
    given = {key: value for key, value in row.items() if key not in ("name", "kind", "inputs")}
    for key in given:
        if key not in allowed:
            raise LabError(f"layer {name!r} has a field {key!r}", suggest(key, allowed) if allowed else "leave it out")
    missing = [f.name for f in fields(record) if f.default is MISSING and f.name not in given]
    if missing:
        raise LabError(f"layer {name!r} ({kind}) lacks {', '.join(missing)}", "add it")
    inputs = row.get("inputs", [previous])
    if not isinstance(inputs, list) or not all(isinstance(source, str) for source in inputs):
        raise LabError(f"layer {name!r} has inputs {inputs!r}", "give a list of names of layers")
    try:
        return Node(name, record(**given), tuple(inputs))
    except LabError as error:
        raise LabError(f"layer {name!r} ({kind}): {error.what}", error.instead) from None
