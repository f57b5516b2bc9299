"""`labkit schedule`: what every rank of a scheme does in one step, what it sends, if it is right, how long it takes."""

from typing import Annotated

import typer

from labkit import cli_schemes as scheme_options
from labkit.cli_schedule_text import explained
from labkit.cli_schemes import schedule_of
from labkit.cli_show import show, show_json, show_table
from labkit.errors import LabError

Show = Annotated[bool, typer.Option("--show", help="The list of every rank, and what its pieces are.")]
Validate = Annotated[
    bool, typer.Option("--validate", help="Check it; a fault is drawn, and the exit status is then 1.")
]
Simulate = Annotated[bool, typer.Option("--simulate", help="Predict its times.")]
LinkName = Annotated[
    str, typer.Option("--link", help="For times: emulated:LATENCY_US,MB_PER_S, memory, ethernet10, fdr, opa100, ...")
]
Flops = Annotated[
    float, typer.Option("--flops-per-s", help="For times: arithmetic of one rank. Default: 5e10, a processor core.")
]
CostsFile = Annotated[
    str, typer.Option("--costs", metavar="COSTS.json", help="For times: the costs in a file of `save_costs`.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document, with counts, faults and times.")]

FLOPS_PER_S = 5e10  # about what one core gets out of a matrix product
MEMORY_BYTES_PER_S = 1e10
REDUCE_BYTES_PER_S = 1e10
DEFAULT_LINK = "ethernet10"
STEPS = 4  # simulated, so that what a step hands to the next one is in the time of a step


def schedule(
    scheme: scheme_options.SchemeName,
    network: scheme_options.Network = ...,
    ranks: scheme_options.Ranks = None,
    batch: scheme_options.Batch = 32,
    algorithm: scheme_options.Algorithm = None,
    bucket_bytes: scheme_options.BucketBytes = None,
    overlap: scheme_options.Overlap = None,
    micro_batches: scheme_options.MicroBatches = None,
    chunks: scheme_options.Chunks = None,
    servers: scheme_options.Servers = None,
    placement: scheme_options.Placement = None,
    mode: scheme_options.Mode = None,
    bound: scheme_options.Bound = None,
    show_lists: Show = False,
    validate: Validate = False,
    simulate: Simulate = False,
    link: LinkName = None,
    flops_per_s: Flops = None,
    costs: CostsFile = None,
    json: Json = False,
) -> int:
    """What every rank of a scheme does in one step, and what that sends."""
    given = locals()
    options = {name: given[name] for name in scheme_options.NAMES}
    made, formula = schedule_of(scheme, network, ranks, batch, options)
    assumed = None
    if simulate or json:
        assumed = _costs(made.network, link, flops_per_s, costs)
    elif (link, flops_per_s, costs) != (None, None, None):
        raise LabError("--link, --flops-per-s and --costs are for times", "add --simulate")
    if json:
        return _document(scheme, made, formula, assumed, validate)
    if show_lists:
        print(explained(made, _statement(scheme)))
    elif not (validate or simulate):
        _table(scheme, made, formula)
    status = _check(made) if validate else 0
    if simulate and status == 0:
        _times(made, assumed)
    return status


def _costs(network, link: str | None, flops_per_s: float | None, file: str | None):
    """What to assume of computing and of the network: the file's figures, or those of a plain model."""
    from dataclasses import replace

    from labkit.machine.links import parse_link
    from labkit.schedule.costs import Costs, flops_costs, load_costs

    if file is None:
        compute = flops_costs(network, FLOPS_PER_S if flops_per_s is None else flops_per_s, MEMORY_BYTES_PER_S)
        return Costs(compute, parse_link(link or DEFAULT_LINK), REDUCE_BYTES_PER_S)
    if flops_per_s is not None:
        raise LabError("--flops-per-s with --costs", "leave one of them out: the file has the times of the layers")
    read = load_costs(file)
    if len(read.compute.layers) != len(network):
        what = f"{file} has the costs of {read.compute.network!r}, {len(read.compute.layers)} layers"
        raise LabError(what, f"calibrate {network.name!r}, which has {len(network)}")
    return read if link is None else replace(read, link=parse_link(link))


