"""Options of the schemes on the command line, which `labkit schedule` and `labkit run` share."""

import re
from typing import Annotated

import typer

from labkit.errors import LabError

SchemeName = Annotated[
    str, typer.Argument(metavar="SCHEME", help="single, allreduce, master, chunked, error-average, parameter-server.")
]
Network = Annotated[str, typer.Option(help="A network of the zoo, or a .json file.")]
Ranks = Annotated[int, typer.Option(help="How many ranks. May be left out for single.")]
Batch = Annotated[int, typer.Option(help="Samples of one step over all ranks: the global batch.")]
Algorithm = Annotated[str, typer.Option(help="allreduce: ring (default), tree, doubling, halving, or mpi's own.")]
BucketBytes = Annotated[
    int, typer.Option(help="allreduce: gradients that travel together; 0: one bucket per layer. Default: 2^20.")
]
Overlap = Annotated[
    bool, typer.Option("--overlap/--no-overlap", help="allreduce, parameter-server: send while computing (default).")
]
MicroBatches = Annotated[int, typer.Option(help="single, allreduce: compute each share in so many parts.")]
Chunks = Annotated[int, typer.Option(help="chunked: pieces that the weights come back in. Default: 4.")]
Servers = Annotated[str, typer.Option(help="parameter-server: 1 (rank 0 and nothing else, default) or sharded.")]
Placement = Annotated[str, typer.Option(help="parameter-server, sharded: round-robin (default) or greedy.")]
Mode = Annotated[str, typer.Option(help="parameter-server: sync (default), async or ssp.")]
Bound = Annotated[int, typer.Option(help="parameter-server, ssp: steps that a worker may be ahead of the slowest.")]

NAMES = ("algorithm", "bucket_bytes", "overlap", "micro_batches", "chunks", "servers", "placement", "mode", "bound")


def schedule_of(scheme: str, network, ranks: int | None, batch: int, options: dict[str, object]):
    """The schedule of a network (or of the one with that name), and its closed-form cost. `options` that are None were
    not given.

    Raises LabError in the words of the command line.
    """
    from labkit.network import load
    from labkit.schemes import build, cost
    from labkit.schemes.registry import find

    given = {name: value for name, value in options.items() if value is not None}
    try:
        find(scheme, given)
        trained = load(network) if isinstance(network, str) else network
        if ranks is None and scheme != "single":
            raise LabError(f"how many ranks shall {scheme!r} have?", "give --ranks, for example --ranks 4")
        schedule = build(scheme, trained, 1 if ranks is None else ranks, batch, **given)
        return schedule, cost(scheme, trained, schedule.size, batch, **given)
    except LabError as error:
        raise LabError(spoken(error.what), spoken(error.instead)) from None


def spoken(text: str) -> str:
    """Options of Python in the words of the command line: mode='ssp' is --mode ssp, 'bucket_bytes' --bucket-bytes."""
    names = "|".join((*NAMES, "ranks", "batch"))
    text = re.sub(rf"\b({names})=None", lambda m: f"no {_flag(m[1])}", text)
    text = re.sub(rf"\b({names})=('?)([^' ,;]+)\2", lambda m: f"{_flag(m[1])} {m[3]}", text)
    text = re.sub(rf"'({names})'", lambda m: _flag(m[1]), text)
    head, known, tail = text.partition("choose one of: ")
    words = [_flag(word) if word in NAMES else word for word in tail.split(", ")]
    return head + known + ", ".join(words)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
