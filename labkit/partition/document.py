"""Plans as JSON documents that a person can read and edit: `labkit partition` writes them, whatever trains reads them.

    {"format": "labkit-plan", "version": 1,
     "parts": 2, "method": "coarse", "made": {"seed": 0},
     "network": {"name": "tiny", "input_shape": [1, 28, 28], "layers": [...]},
     "layers": [
       {"layer": "input", "part": 0},
       {"layer": "conv1", "filters": {"0": "0-3", "1": "4-7"}},
       {"layer": "fc", "part": 1}]}

The network's own document is part of it, so that a file stands alone. `document_layers.py` says how a row tells who
owns what of a layer. `made` and `method` may be left out.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from labkit.errors import LabError
from labkit.network import INPUT, Conv, Dense, Network, PadShortcut
from labkit.network import from_document as network_from_document
from labkit.network import to_document as network_to_document
from labkit.partition.document_layers import check_keys, layer_row, read_row
from labkit.partition.files import write_whole
from labkit.partition.plan import MOST_PARTS, Plan
from labkit.partition.trace import tasks_of

FORMAT = "labkit-plan"
VERSION = 1
NEEDED = ("format", "version", "parts", "network", "layers")
OPTIONAL = ("method", "made")
MOST_FILTERS = 2**20  # of one layer; a slip of the keyboard would fill the memory before anyone could say so
MOST_TASKS = 2**26  # channels of filters of one layer: 256 times the largest layer of VGG16


def to_document(plan: Plan) -> dict:
    """The JSON document of a plan. Raises LabError if `plan.made` holds what JSON cannot say."""
    try:
        made = json.loads(json.dumps(plan.made, allow_nan=False, default=_plain))
    except (TypeError, ValueError, RecursionError) as error:
        raise LabError(f"the plan's `made` cannot be written: {error}", "keep numbers, texts and lists there") from None
    return {
        "format": FORMAT,
        "version": VERSION,
        "parts": plan.parts,
        "method": plan.method,
        "made": made,
        "network": network_to_document(plan.network),
        "layers": [layer_row(piece) for piece in plan.slices],
    }


def _plain(value: object) -> object:
    """NumPy's numbers and arrays as Python's."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no value of JSON")


def from_document(document: object, network: Network | None = None) -> Plan:
    """The plan that a document describes. network: refuse a plan for any other network.

    Raises LabError naming what is wrong: keys, types, the network, the layer, the filter or channel without owner or
    with two of them.
    """
    if isinstance(document, dict) and document.get("format") != FORMAT:
        raise LabError(f"a plan's 'format' is {str(document.get('format'))[:40]!r}", f'write "{FORMAT}"')
    if isinstance(document, dict):
        _check_version(document.get("version"))
    check_keys(document, NEEDED, OPTIONAL, "the plan")
    parts, method, made = document["parts"], document.get("method", "by hand"), document.get("made", {})
    if not isinstance(parts, int) or isinstance(parts, bool) or not 1 <= parts <= MOST_PARTS:
        raise LabError(f"'parts' of the plan is {str(parts)[:40]}", f"give a whole number from 1 to {MOST_PARTS}")
    for key, value, kind, spoken in (("method", method, str, "a string"), ("made", made, dict, "an object")):
        if not isinstance(value, kind):
            raise LabError(f"{key!r} of the plan is {str(value)[:40]}", f"give {spoken}")
    own = network_from_document(document["network"])
    if network is not None and own != network:
        raise _for_another(own, network)
    _check_size(own)
    return Plan(own, parts, _slices(document["layers"], own, parts), method, made)


def _check_version(version: object) -> None:
    if not isinstance(version, int) or isinstance(version, bool) or version < VERSION:
        raise LabError(f"a plan's 'version' is {str(version)[:40]!r}", f"write {VERSION}")
    if version > VERSION:
        raise LabError(
            f"the plan is of version {str(version)[:20]} of its format, this labkit reads {VERSION}", "update labkit"
        )


def _for_another(own: Network, network: Network) -> LabError:
    """The error for a plan of `own` where one of `network` is wanted."""
    if own.name != network.name:
        what = f"the plan is for {own.name!r}, not for {network.name!r}"
    elif own.input_shape != network.input_shape:
        what = f"the plan is for {own.name!r} with inputs {own.input_shape}, not {network.input_shape}"
    else:
        mine, its = dict.fromkeys(own.nodes), dict.fromkeys(network.nodes)
        node = next((n for n in its if n not in mine), None) or next((n for n in mine if n not in its), own.nodes[0])
        what = f"the plan is for another {own.name!r}: the two differ in layer {node.name!r}"
    return LabError(what, "partition this network, or give the one that the plan was made for")