def _statement(scheme: str) -> str:
    from labkit.schemes import SCHEMES

    return SCHEMES[scheme].statement


def _table(scheme: str, made, formula) -> None:
    """Samples, instructions and traffic of every rank."""
    from labkit.schedule.collectives import LIBRARY
    from labkit.schedule.traffic import traffic
    from labkit.schemes import SCHEMES

    counted = traffic(made)
    rows = [
        [rank, sum(share), len(program), formula.messages[rank], formula.bytes[rank], counted.to(rank).bytes]
        for rank, (share, program) in enumerate(zip(made.shares, made.ranks, strict=True))
    ]
    columns = ("rank", "samples", "instructions", "messages sent", "bytes sent", "bytes received")
    title = f"{made.scheme}: {made.network.name}, batch {made.batch}, {made.size} ranks; one step"
    called = "calls of the library" if made.scheme.endswith(f" {LIBRARY}") else "messages"
    total = f"{counted.messages:,} {called}, {counted.bytes:,} bytes in all, {len(made.pieces)} pieces"
    show_table(title, columns, rows, total)
    show(f"{SCHEMES[scheme].statement}\n{SCHEMES[scheme].remark}")


def _check(made) -> int:
    """Say what is wrong, with the cell of every first fault marked; 1 if anything is."""
    from labkit.schedule.grid import grid
    from labkit.schedule.validate import validate

    faults = validate(made)
    if not faults:
        show(f"{made.scheme}: valid. Every message has its other end, and the update is that of the global batch.")
        return 0
    print(grid(made, faults[0]))
    for fault in faults:
        print(fault)
    return 1


def _times(made, costs) -> None:
    """Where the time of every rank goes, as the model has it."""
    found = _predicted(made, costs)
    rows = [[row[key] for key in ("rank", "compute", "communicate", "idle")] for row in found["per_rank"]]
    show_table(
        f"{made.scheme}: {made.network.name}, batch {made.batch}, {made.size} ranks",
        ("rank", "computing or serving, s", "communicating, s", "waiting or done, s"),
        rows,
        f"{STEPS} steps over {costs.link.name}: {found['makespan']:.4g} s for the first, "
        f"{found['seconds_per_step']:.4g} s more for each further one [{found['origin']}]",
    )


def _predicted(made, costs) -> dict:
    """Simulated times: of one step, of each further step, and of every rank over STEPS steps.

    per_rank: what keeps the main lane; of a rank that only serves, the server's. What travels in the background keeps
    nobody.
    """
    from labkit.machine.origin import MODELLED
    from labkit.schedule.forecast import uses_of
    from labkit.schedule.simulate import simulate

    one, some = simulate(made, costs, steps=1), simulate(made, costs, steps=STEPS)
    rows = [
        {"rank": rank, "compute": use[0], "communicate": use[1], "idle": max(0.0, some.seconds - sum(use))}
        for rank, use in enumerate(uses_of(some, made))
    ]
    per_step = (some.seconds - one.seconds) / (STEPS - 1)
    return {"makespan": one.seconds, "seconds_per_step": per_step, "origin": MODELLED, "per_rank": rows}


def _document(scheme: str, made, formula, costs, strict: bool) -> int:
    """Print everything that is known about the schedule; `strict`: faults end in status 1."""
    from labkit.schedule.validate import validate

    faults = validate(made)
    hangs = any(fault.kind == "hang" for fault in faults)
    times = {"makespan": None} if hangs else _predicted(made, costs)
    show_json(
        {
            "scheme": scheme,
            "network": made.network.name,
            "ranks": made.size,
            "batch": made.batch,
            "shares": made.shares,
            "valid": not faults,
            "errors": [str(fault) for fault in faults],
            "messages": formula.total_messages,
            "bytes": formula.total_bytes,
            "messages_per_rank": formula.messages,
            "bytes_per_rank": formula.bytes,
            "pieces": [list(piece) for piece in made.pieces],
            "link": costs.link.name,
            **times,
            "instructions": [[str(i) for i in program] for program in made.ranks],
        }
    )
    return 1 if strict and faults else 0
