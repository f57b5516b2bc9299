"""Checkpoints: arrays and a JSON document in one safetensors file, written so that a good one is never lost.

The file format holds plain arrays behind a header of JSON: reading it can never run code. The document says which
network the arrays belong to, with which settings it was trained and how far. A new checkpoint is written beside the old
one, forced to the disk, and only then given its name, so a crash or a full disk leaves the old one as it was.
"""

import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from labkit.engine.model import Model
from labkit.errors import LabError
from labkit.machine.disk import appear
from labkit.network import Network, from_document, to_document

FILE = "checkpoint.safetensors"  # its name within a folder
KEY = "labkit"  # of the document among the file's metadata
FORMAT = 1


def write(path: str | Path, arrays: dict[str, np.ndarray], document: dict) -> Path:
    """Write a checkpoint; `path` is the file, or the folder that holds (or will hold) it. Returns the file's path.

    The file appears complete or not at all, replacing an older one. Raises LabError where it cannot be written.
    """
    metadata = {KEY: json.dumps({"format": FORMAT} | document, allow_nan=False)}

    def save(part: Path) -> None:
        try:
            save_file(arrays, part, metadata)
        except SafetensorError as error:
            raise OSError(error) from None

    return appear(locate(path), save)


def read(path: str | Path, targets: dict[str, np.ndarray] | None = None) -> dict:
    """The document of a checkpoint (file, or folder with one); each array in `targets` is filled from the file.

    Nothing is written into `targets` unless the file has all of them with the same shapes and types.
    Raises LabError for a file that is missing, truncated, not a checkpoint of labkit, or has other arrays.
    """
    path = locate(path)
    targets = targets or {}
    try:
        with safe_open(path, framework="numpy") as file:
            document = _document(path, file.metadata())
            for name, target in targets.items():
                _check(path, file, name, target)
            for name, target in targets.items():
                target[...] = file.get_tensor(name)
    except FileNotFoundError:
        raise LabError(
            f"there is no checkpoint {path}", "give the folder that a run wrote its checkpoints to"
        ) from None
    except (OSError, SafetensorError) as error:
        raise LabError(f"cannot read {path}: {error}", "it is damaged or no checkpoint; use another") from None
    return document


def read_all(path: str | Path) -> tuple[dict, dict[str, np.ndarray]]:
    """The document of a checkpoint and all its arrays, by name; raises LabError as `read` does."""
    document = read(path)
    try:
        with safe_open(locate(path), framework="numpy") as file:
            return document, {name: file.get_tensor(name) for name in sorted(file.keys())}
    except (OSError, SafetensorError) as error:
        raise LabError(f"cannot read {locate(path)}: {error}", "it is damaged; use another") from None


def names(path: str | Path) -> list[str]:
    """Names of the arrays in a checkpoint, sorted; raises LabError as `read` does."""
    read(path)
    with safe_open(locate(path), framework="numpy") as file:
        return sorted(file.keys())


def network(path: str | Path) -> Network:
    """The network that a checkpoint belongs to."""
    return _network(locate(path), read(path))


def load(path: str | Path, model: Model) -> dict:
    """Fill the weights and states of `model` from a checkpoint of the same network; returns its document.

    Raises LabError as `read` does, and for a checkpoint of another network or float type.
    """
    check_network(path, read(path), model)
    arrays = host_arrays(model)
    document = read(path, arrays)
    take(model, arrays)
    return document


def check_network(path: str | Path, document: dict, model: Model) -> None:
    """Refuse a checkpoint whose network is not the model's (its name does not matter, its layers and shapes do)."""
    stored, wanted = _network(locate(path), document), model.network
    if (stored.input_shape, stored.nodes) != (wanted.input_shape, wanted.nodes):
        raise LabError(
            f"{locate(path)} holds network {stored.name!r} with input {stored.input_shape} and {stored.parameters:,} "
            f"parameters, not {wanted.name!r} with input {wanted.input_shape} and {wanted.parameters:,}",
            "give the network it was trained with, or another folder",
        )


def host_arrays(model: Model) -> dict[str, np.ndarray]:
    """Weights and states of `model` under their names in the file; views where they lie on the host, else copies."""
    parameters = {f"parameters.{name}": array for name, array in model.parameters.host().items()}
    return parameters | {f"state.{name}": array for name, array in model.state.host().items()}


def take(model: Model, arrays: dict[str, np.ndarray]) -> None:
    """Overwrite weights and states of `model` with arrays named as by `host_arrays`."""
    for kind, tensors in (("parameters", model.parameters), ("state", model.state)):
        for name, array in tensors.items():
            model.arrays.put(arrays[f"{kind}.{name}"], array)


def describe(model: Model) -> dict:
    """The part of the document that says what the weights belong to."""
    return {"network": to_document(model.network), "model_seed": model.seed, "dtype": model.dtype.name}


def locate(path: str | Path) -> Path:
    """The checkpoint's file: `path` itself if it ends in .safetensors, else the one inside the folder `path`."""
    path = Path(path)
    return path if path.suffix == ".safetensors" else path / FILE


def _document(path: Path, metadata: dict[str, str] | None) -> dict:
    try:
        document = json.loads((metadata or {})[KEY])
        if document["format"] == FORMAT:
            return document
        found = f"format {document['format']!r}"
    except (KeyError, TypeError, ValueError):
        found = "no document of labkit"
    raise LabError(f"{path} has {found}", f"give a checkpoint of format {FORMAT}, written by a training run of labkit")


def _network(path: Path, document: dict) -> Network:
    try:
        return from_document(document.get("network"))
    except LabError as error:
        raise LabError(f"{path} describes no network: {error.what}", "use another checkpoint") from None


def _check(path: Path, file, name: str, target: np.ndarray) -> None:
    if name not in file.keys():  # noqa: SIM118  (not a dictionary)
        raise LabError(f"{path} has no array {name!r}", "use a checkpoint of this network and optimiser")
    found = file.get_slice(name)
    shape, kind = tuple(found.get_shape()), {"F32": "float32", "F64": "float64"}.get(found.get_dtype())
    if shape != target.shape or kind != target.dtype.name:
        raise LabError(
            f"{path}: array {name!r} has type {found.get_dtype()} and shape {shape}, "
            f"not {target.dtype.name} and {target.shape}",
            "use a checkpoint of this network and float type",
        )
