"""What the machine code of each teaching kernel takes: registers, static shared memory, instructions per multiply-add.

`registers.json` is written by `python -m labkit.kernels.offline.table`, which needs the extra `static`; reading it
needs nothing. A test compares it with the compilers' answers of the day.
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from labkit.errors import LabError, suggest

FILE = Path(__file__).with_name("registers.json")


def kernel_name(kernel: Callable) -> str:
    """Name of a kernel, a plain function of a module, such as 'conv.forward.forward_hybrid'."""
    return f"{kernel.__module__}.{kernel.__name__}".removeprefix("labkit.kernels.")


@cache
def table() -> dict[str, dict[str, dict[str, Any]]]:
    """Kernel -> architecture such as 'sm_90' -> {'registers', 'shared_bytes', 'per_ffma', 'per_ffma_short'}."""
    return json.loads(FILE.read_text(encoding="utf-8"))["kernels"]


def registers_of(kernel: str | Callable, cc: tuple[int, int]) -> int:
    """Registers per thread of a teaching kernel on a GPU of capability `cc`; origin `modelled`.

    Compiled for the newest architecture of the table that `cc` is not older than; for a GPU older than all of them,
    which today's compilers do not know, for the oldest. Raises LabError for a kernel that the table does not have.
    """
    return _entry(kernel, cc)["registers"]


def shared_bytes_of(kernel: str | Callable, cc: tuple[int, int]) -> int:
    """Static shared memory of a block, in bytes, as `registers_of`. Dynamic shared memory is the launch's."""
    return _entry(kernel, cc)["shared_bytes"]


def per_ffma_of(kernel: str | Callable, cc: tuple[int, int], short: bool = False) -> float | None:
    """Instructions per float32 multiply-add in the hottest loop, as `registers_of`; None where no loop has one.

    That loop is unrolled by four; short: what runs instead where its sum is of three products or fewer, such as a row
    of a 3 x 3 filter.
    """
    return _entry(kernel, cc)["per_ffma_short" if short else "per_ffma"]


def _entry(kernel: str | Callable, cc: tuple[int, int]) -> dict[str, Any]:
    name = kernel if isinstance(kernel, str) else kernel_name(kernel)
    if name not in table():
        raise LabError(f"no registers are recorded for a kernel {name!r}", suggest(name, table()))
    recorded = {int(architecture.removeprefix("sm_")): entry for architecture, entry in table()[name].items()}
    wanted = 10 * cc[0] + cc[1]
    return recorded[max((number for number in recorded if number <= wanted), default=min(recorded))]
