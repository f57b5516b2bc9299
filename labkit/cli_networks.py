"""`labkit networks`: the zoo, and one network's table per layer."""

from typing import Annotated

import typer

from labkit.cli_show import show_json, show_table
from labkit.errors import LabError

NetworkName = Annotated[str, typer.Argument(metavar="[NAME]", help="A network of the zoo, or a .json file.")]
Batch = Annotated[int, typer.Option(help="Samples that the activation bytes of NAME are for. Default: 1.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]


def networks(name: NetworkName = "", batch: Batch = None, json: Json = False) -> None:
    """Sizes of the networks, or of every layer of one network."""
    if name:
        one_network(name, 1 if batch is None else batch, json)
    elif batch is not None:
        raise LabError(f"--batch {batch} without a network", f"type: labkit networks NAME --batch {batch}")
    else:
        all_networks(json)


def all_networks(json: bool) -> None:
    """One row per network of the zoo."""
    from labkit.network import zoo

    keys = ("name", "input_shape", "parameters", "macs")
    known = [zoo.get(name) for name in zoo.names()]
    if json:
        return show_json([{key: getattr(n, key) for key in keys} for n in known])
    rows = [[getattr(n, key) for key in keys] for n in known]
    show_table("Networks", ("name", "input", "parameters", "MAC per sample"), rows, "labkit networks NAME: its layers")


def one_network(name: str, batch: int, json: bool) -> None:
    """One row per layer. MAC are those of one sample's forward pass, activation bytes those of the whole batch."""
    from labkit.network import describe, load

    sizes = describe(load(name), batch)
    if json:
        return show_json(sizes)
    columns = ("layer", "kind", "output", "parameters", "MAC", "activation bytes", "weight bytes", "weight/activation")
    keys = ("name", "kind", "output_shape", "parameters", "macs", "activation_bytes", "weight_bytes", "ratio")
    rows = [[row[key] for key in keys] for row in sizes["layers"]]
    total = f"{sizes['parameters']:,} parameters, {sizes['macs']:,} MAC per sample (forward); batch {batch}, float32"
    show_table(sizes["name"], columns, rows, total)
