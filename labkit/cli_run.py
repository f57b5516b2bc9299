"""Runs one command line and turns whatever ends it into an exit status and at most one line on stderr.

0 done; 1 the command ran and found something wrong; 2 it could not run as asked; 130 the user pressed Ctrl-C.
"""

import os
import sys
from collections.abc import Sequence

import typer

from labkit.errors import LabError

INTERRUPTED = 130  # 128 + SIGINT, what a shell expects
BROKEN_PIPE = 141  # 128 + SIGPIPE: the reader has gone, as in `labkit networks | head -1`
DEBUG = "--debug"


def run(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Run `labkit ARGUMENTS` and return its exit status. `--debug` anywhere lets the traceback of an error through."""
    debug = DEBUG in arguments
    words = [word for word in arguments if word != DEBUG] or ["--help"]
    try:
        status = _invoke(app, words)
        print(end="", flush=True)  # which, unlike sys.stdout.flush, does nothing where stdout was closed
        return status
    except KeyboardInterrupt:
        _complain("stopped by Ctrl-C", "")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes stdout once more
        return BROKEN_PIPE
    except Exception as error:
        if debug:
            raise
        _complain(*_explain(error))
        return getattr(error, "status", 2)


def _invoke(app: typer.Typer, words: list[str]) -> int:
    command = typer.main.get_command(app)
    try:
        with command.make_context("labkit", words) as context:
            status = command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    return status if isinstance(status, int) else 0


def _explain(error: Exception) -> tuple[str, str]:
    """What is wrong, and what to type instead."""
    if isinstance(error, LabError):
        return error.what, error.instead
    if hasattr(error, "format_message"):  # a usage error of typer, whose class has moved between its releases
        context = getattr(error, "ctx", None)
        return error.format_message().rstrip("."), f"type: {context.command_path if context else 'labkit'} --help"
    if isinstance(error, MemoryError):
        return f"there is not enough memory: {error}".rstrip(": "), "take a smaller batch or network"
    if isinstance(error, OSError):
        return str(error), f"mend it, or add {DEBUG} to see where it happened"
    return f"{type(error).__name__}: {error}", f"a fault in labkit; add {DEBUG} to see where, and report it"


def _complain(what: str, instead: str) -> None:
    """One line; of several processes that a launcher has started, the first one says it."""
    from labkit.run.mpi.library import joined

    place = joined()
    if place is not None and place[0] > 0:
        return
    line = " ".join((f"{what} — {instead}" if instead else what).split())
    print(f"labkit: {line}", file=sys.stderr)
