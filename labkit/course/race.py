"""The engines side by side on one network, for notebook 11."""

from collections.abc import Iterable
from importlib.util import find_spec
from time import perf_counter

from labkit.errors import LabError, suggest
from labkit.network import Network
from labkit.partition.engines.registry import ENGINES
from labkit.partition.grains import coarse
from labkit.partition.limits import limits
from labkit.partition.loads import loads
from labkit.partition.methods import partition
from labkit.partition.plan import Plan
from labkit.partition.trace import tasks_of
from labkit.partition.volume import volume
from labkit.partition.weights import flops
from labkit.widgets.tables import Table

LIBRARY = "mtkahypar"
APART = "mtkahypar, every filter apart"  # the library as it comes, on the hypergraph as it is
RUNNERS = (*ENGINES, APART)


def race(network: Network, parts: int, runners: Iterable[str] = ENGINES, imbalance: float = 0.1) -> dict[str, dict]:
    """Coarse plans of `network` by several of RUNNERS: runner -> {plan, elements, max_over_avg, seconds}.

    elements: values sent for one sample. seconds: of one run, measured here; the first run of an engine may compile.
    The library is left out where it is not installed (there is none for Windows). Raises LabError for other runners,
    and for limits that an engine does not meet.
    """
    found = {}
    for runner in runners:
        if runner not in RUNNERS:
            raise LabError(f"unknown runner {runner!r}", suggest(runner, RUNNERS))
        if runner.startswith(LIBRARY) and not find_spec(LIBRARY):
            continue
        start = perf_counter()
        plan = _plan(network, parts, runner, imbalance)
        seconds = perf_counter() - start
        balance = loads(plan, flops(plan.tasks)).max_over_avg
        elements = volume(plan, batch=1).elements
        found[runner] = {"plan": plan, "elements": elements, "max_over_avg": balance, "seconds": seconds}
    return found


def _plan(network: Network, parts: int, runner: str, imbalance: float) -> Plan:
    if runner != APART:
        return partition(network, parts, "coarse", runner, imbalance=imbalance)
    from labkit.partition.engines.mtkahypar import cut_with_mtkahypar

    tasks = tasks_of(network)
    problem = coarse(tasks, flops(tasks))
    bounds = limits(problem.hypergraph.weights, parts, imbalance)
    return problem.plan(cut_with_mtkahypar(problem.hypergraph, bounds), parts, "coarse")


def race_table(found: dict[str, dict], what: str) -> Table:
    """One row per runner. what: the network, the parts and the limits, in words."""
    rows = [(name, one["elements"], one["max_over_avg"], one["seconds"]) for name, one in found.items()]
    head = ("engine", "values sent", "largest load / average", "seconds (measured here)")
    return Table(f"{what}, one sample (modelled)", head, tuple(rows))
