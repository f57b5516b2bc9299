"""Five ways to say what a plan costs, of which two are the communication: for notebook 11.

counted    values that travel, by asking who needs what (`labkit.partition.volume`)
nets       sum of (lambda - 1) * cost over the nets of the hypergraph (eserol-2019, section 3.2)
edges      values on the cut edges of the multistage graph (section 3.1)
cut nets   cost of each cut net, once (the cut-net metric of section 2.5)
printed    sum of lambda * cost over the cut nets (the connectivity metric as section 2.5 prints it)
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache

import numpy as np

from labkit.errors import LabError
from labkit.machine.origin import MODELLED
from labkit.network import Network
from labkit.partition.grains import NetworkHypergraph, coarse, fine
from labkit.partition.hypergraph import connectivity, cut
from labkit.partition.plan import Plan, Slice
from labkit.partition.stages import edge_cut
from labkit.partition.trace import tasks_of
from labkit.partition.volume import volume
from labkit.partition.weights import flops
from labkit.widgets.tables import Table

NOBODY = -1
WAYS = ("counted", "nets", "edges", "cut nets", "printed")


def charges(plan: Plan, batch: int = 1) -> dict[str, int]:
    """What each of WAYS says of a plan, in values of a forward pass of `batch` samples."""
    problem = _hypergraph(plan.network, plan.grain)
    graph, part = problem.hypergraph, problem.vector(plan)
    parts = connectivity(graph, part)
    is_cut = parts > 1
    return {
        "counted": volume(plan, batch).elements,
        "nets": batch * cut(graph, part),
        "edges": edge_cut(plan, batch).charged,
        "cut nets": batch * int(graph.costs[is_cut].sum()),
        "printed": batch * int(parts[is_cut] @ graph.costs[is_cut]),
    }


@lru_cache(maxsize=8)
def _hypergraph(network: Network, grain: str) -> NetworkHypergraph:
    """A vertex for every task, neurons of dense layers too, so that every plan of that grain has a vector."""
    tasks = tasks_of(network)
    return (coarse if grain == "coarse" else fine)(tasks, flops(tasks), dense="neuron")


def charge_table(plans: Mapping[str, Plan], batch: int = 1, ways: tuple[str, ...] = WAYS) -> Table:
    """One row per plan, one column per way to count."""
    rows = [(name, *(charges(plan, batch)[way] for way in ways)) for name, plan in plans.items()]
    samples = "sample" if batch == 1 else "samples"
    return Table(f"What each way says, in values of {batch} {samples} (modelled)", ("plan", *ways), tuple(rows))


def random_plans(network: Network, grain: str, count: int, seed: int = 0) -> Iterator[Plan]:
    """Plans drawn at random, in 2 to 8 parts; each layer is spread over some of the parts, so that volumes differ.

    grain: 'coarse', or 'fine' for plans that divide filters by channels.
    """
    rng = np.random.default_rng(seed)
    for _ in range(count):
        parts = int(rng.integers(2, 9))
        slices = []
        for layer in tasks_of(network).layers:
            chosen = rng.permutation(parts)[: rng.integers(1, parts + 1)]
            owner, each = rng.choice(chosen, layer.filters), None
            if grain == "fine" and layer.fine:
                each = rng.choice(chosen, (layer.filters, layer.channels))
                each = each if layer.links is None else np.where(layer.links, each, NOBODY)
            slices.append(Slice(layer.name, owner, each))
        yield Plan(network, parts, tuple(slices), "at random")


def random_charges(networks: Mapping[str, Network], grain: str, count: int, seed: int = 0) -> list[dict]:
    """Rows for `labkit.widgets.cut_plots.ways_plot`: `count` random plans of each network, one sample, in all WAYS."""
    return [
        {"network": name, "grain": grain, "parts": plan.parts, **charges(plan), "origin": MODELLED}
        for name, network in networks.items()
        for plan in random_plans(network, grain, count, seed)
    ]


def fooled(plan: Plan, other: Plan) -> tuple[str, ...]:
    """The WAYS that find the plan cheaper which sends more. Raises LabError if both send the same."""
    one, two = charges(plan), charges(other)
    if one["counted"] == two["counted"]:
        raise LabError(f"both plans send {one['counted']:,} values", "change one of them")
    less, more = sorted((one, two), key=lambda said: said["counted"])
    return tuple(way for way in WAYS if more[way] < less[way])