def _check_size(network: Network) -> None:
    """Refuse a network whose plan would not fit into memory, before anything of that size is made."""
    sizes = {INPUT: (network.input_shape[0], 1)}
    for node in network.nodes:
        if isinstance(node.layer, (Conv, Dense, PadShortcut)):
            channels = network.input_shapes(node)[0][0] if isinstance(node.layer, Conv) else 1
            sizes[node.name] = (node.layer.K, channels)
    for name, (filters, channels) in sizes.items():
        if filters > MOST_FILTERS or filters * channels > MOST_TASKS:
            raise LabError(
                f"layer {name!r} of the plan's network has {filters} filters with {channels} channels",
                f"use at most {MOST_FILTERS} filters and {MOST_TASKS} channels in all",
            )


def _slices(rows: object, network: Network, parts: int) -> tuple:
    if not isinstance(rows, list):
        raise LabError(f"'layers' of the plan are {type(rows).__name__}", "give a list, one row per layer")
    tasks, slices, seen = tasks_of(network), [], set()
    for number, row in enumerate(rows, start=1):
        name = row.get("layer") if isinstance(row, dict) else None
        if not isinstance(name, str):
            raise LabError(f"row {number} of the plan's layers names no layer", 'write {"layer": ..., "part": ...}')
        if name in seen:
            raise LabError(f"layer {name!r} stands twice in the plan", "keep one of the rows")
        seen.add(name)
        slices.append(read_row(row, tasks.layers[tasks.number(name)], parts))
    return tuple(slices)


def save(plan: Plan, path: str | Path) -> Path:
    """Write a plan to a file, which appears complete or not at all, replacing an older one; returns its path.

    Raises LabError where it cannot be written.
    """
    return write_whole(path, layout(to_document(plan)))


def layout(document: dict) -> str:
    """The document as text: a line for each layer of the network, for each layer's owners, and for each block."""
    network = document["network"]
    lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in document.items() if k not in ("network", "layers")]
    lines.append(f'"network": {_opened(network, "layers", map(json.dumps, network["layers"]), "   ")}')
    rows = [
        _opened(row, "blocks", map(json.dumps, row["blocks"]), "     ") if "blocks" in row else json.dumps(row)
        for row in document["layers"]
    ]
    lines.append(_opened({"layers": rows}, "layers", rows, "   ")[1:-1])
    return "{" + ",\n ".join(lines) + "}\n"


def _opened(record: dict, key: str, rows: Iterable[str], space: str) -> str:
    """An object as text in which the list under `key`, its last, has a line for each row."""
    head = "".join(f"{json.dumps(k)}: {json.dumps(v)}, " for k, v in record.items() if k != key)
    return f"{{{head}{json.dumps(key)}: [\n" + ",\n".join(space + row for row in rows) + "]}"


def load_plan(path: str | Path, network: Network | None = None) -> Plan:
    """The plan in a file; network: refuse a plan for any other.

    Raises LabError for a file that is missing or not JSON (with line and column), and as `from_document` does.
    """
    path, instead = Path(path), "give the path of a plan's JSON file, as `labkit partition --out` writes it"
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows' editors put a mark before the text
    except FileNotFoundError:
        raise LabError(f"no such file: {path}", instead) from None
    except (OSError, ValueError) as error:  # bytes that are no text; a path with a zero byte
        raise LabError(f"cannot read {path}: {error}", instead) from None
    try:
        return from_document(json.loads(text, object_pairs_hook=_once, parse_constant=_number), network)
    except LabError as error:
        raise LabError(f"{path}: {error.what}", error.instead) from None
    except json.JSONDecodeError as error:
        raise LabError(
            f"{path} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}", "mend it"
        ) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, lists within lists within lists
        raise LabError(f"{path} is no document of a plan: {error}", "mend it") from None


def _once(pairs: list[tuple[str, object]]) -> dict:
    """An object of JSON, in which a key may stand once: the last one would hide what the others give away."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise LabError(f"the key {twice!r} stands twice in one object", "join them")
    return found


def _number(name: str) -> float:
    raise LabError(f"{name} is no number of JSON", "give a finite number")
