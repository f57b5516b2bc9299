"""The `labkit` command. Every command is a thin function in `cli_*.py`; the rooms do the work.

Rooms are imported inside the functions, so that `labkit --help` starts without NumPy, Numba or JupyterLab.
"""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from labkit import (
    cli_cluster,
    cli_data,
    cli_kernels,
    cli_machine,
    cli_networks,
    cli_partition,
    cli_plan,
    cli_run,
    cli_run_scheme,
    cli_schedule,
    cli_train,
)

app = typer.Typer(
    name="labkit",
    add_completion=False,
    rich_markup_mode=None,
    help="How the training of deep networks is partitioned over processors, and where that stops paying.",
)
app.command()(cli_machine.lab)
app.command()(cli_machine.doctor)
app.command()(cli_networks.networks)
app.command()(cli_train.train)
app.command()(cli_partition.partition)
app.command()(cli_schedule.schedule)
app.command()(cli_run_scheme.run)
app.add_typer(cli_cluster.app, name="cluster")
app.add_typer(cli_data.app, name="data")
app.add_typer(cli_kernels.app, name="kernels")
app.add_typer(cli_plan.app, name="plan")

Version = Annotated[bool, typer.Option("--version", help="Print the version and stop.")]
Debug = Annotated[bool, typer.Option(cli_run.DEBUG, help="Show the traceback of an error; may stand anywhere.")]


@app.callback(invoke_without_command=True)
def common(context: typer.Context, version: Version = False, debug: Debug = False) -> None:
    """Options before the command. `--debug` is taken out by `cli_run.run`; here it is listed for --help."""
    if version:
        from labkit import __version__

        print(f"labkit {__version__}")
        raise typer.Exit(0)
    if context.invoked_subcommand is None:
        print(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point: run `labkit ARGUMENTS` (default: the process's own) and return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a console without the character prints ? instead of ending in an error
            stream.reconfigure(errors="replace")
    return cli_run.run(app, sys.argv[1:] if arguments is None else list(arguments))


if __name__ == "__main__":
    sys.exit(main())
