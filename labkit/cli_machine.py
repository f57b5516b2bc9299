"""`labkit lab` and `labkit doctor`: open the notebooks, and see whether this machine can."""

from typing import Annotated

import typer

from labkit.cli_show import note, show_json, show_table

Notebook = Annotated[str, typer.Argument(metavar="[NOTEBOOK]", help="Default: 00_start_here.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Default: the first free one from 8888 on.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Print the address only.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]


def lab(notebook: Notebook = "", port: Port = None, no_browser: NoBrowser = False) -> int:
    """Open JupyterLab on a notebook, for this machine only."""
    from labkit.machine.lab import LabServer, checkout, choose_port, find_notebook, serve

    root = checkout()
    server = LabServer(root, find_notebook(root, notebook), choose_port(port), browser=not no_browser)
    return serve(server, lambda s: note(f"labkit: the lab is open at\n\n    {s.url}\n\nCtrl-C closes it."))


def doctor(json: Json = False) -> int:
    """Can the lab run here, and what to type where it cannot."""
    from labkit.machine.doctor import can_run, examine, report

    checks = examine()
    if json:
        show_json(report(checks))
    else:
        rows = [("ok" if c.ok else "WRONG" if c.needed else "look", c.name, c.found, c.advice) for c in checks]
        ready = "The lab can run." if can_run(checks) else "The lab cannot run: mend what is marked WRONG."
        show_table("This machine", ("", "what", "found", "what to do"), rows, ready)
    return 0 if can_run(checks) else 1
