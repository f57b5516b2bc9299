"""Layer-wise partitioning: each part owns some whole layers that follow one another (eserol-2019 section 5.1.1).

The thesis looks for its cut points by halving again and again. Here the heaviest part is as light as any choice of cut
points can make it, by dynamic programming; among the choices that reach this the one with the smallest communication
volume is taken, and among those the one that cuts earliest. On VGG16 by FLOPs in 2 and 4 parts that gives the thesis's
cuts. In 8 parts no cuts are lighter than the thesis's, but others are as light and send 37 % less (82.8 instead of
131.7 in its unit, 2^20 values for 32 images).
"""

import numpy as np

from labkit.errors import LabError
from labkit.partition.grains import coarse
from labkit.partition.hypergraph import Hypergraph
from labkit.partition.limits import SLACK
from labkit.partition.plan import Plan, Slice
from labkit.partition.tasks import Tasks
from labkit.partition.weights import Weights, layer_work

NEVER = np.iinfo(np.int64).max


def layer_wise(tasks: Tasks, parts: int, weights: Weights) -> Plan:
    """Contiguous layers, none of the parts empty; the maximum load is the least possible.

    Layers are taken in the network's order, so that in a branched network a part may hold pieces of two branches. The
    input lies in the first part. Raises LabError for more parts than layers and for weights of another network.
    """
    work = layer_work(tasks, weights)
    layers = len(tasks.layers) - 1
    if parts > layers:
        raise LabError(
            f"{parts} parts for the {layers} layers of {tasks.network.name}",
            f"give at most {layers} parts, or take method 'filter-incremental', which divides layers by filters",
        )
    load = _group_loads(work)
    cuts = best_cuts(load, group_volumes(coarse(tasks, weights, groups=1).hypergraph), parts)
    part = np.concatenate(([0], np.searchsorted(cuts, np.arange(layers), side="right")))
    slices = [Slice(layer.name, np.full(layer.filters, p)) for layer, p in zip(tasks.layers, part, strict=True)]
    return Plan(tasks.network, parts, tuple(slices), "layer")


def _group_loads(work: np.ndarray) -> np.ndarray:
    """load[i, j]: work of layers i + 1 .. j, with that of the input where i is 0; float64 [layers + 1, layers + 1]."""
    upto = np.cumsum(work)
    before = upto.copy()
    before[0] = 0
    return upto[None, :] - before[:, None]


def group_volumes(hypergraph: Hypergraph) -> np.ndarray:
    """volume[i, j]: what parts before it send to one that holds layers i + 1 .. j; int64 [layers + 1, layers + 1].

    hypergraph: one vertex per task layer, the input first. Where parts are contiguous, a net has connectivity minus one
    parts that hold a pin of it but not its first, so the volumes of the groups add up to the volume of the plan.
    """
    pins = np.zeros((hypergraph.nets, hypergraph.vertices), bool)
    pins[hypergraph.net_of_pin(), hypergraph.pins] = True
    first = pins.argmax(1)
    volume = np.zeros((hypergraph.vertices, hypergraph.vertices), np.int64)
    for i in range(1, hypergraph.vertices):
        came = first <= i
        volume[i, i + 1 :] = hypergraph.costs[came] @ np.logical_or.accumulate(pins[came, i + 1 :], axis=1)
    return volume


def best_cuts(load: np.ndarray, volume: np.ndarray, parts: int) -> list[int]:
    """Ends of all groups but the last, where layers 0 .. n - 1 are divided into `parts` contiguous groups, none empty.

    load, volume: [n + 1, n + 1], of a group of layers i .. j - 1. The maximum load is the least possible; among equals
    the total volume is, and among those the cuts come earliest.
    """
    n = len(load) - 1
    heaviest = load[:, n].copy()  # least maximum load of layers i .. n - 1 in k groups, from k = 1 up
    heaviest[n] = np.inf
    for _ in range(parts - 1):
        heaviest = np.array([_least(np.maximum(load[i, i + 1 :], heaviest[i + 1 :])) for i in range(n + 1)])
    allowed = load <= heaviest[0] * (1 + SLACK)
    cheapest, chosen = np.where(allowed[:, n], volume[:, n], NEVER), []
    cheapest[n] = NEVER
    for _ in range(parts - 1):
        total = [_sums(allowed[i, i + 1 :], volume[i, i + 1 :], cheapest[i + 1 :]) for i in range(n + 1)]
        chosen.append([i + 1 + int(row.argmin()) if len(row) else n for i, row in enumerate(total)])
        cheapest = np.array([row.min(initial=NEVER) for row in total])
    cuts, at = [], 0
    for step in reversed(chosen):
        at = step[at]
        cuts.append(at)
    return cuts


def _least(values: np.ndarray) -> float:
    return values.min(initial=np.inf)


def _sums(allowed: np.ndarray, volume: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """volume + rest where the group is allowed and the rest can be divided, else NEVER."""
    possible = allowed & (rest < NEVER)
    return np.where(possible, volume + np.where(possible, rest, 0), NEVER)
