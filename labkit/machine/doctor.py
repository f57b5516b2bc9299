"""Looks over the machine before a student does: can the lab run here, and what to type where it cannot."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from labkit.machine import gpu, mpi
from labkit.machine.checks import ITEMS, SETUP, Item


@dataclass(frozen=True)
class Check:
    """Outcome of one item. `advice` is what to type, '' where all is well; only a `needed` one stops the lab."""

    name: str
    ok: bool
    found: str
    advice: str
    needed: bool


def check(item: Item) -> Check:
    """Probe and judge one item. A probe that raises is a finding too."""
    try:
        ok, found, advice = item.judge(item.probe())
    except Exception as error:
        ok, found, advice = False, f"{type(error).__name__}: {' '.join(str(error).split())}", SETUP
    return Check(item.name, ok, found, "" if ok else advice, item.needed)


def examine(items: Iterable[Item] = ITEMS) -> list[Check]:
    """Check every item, in order. Those that wait for a process of their own do so side by side."""
    items = list(items)
    with ThreadPoolExecutor(max_workers=2) as pool:
        waiting = {i.name: pool.submit(check, i) for i in items if i.name in ("simulator", "gpu", "mpi")}
        done = {i.name: check(i) for i in items if i.name not in waiting}
        done |= {name: future.result() for name, future in waiting.items()}
    return [done[item.name] for item in items]


def can_run(checks: Iterable[Check]) -> bool:
    """True if nothing that the lab needs is wrong."""
    return all(c.ok for c in checks if c.needed)


def report(checks: list[Check]) -> dict:
    """The JSON document of `labkit doctor`."""
    try:
        card = gpu.first_gpu()
    except ImportError:  # the package check has said so
        card = None
    return {
        "ok": can_run(checks),
        "checks": [asdict(c) for c in checks],
        "gpu": asdict(card) if card else None,
        "mpi": mpi.first_library(),
    }
