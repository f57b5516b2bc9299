"""`labkit kernels`: the experiments on the three mappings, measured here, modelled for a GPU, or from a recording."""

from collections.abc import Iterator
from time import perf_counter
from typing import Annotated

import typer

from labkit.cli_run import INTERRUPTED
from labkit.cli_show import note, show, show_json, show_table
from labkit.errors import LabError, suggest

app = typer.Typer(help="One GPU, three mappings: sweeps, profiles, loads, energy.", rich_markup_mode=None)

Network = Annotated[str, typer.Option(help="A network of the zoo, or a .json file. Default: each command's own.")]
Layer = Annotated[str, typer.Option(help="A layer of the network. Default: its first convolution.")]
Mapping = Annotated[str, typer.Option(help="data, model, hybrid; several with commas. Default: all three.")]
OneMapping = Annotated[str, typer.Option("--mapping", help="data, model or hybrid.")]
Batch = Annotated[str, typer.Option(help="Samples per step; several with commas.")]
OneBatch = Annotated[int, typer.Option("--batch", help="Samples per step.")]
Device = Annotated[
    str, typer.Option(help="Model a GPU that need not be here: k40, gtx1080ti, p100, t4, a100, rtx4090, h100, h200.")
]
Recorded = Annotated[
    str, typer.Option(metavar="NAME|newest", help="Show what was recorded on a real GPU (benchmarks/results).")
]
Seconds = Annotated[float, typer.Option(help="Start no further measurement after so many seconds.")]
Phase = Annotated[str, typer.Option(help="fp, bp or ku.")]
Over = Annotated[str, typer.Argument(metavar="[WHAT]", help="batch, forward, channels, images, gpus or memory.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]

NEWEST = "newest"
SWEEPS = {  # WHAT -> (part of a recording, columns of the table)
    "batch": ("batch_sweep", ("network", "mapping", "batch", "steps", "step_s", "epoch_s")),
    "forward": ("forward_vs_batch", ("device", "layer", "mapping", "threads", "batch", "seconds")),
    "channels": ("forward_vs_channels", ("device", "layer", "mapping", "K", "seconds")),
    "images": ("image_size", ("layer", "mapping", "H", "reuse", "per_sample_s")),
    "gpus": ("three_gpus", ("device", "network", "mapping", "batch", "epoch_s")),
    "memory": ("footprint", ("network", "batch", "weights_bytes", "activations_bytes", "total_bytes")),
}
# On the cores a step takes seconds where a GPU takes milliseconds, so less is swept unless more is asked for.
SMALL = {"networks": "lenet5", "batch": "1,2,4,8,16,32", "seconds": 45.0}
FULL = {"networks": "lenet5,alexnet_star,resnet18_32", "batch": "1,2,4,8,16,32,64,128", "seconds": 600.0}


@app.command()
def sweep(
    over: Over = "batch",
    network: Network = None,
    layer: Layer = None,
    mapping: Mapping = "data,model,hybrid",
    batch: Batch = None,
    device: Device = None,
    recorded: Recorded = None,
    seconds: Seconds = None,
    json: Json = False,
) -> int:
    """Times against batch size, channels or image size (figures 11-13, 17-19), and memory."""
    if over not in SWEEPS:
        raise LabError(f"nothing is swept over {over!r}", suggest(over, SWEEPS))
    part, columns = SWEEPS[over]
    if recorded:
        return _recorded(part, recorded, json, columns, {"network": network, "layer": layer})
    source = _source(device) if over not in ("gpus", "memory") else None  # these two are computed
    usual = FULL if device or source is None else SMALL
    rows = _sweep(over, source, network, layer, _listed(mapping), _numbers(batch or usual["batch"]), usual)
    return _report(part, rows, seconds or usual["seconds"], json, columns)


def _sweep(over, source, network, layer, mappings, batches, usual) -> Iterator[dict]:
    """The rows of one sweep, with the experiments' own defaults where nothing was asked for."""
    from labkit.kernels.experiments import source as source_of
    from labkit.kernels.experiments import sweeps, training
    from labkit.machine.gpus import TABLE_2

    networks = _listed(network or usual["networks"])
    where = {"network": networks[0] if network else "alexnet_star"} | ({"layer": layer} if layer else {})
    if over == "memory":
        return training.footprint(networks, batches)
    if over == "gpus":
        return sweeps.three_gpus(map(source_of, TABLE_2), where["network"], batches)
    if over == "batch":
        return sweeps.batch_sweep(source, networks, mappings, batches)
    if over == "forward":
        return sweeps.forward_vs_batch([source], **where, mapping=mappings[0], batches=batches)
    if over == "channels":
        return sweeps.forward_vs_channels([source], **where, mapping=mappings[-1], batch=batches[0])
    return sweeps.image_size(source, **where, mappings=mappings, batch=batches[0])


@app.command()
def profile(
    network: Network = "alexnet_star",
    mapping: Mapping = "data,model,hybrid",
    batch: OneBatch = 32,
    device: Device = None,
    recorded: Recorded = None,
    seconds: Seconds = 600.0,
    json: Json = False,
) -> int:
    """Time of every layer in every phase (figure 15)."""
    from labkit.kernels.experiments.training import profile as rows_of

    columns = ("layer", "phase", "kernel", "mapping", "seconds", "epoch_s")
    if recorded:
        return _recorded("profile", recorded, json, columns, {"network": network})
    return _report("profile", rows_of(_source(device), network, _listed(mapping), batch), seconds, json, columns)


@app.command()
def loads(
    network: Network = "lenet5",
    layer: Layer = None,
    mapping: Mapping = "data,model,hybrid",
    batch: OneBatch = 32,
    phase: Phase = "fp",
    recorded: Recorded = None,
    seconds: Seconds = 60.0,
    json: Json = False,
) -> int:
    """Loads from global and shared memory, and 32-byte sectors, of the convolutions (figure 14)."""
    columns = ("layer", "phase", "mapping", "level", "loads", "how")
    if recorded:
        return _recorded("loads", recorded, json, columns, {"layer": layer})
    from labkit.kernels.experiments import loads as rows_of

    return _report("loads", rows_of(network, layer, _listed(mapping), batch, phase), seconds, json, columns)


@app.command()
def energy(
    network: Network = "lenet5,alexnet_star,resnet18_32",
    mapping: Mapping = "data,model,hybrid",
    batch: OneBatch = 64,
    recorded: Recorded = None,
    seconds: Seconds = 600.0,
    json: Json = False,
) -> int:
    """Energy per epoch, by the counter of the GPU (figure 16, table III). It is never modelled."""
    columns = ("network", "mapping", "batch", "step_J", "epoch_J", "watts", "idle_watts")
    if recorded:
        return _recorded("energy", recorded, json, columns, {})
    from labkit.kernels.experiments.meter import counter
    from labkit.kernels.experiments.training import energy as rows_of

    joules = counter()
    rows = rows_of(_source(None), joules, _listed(network), _listed(mapping), batch)
    return _report("energy", rows, seconds, json, columns)


@app.command()
def explain(
    network: Network = "alexnet_star",
    layer: Layer = None,
    mapping: OneMapping = "hybrid",
    batch: OneBatch = 32,
    phase: Phase = "fp",
    device: Device = None,
    json: Json = False,
) -> int:
    """Why a layer's launch is fast or slow: blocks per SM, waves, tail, occupancy."""
    from labkit.kernels.experiments import explain_layer
    from labkit.machine.gpus import find, this_gpu

    gpu = find(device) if device else this_gpu() or find("h200")
    found = explain_layer(network, layer, mapping, batch, gpu, phase)
    if json:
        show_json(found)
    else:
        for sentence in found.sentences:
            show(sentence)
    return 0


def _source(device: str | None):
    """Where times come from: the model of a named GPU, else the GPU of this machine, else its cores, and says so."""
    from labkit.kernels.experiments import Measured, source

    found = source(device)
    if isinstance(found, Measured) and found.executor.name != "gpu":
        note("labkit: no GPU here, so the kernels run on the cores: other times, same results (--device models a GPU)")
    return found


def _recorded(part: str, name: str, json: bool, columns: tuple[str, ...], wanted: dict[str, str | None]) -> int:
    """Show one part of a recording, only the rows that were asked for."""
    from labkit.kernels.experiments.recording import find

    recording = find(None if name == NEWEST else name)
    rows = [r for r in recording.rows(part) if all(v is None or r.get(k) == v for k, v in wanted.items())]
    if not rows:
        asked = ", ".join(f"{key} {value!r}" for key, value in wanted.items() if value)
        raise LabError(f"recording {recording.name} has no {part} of {asked}", "leave the option out")
    return _show(part, rows, json, columns)


def _report(part: str, rows: Iterator[dict], seconds: float, json: bool, columns: tuple[str, ...]) -> int:
    """Run an experiment behind a progress bar and show its rows; Ctrl-C and the time limit keep what is there."""
    from tqdm import tqdm

    found, end, status = [], perf_counter() + seconds, 0
    try:
        with tqdm(rows, desc=part, unit="row", disable=None, leave=False) as bar:
            for row in bar:
                found.append(row)
                if perf_counter() > end:
                    note(f"labkit: stopped after {seconds:g} s, {len(found)} rows (--seconds for more)")
                    break
    except KeyboardInterrupt:
        note(f"labkit: stopped by Ctrl-C after {len(found)} rows")
        status = INTERRUPTED
    return _show(part, found, json, columns) or status if found else status


def _show(part: str, rows: list[dict], json: bool, columns: tuple[str, ...]) -> int:
    origins = ", ".join(dict.fromkeys(row["origin"] for row in rows))
    if json:
        show_json({"what": part, "origin": origins, "rows": rows})
    else:
        devices = ", ".join(dict.fromkeys(str(row["device"]) for row in rows if row.get("device")))
        caption = f"{origins}{': ' + devices if devices else ''}"
        show_table(part.replace("_", " "), columns, [[row.get(c) for c in columns] for row in rows], caption)
    return 0


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(text: str) -> list[int]:
    words = _listed(text)
    if not words or not all(word.isdigit() and int(word) for word in words):
        raise LabError(f"--batch {text!r}", "give whole numbers above 0 with commas, such as 1,8,64")
    return [int(word) for word in words]
