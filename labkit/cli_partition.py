"""`labkit partition`: cut a network into parts, and say what the plan costs."""

from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from labkit.cli_show import note, show, show_json, show_table
from labkit.errors import LabError, suggest

Network = Annotated[str, typer.Argument(metavar="NETWORK", help="A network of the zoo, or a .json file.")]
Parts = Annotated[int, typer.Option(help="How many parts.")]
Method = Annotated[
    str,
    typer.Option(
        help="layer, filter-horizontal, filter-incremental, channel-incremental, coarse or fine (hypergraphs)."
    ),
]
Engine = Annotated[str, typer.Option(help="For coarse and fine: counts (default), mtkahypar or multilevel.")]
Imbalance = Annotated[float, typer.Option(help="How far a load may exceed the average: 0.1 is 10 %.")]
Floor = Annotated[float, typer.Option(help="Least load of a part, as a fraction of the average. Default: not empty.")]
Alone = Annotated[bool, typer.Option("--alone", help="A task heavier than the limit may have a part to itself.")]
Batch = Annotated[int, typer.Option(help="Samples that the volume is for.")]
WeightsName = Annotated[
    str, typer.Option("--weights", help="Work of a layer: flops, profile (timed here), mix or eserol (VGG16).")
]
Dense = Annotated[str, typer.Option(help="A dense layer is one task (layer) or one per neuron (neuron).")]
Shape = Annotated[str, typer.Option(metavar="CxHxW", help="Another size of input, such as 3x64x64.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same plan.")]
Out = Annotated[str, typer.Option(metavar="PLAN.json", help="Keep the plan in this file.")]
Vector = Annotated[
    str, typer.Option(metavar="FILE", help="Take the partition vector that PaToH or hMETIS wrote, instead of cutting.")
]
Export = Annotated[
    tuple[str, str],
    typer.Option(metavar="KIND FILE", help="Write the hypergraph (patoh, hmetis) or the vector (vector) to a file."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]

EXPORTS = ("patoh", "hmetis", "vector")
GRAINS = ("coarse", "fine")
MI = 2**20


def partition(
    network: Network,
    parts: Parts = ...,
    method: Method = "coarse",
    engine: Engine = None,
    imbalance: Imbalance = 0.1,
    floor: Floor = 0.0,
    alone: Alone = False,
    batch: Batch = 32,
    weights: WeightsName = "flops",
    dense: Dense = "layer",
    input_shape: Shape = None,
    seed: Seed = 0,
    vector: Vector = None,
    out: Out = None,
    export: Export = None,
    json: Json = False,
) -> int:
    """Cut a network into parts, and say what the plan costs: volume, loads, balance."""
    from labkit.network.sizes import check_batch
    from labkit.partition.methods import check_options
    from labkit.partition.methods import partition as plan_of

    check_batch(batch)
    _check_files(out, export)
    cut = _network(network, input_shape)
    options = {"imbalance": imbalance, "seed": seed, "dense": dense, "floor": floor, "alone": alone}
    try:
        check_options(cut, parts, method, engine, **options)
        if vector is not None:
            _check_vector(method, engine)
        work = measured(weights, cut)
        if vector is not None:
            plan = _from_vector(cut, work, parts, method, dense, vector)
        else:
            with _bar(method) as progress:
                plan = plan_of(cut, parts, method, engine, weights=work, progress=progress, **options)
    except LabError as error:
        raise LabError(error.what, _as_typed(error.instead)) from None
    if out is not None:
        _save(plan, out)
    if export is not None:
        _export(plan, work, dense, *export)
    return show_report(plan, work, batch, json)


def _as_typed(instead: str) -> str:
    """What to type instead, in the words of the command line."""
    spoken = {"alone=True": "--alone", "dense='neuron'": "--dense neuron", "method '": "--method '"}
    for python, typed in spoken.items():
        instead = instead.replace(python, typed)
    return instead


@contextmanager
def _bar(task: str):
    """A bar on stderr while something works, as a function to call with (fraction done, what)."""
    from tqdm import tqdm

    with tqdm(total=1.0, desc=task, disable=None, leave=False, bar_format="{desc}: {percentage:3.0f} % {bar}") as bar:

        def progress(done: float, what: str) -> None:
            bar.set_description(what, refresh=False)
            bar.update(max(0.0, min(1.0, done) - bar.n))

        yield progress


def measured(weights: str, network):
    """The weights of that name, with a bar while they are measured."""
    from labkit.partition import tasks_of
    from labkit.partition.weights import weights_named

    with _bar(weights) as progress:
        return weights_named(weights, tasks_of(network), progress)


def _network(name: str, shape: str | None):
    """The network, for another input where asked."""
    from labkit.network import Network, load, zoo

    if shape is None:
        return load(name)
    words = shape.lower().replace("×", "x").split("x")
    if not all(word.isdigit() and int(word) for word in words) or len(words) not in (1, 3):
        raise LabError(f"--input-shape {shape!r}", "give channels, height and width, such as 3x64x64")
    size = tuple(map(int, words))
    if name in zoo.names():
        return zoo.get(name, size)
    read = load(name)
    return Network(read.name, size, read.nodes)


def _check_files(out: str | None, export: tuple[str, str] | None) -> None:
    """Refuse what could only fail after a long search."""
    from labkit.partition.files import check_writable

    if export is not None and export[0] not in EXPORTS:
        raise LabError(f"--export {export[0]!r}", suggest(export[0], EXPORTS))
    for path in ([] if out is None else [out]) + ([] if export is None else [export[1]]):
        if not Path(path).absolute().parent.is_dir():
            raise LabError(f"no such folder: {Path(path).absolute().parent}", "make it first, or give another file")
        check_writable(path)


def _check_vector(method: str, engine: str | None) -> None:
    """Refuse what has no say where a vector is given."""
    if method not in GRAINS:
        raise LabError(
            f"--vector with --method {method}", "a vector is for the hypergraph: give --method coarse or fine"
        )
    if engine is not None:
        raise LabError(f"--vector with --engine {engine}", "leave one of them out: the vector says who owns what")


def _hypergraph(plan_or_network, work, method: str, dense: str):
    """The hypergraph of the method's grain: fine for channels, coarse for everything else."""
    from labkit.partition import coarse, fine, tasks_of

    build = fine if method in ("fine", "channel-incremental") else coarse
    return build(tasks_of(plan_or_network), work, dense=dense)


def _from_vector(cut, work, parts: int, method: str, dense: str, file: str):
    from labkit.partition.formats import vectors

    start = perf_counter()
    problem = _hypergraph(cut, work, method, dense)
    part = vectors.read(file, problem.vertices.count, parts)
    made = {"engine": "file", "engine_version": None, "seed": None, "imbalance": None, "weights": work.name}
    return problem.plan(part, parts, method, **made, seconds=perf_counter() - start)


def _save(plan, out: str) -> None:
    from labkit.partition.document import save

    save(plan, out)
    note(f"labkit: plan kept in {out}")


def _export(plan, work, dense: str, kind: str, file: str) -> None:
    from labkit.partition.formats import hmetis, patoh, vectors

    problem = _hypergraph(plan.network, work, plan.method, dense)
    if kind == "vector":
        vectors.write(problem.vector(plan), file)
    else:
        {"patoh": patoh, "hmetis": hmetis}[kind].write(problem.hypergraph, file)
    note(f"labkit: {kind} file {file}: {problem.hypergraph.vertices:,} vertices, {problem.hypergraph.nets:,} nets")


def show_report(plan, work, batch: int, json: bool) -> int:
    from labkit.partition.report import report

    found = report(plan, work, batch)
    made = {key: plan.made.get(key) for key in ("engine", "engine_version", "imbalance", "seed", "seconds")}
    if json:
        show_json(found | made)
    else:
        _tell(plan, found | made)
    return 0


def _tell(plan, found: dict) -> None:
    """The table of the plan, and what it costs in a few lines."""
    show(repr(plan))
    rows = [
        [row["name"], row["what"], row["elements"], round(row["elements"] / MI, 2)]
        for row in found["layers"]
        if row["elements"]
    ]
    columns = ("travels", "what", "elements", "2^20 elements")
    engine = f", engine {found['engine']} {found['engine_version'] or ''}".rstrip() if found["engine"] else ""
    show_table(f"Volume of one forward pass, batch {found['batch']}", columns, rows)
    show(
        f"{found['volume_elements']:,} elements ({found['volume_elements'] / MI:.1f} x 2^20) or "
        f"{found['volume_bytes']:,} bytes forward; loads {found['min_load']:.4g} to {found['max_load']:.4g} "
        f"({found['load_unit']}), max/average {found['max_over_avg']:.3f}; at most "
        f"{max(found['memory_bytes']):,} bytes of memory per part in training{engine} [{found['origin']}]"
    )
