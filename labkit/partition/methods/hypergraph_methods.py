"""The hypergraph methods: build the network's hypergraph, have an engine cut it, check what comes back.

eserol-2019 sections 3.3 (fine grain), 3.4 (coarse grain), 5.1.5 and 5.1.6. The objective of every engine is the volume,
its constraint the load of each part.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from labkit.errors import LabError
from labkit.partition.engines import Engine, Progress
from labkit.partition.grains import NetworkHypergraph, coarse, fine
from labkit.partition.hypergraph import part_weights
from labkit.partition.limits import Limits, limits
from labkit.partition.plan import Plan
from labkit.partition.tasks import Tasks
from labkit.partition.weights import Weights, layer_work

BUILD = {"coarse": coarse, "fine": fine}
SHOWN = 1000  # ratios in errors are rounded up to a thousandth, so that what is printed can be typed


def by_hypergraph(
    tasks: Tasks,
    parts: int,
    weights: Weights,
    cut: Engine,
    grain: str = "coarse",
    *,
    imbalance: float = 0.1,
    seed: int = 0,
    dense: str = "layer",
    floor: float = 0.0,
    alone: bool = False,
    progress: Progress | None = None,
) -> Plan:
    """The plan that engine `cut` finds for the network's hypergraph of `grain` ('coarse' or 'fine').

    imbalance: no load above (1 + imbalance) times the average. floor: none below this fraction of the average; 0 asks
    only that no part is left without work. alone: a task heavier than that may have a part to itself. dense: see
    `grains.coarse`. progress: called with (fraction done, what); what it raises ends the search.

    Raises LabError for limits that no plan can meet (naming the heaviest task), and for limits that the engine did not
    meet (with the smallest imbalance that it reached).
    """
    check_floor(floor)
    layer_work(tasks, weights)
    problem = BUILD[grain](tasks, weights, dense=dense)
    work = problem.hypergraph.weights
    if parts > (work > 0).sum():
        raise LabError(
            f"{parts} parts for {(work > 0).sum()} tasks of {tasks.network.name} that have work",
            f"give at most {(work > 0).sum()} parts{finer(problem)}",
        )
    bounds = limits(work, parts, imbalance, names=task_names(problem), alone=alone)
    bounds = replace(bounds, floor=floor * work.sum() / parts)
    part = cut(problem, bounds, seed, progress)
    plan = problem.plan(part, parts, grain)
    check_loads(part_weights(problem.hypergraph, part, parts), bounds, cut.name)
    return plan


def finer(problem: NetworkHypergraph) -> str:
    """What would divide tasks of this network further, as the end of a sentence; empty where nothing would."""
    ways = []
    if problem.grain == "coarse" and any(layer.fine for layer in problem.tasks.layers):
        ways.append("method 'fine'")
    if problem.dense == "layer" and any(layer.kind == "dense" for layer in problem.tasks.layers):
        ways.append("dense='neuron'")
    return f", or take {' or '.join(ways)}" if ways else ""


def check_floor(floor: object) -> None:
    """Refuse a floor that is not a fraction of the average load."""
    if not isinstance(floor, (int, float)) or isinstance(floor, bool) or not 0 <= floor <= 1:
        raise LabError(
            f"floor={floor!r}", "give a number from 0 to 1; 0.9 asks that no load is below 0.9 of the average"
        )


def check_loads(load: np.ndarray, bounds: Limits, engine: str) -> None:
    """Refuse loads [parts] that break the limits, with what the engine did reach."""
    average = load.mean()
    idle = np.flatnonzero(load == 0)
    if len(idle):
        raise LabError(
            f"engine {engine!r} left {len(idle)} of {len(load)} parts without work",
            "give fewer parts, a larger imbalance, or another engine",
        )
    if bounds.excess(np.minimum(load, bounds.cap)) > 0:
        reached = np.floor(SHOWN * load.min() / average) / SHOWN
        raise LabError(
            f"engine {engine!r} found no plan with every load at or above the floor; its lightest part has "
            f"{reached:g} times the average",
            f"give a floor of {reached:g} or less, a larger imbalance, or another engine or seed",
        )
    if bounds.excess(load) > 0:
        over = load[load > bounds.cap].max() / average - 1
        reached = np.ceil(SHOWN * over) / SHOWN
        raise LabError(
            f"engine {engine!r} found no plan within the limits; the smallest imbalance it found is {reached:g}",
            f"give an imbalance of {reached:g} or more, or take another engine or seed",
        )


def task_names(problem: NetworkHypergraph) -> Callable[[int], str]:
    """Function: number of a vertex with work -> how to call it, as in "layer 'fc1'" or "filter 3 of layer 'conv1'"."""

    def name(vertex: int) -> str:
        vertices = problem.vertices
        for layer, own, each in zip(problem.tasks.layers, vertices.filters, vertices.channels, strict=True):
            places = np.argwhere((own if each is None else each) == vertex)
            if len(places) == layer.filters:
                return f"layer {layer.name!r}"
            if len(places):
                of = f"filter {places[0][0]} of layer {layer.name!r}"
                return of if each is None else f"channel {places[0][1]} of {of}"
        return f"vertex {vertex}"

    return name
