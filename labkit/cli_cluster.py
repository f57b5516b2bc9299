"""`labkit cluster`: ranks that stay warm, for notebooks and for runs that start at once."""

from typing import Annotated

import typer

from labkit.cli_show import note, show, show_json, show_table

app = typer.Typer(help="Ranks that stay warm: start, look, end.", rich_markup_mode=None)

Ranks = Annotated[int, typer.Option(help="How many; more than there are cores share them.")]
Profile = Annotated[str, typer.Option(help="Where they come from: 'slurm', or a profile of your own.")]
Threads = Annotated[int, typer.Option(min=1, help="Of BLAS, for each rank.")]
Timeout = Annotated[float, typer.Option(min=1, help="Longest time, in seconds, until all ranks have answered.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]


@app.command()
def up(ranks: Ranks = 2, profile: Profile = "", threads: Threads = 1, timeout: Timeout = 60, json: Json = False) -> int:
    """Start ranks, and wait until all of them answer. They stay until `labkit cluster down`."""
    from labkit.run import cluster

    note("labkit: starting the ranks")
    found = cluster.up(ranks, profile, timeout_s=timeout, keep=True, threads=threads)
    return _show(found, json)


@app.command()
def status(json: Json = False) -> int:
    """Which ranks there are. Exit status 1 if none are up, or the cluster is broken."""
    from labkit.run import cluster

    return _show(cluster.status(), json)


@app.command()
def down(json: Json = False) -> int:
    """End all processes of the cluster, whatever state it is in."""
    from labkit.run import cluster

    was_there = cluster.down()
    if json:
        show_json({"ended": was_there})
    else:
        show("the cluster is down" if was_there else "there was no cluster")
    return 0


def _show(found, json: bool) -> int:
    """Print a `run.cluster.Status`; returns the command's exit status."""
    advice = found.advice
    if json:
        show_json(found.document() | {"advice": advice})
    elif found.engines:
        rows = [(e.rank, e.pid, e.host, e.threads, r) for e, r in zip(found.engines, found.running, strict=True)]
        caption = f"started in {found.seconds_to_start:.1f} s; files in {found.folder}\n{advice}"
        show_table(found.what, ("rank", "process", "host", "threads", "runs"), rows, caption)
    else:
        show(f"{found.what}: {advice}")
    return 0 if found.up else 1
