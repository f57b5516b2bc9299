"""Which mapping each layer of a network is run in: one for all, or one per layer, checked by name."""

from labkit.errors import LabError, suggest
from labkit.kernels.launch import MAPPINGS
from labkit.network import Network

DEFAULT = "hybrid"


def mappings_of(network: Network, mapping: str | dict[str, str] | None = None) -> dict[str, str]:
    """Layer name -> mapping, for every layer of `network`.

    mapping: a name for all layers; or a dict from layer to name, where "*" stands for all layers that it leaves out
    (without it these are run in the default, hybrid). Raises LabError for a layer or a mapping that does not exist.
    """
    wanted = {"*": mapping or DEFAULT} if mapping is None or isinstance(mapping, str) else {"*": DEFAULT, **mapping}
    layers = [node.name for node in network.nodes]
    for layer, name in wanted.items():
        if layer != "*" and layer not in layers:
            raise LabError(f"mapping for a layer {layer!r} that {network.name!r} does not have", suggest(layer, layers))
        if name not in MAPPINGS:
            raise LabError(f"unknown mapping {name!r}", suggest(str(name), MAPPINGS))
    return {layer: wanted.get(layer, wanted["*"]) for layer in layers}


def parse(text: str) -> str | dict[str, str]:
    """A mapping as it is typed: `hybrid`, or `hybrid,fc6=data,fc7=data` for a few layers that differ.

    Raises LabError for parts that are neither a name (first) nor LAYER=MAPPING.
    """
    first, *rest = [part.strip() for part in text.split(",")]
    if not rest and "=" not in first:
        return first
    pairs = [part.split("=") for part in (rest if "=" not in first else [first, *rest])]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise LabError(f"--mapping {text!r}", "give a mapping and then LAYER=MAPPING, e.g. hybrid,fc1=data")
    return ({} if "=" in first else {"*": first}) | {layer.strip(): name.strip() for layer, name in pairs}
