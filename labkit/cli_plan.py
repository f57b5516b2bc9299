"""`labkit plan`: show, check and compare plans that were saved."""

from pathlib import Path
from typing import Annotated

import typer

from labkit.cli_partition import Batch, Json, WeightsName, measured, show_report
from labkit.cli_show import show, show_json, show_table
from labkit.errors import LabError

app = typer.Typer(help="Plans in files: show, check, compare.", rich_markup_mode=None)

File = Annotated[str, typer.Argument(metavar="PLAN.json", help="A file that `labkit partition --out` wrote.")]
Files = Annotated[list[str], typer.Argument(metavar="PLAN.json...", help="Two or more files.")]
Wanted = Annotated[str, typer.Option("--network", help="The network that it must be a plan of.")]
Kept = Annotated[float, typer.Option("--imbalance", help="The imbalance that it must keep.")]

COUNTED = ("flops", "eserol")  # weights that are the same on every machine


@app.command("show")
def show_plan(file: File, batch: Batch = 32, weights: WeightsName = None, json: Json = False) -> int:
    """Who owns what, and what it costs."""
    from labkit.partition.document import load_plan

    plan = load_plan(file)
    return show_report(plan, _weights(plan, weights), batch, json)


@app.command()
def check(
    file: File,
    network: Wanted = None,
    imbalance: Kept = None,
    batch: Batch = 32,
    weights: WeightsName = None,
    json: Json = False,
) -> int:
    """Whether every task has exactly one owner, and the plan keeps its limits. Exit status 1 if not."""
    from labkit.network import load
    from labkit.partition.document import load_plan
    from labkit.partition.limits import check_imbalance
    from labkit.partition.report import report

    if imbalance is not None:
        check_imbalance(imbalance)
    wanted = None if network is None else load(network)
    try:
        plan = load_plan(file, wanted)
    except LabError as error:
        error.status = 1 if Path(file).is_file() else 2  # the check ran, and found something wrong
        raise
    found = report(plan, _weights(plan, weights), batch)
    ok = imbalance is None or found["max_over_avg"] <= 1 + imbalance + 1e-9
    if json:
        show_json({"ok": ok} | found)
    else:
        verdict = "ok" if ok else f"max/average {found['max_over_avg']:.3f} is above 1 + {imbalance:g}"
        show(
            f"{file}: {verdict}. {found['network']} in {found['parts']} parts, every task has one owner; "
            f"{found['volume_elements']:,} elements at batch {batch}, max/average {found['max_over_avg']:.3f}"
        )
    return 0 if ok else 1


@app.command()
def compare(files: Files, batch: Batch = 32, weights: WeightsName = None, json: Json = False) -> int:
    """Plans of one network side by side: volume, balance, and the volume as a multiple of the first one's."""
    from labkit.partition.document import load_plan
    from labkit.partition.report import report

    if len(files) < 2:
        raise LabError(f"one plan, {files[0]}, cannot be compared", "give two files or more")
    plans = [load_plan(file) for file in files]
    for file, plan in zip(files, plans, strict=True):
        if plan.network != plans[0].network:
            both = " and ".join(f"{p.network.name} {p.network.input_shape}" for p in (plans[0], plan))
            raise LabError(f"{files[0]} and {file} are plans of different networks, {both}", "compare plans of one")
    work = _weights(plans[0], weights)
    found = [{"file": file} | report(plan, work, batch) for file, plan in zip(files, plans, strict=True)]
    for row in found:
        first = found[0]["volume_elements"]
        row["volume_over_first"] = row["volume_elements"] / first if first else None
    if json:
        show_json(found)
    else:
        keys = (
            "file",
            "method",
            "parts",
            "volume_elements",
            "volume_over_first",
            "min_load",
            "max_load",
            "max_over_avg",
        )
        caption = f"one forward pass, batch {batch}; loads in {found[0]['load_unit']} [{found[0]['origin']}]"
        show_table(f"Plans of {found[0]['network']}", keys, [[row[key] for key in keys] for row in found], caption)
    return 0


def _weights(plan, name: str | None):
    """The weights asked for, else those that the plan was made with, unless they were timed on some machine."""
    made = plan.made.get("weights")
    return measured(name or (made if made in COUNTED else "flops"), plan.network)
