"""What a process of `partition.py` does: functions that yield rows, in this process, on one core.

`seconds` are by the clock; `cpu_s` is the processor's time, which other work on the machine lengthens little.
"""

from collections.abc import Iterator
from math import isfinite
from time import perf_counter, process_time

from labkit.network import zoo
from labkit.partition import coarse, fine, limits, loads, tasks_of, volume
from labkit.partition.engines.mtkahypar import cut_with_mtkahypar
from labkit.partition.engines.registry import engine as engine_named
from labkit.partition.grains import NetworkHypergraph
from labkit.partition.limits import Limits
from labkit.partition.methods import partition
from labkit.partition.plan import Plan
from labkit.partition.thesis.best_found import target_with_flops
from labkit.partition.thesis.data_parallelism import break_even_of
from labkit.partition.thesis.reproduction import TWO_RACES, reproduce
from labkit.partition.thesis.tables import BATCH, VOLUME_UNIT
from labkit.partition.weights import Weights, weights_named

UNGROUPED = "mtkahypar, ungrouped"  # the library on the whole hypergraph, without the groups that our engine gives it
TIMES = 3
IMBALANCE = 0.1


def hypergraph(network: str, grain: str) -> Iterator[dict]:
    """Sizes of a network's hypergraph, and seconds to build it: of the first time, and the shortest of three."""
    tasks, seconds, cpu = tasks_of(zoo.get(network)), [], []
    weights = weights_named("flops", tasks)
    for _ in range(TIMES):
        start, cpu_start = perf_counter(), process_time()
        problem = (coarse if grain == "coarse" else fine)(tasks, weights)
        seconds.append(perf_counter() - start)
        cpu.append(process_time() - cpu_start)
    graph = problem.hypergraph
    yield {
        "network": network,
        "grain": grain,
        "vertices": graph.vertices,
        "nets": graph.nets,
        "pins": len(graph.pins),
        "array_bytes": sum(a.nbytes for a in (graph.starts, graph.pins, graph.costs, graph.weights)),
        "first_build_s": seconds[0],
        "build_s": min(seconds),
        "build_cpu_s": min(cpu),
    }


def reproduction(
    tables: list[str], engines: list[str], parts=None, races=TWO_RACES, longest_s: float | None = None
) -> Iterator[dict]:
    """Rows of `labkit.partition.thesis.reproduce`."""
    yield from reproduce(tables, parts, engines, races, longest_s=longest_s)


def speed(network: str, parts: int, engine: str, weights: str, again: int = TIMES) -> Iterator[dict]:
    """Seconds of an engine on the coarse hypergraph: of the first call in a process, and of `again` later ones."""
    problem, work = _problem(network, weights)
    bounds = limits(problem.hypergraph.weights, parts, IMBALANCE, alone=True)
    for run in range(1 + again):
        row = {"network": network, "engine": engine, "run": run, "first_in_process": run == 0}
        yield row | _found(problem, work, engine, bounds, seed=run)


def against(network: str, parts: int, engine: str) -> Iterator[dict]:
    """One engine on the coarse hypergraph at imbalance 0.1, to be compared with others; the second of two calls."""
    weights = "eserol" if network == "vgg16" else "flops"
    problem, work = _problem(network, weights)
    bounds = limits(problem.hypergraph.weights, parts, IMBALANCE, alone=True)
    first = _found(problem, work, engine, bounds)
    again = _found(problem, work, engine, bounds)
    yield {"network": network, "engine": engine, "first_s": first["seconds"], **again}


def targets(grain: str, parts: list[int]) -> Iterator[dict]:
    """VGG16 with FLOPs as weights at imbalance 0.1, against the volume to reach; and against data parallelism."""
    problem, work = _problem("vgg16", "flops", grain)
    for n in parts:
        bounds = limits(problem.hypergraph.weights, n, IMBALANCE, alone=True)
        row = {"network": "vgg16", "grain": grain, "engine": "counts", "target": target_with_flops(grain, n)}
        row |= _found(problem, work, "counts", bounds)
        yield row | {"over_target": row["volume"] / row["target"]}


def beyond(network: str, engine: str, parts: list[int]) -> Iterator[dict]:
    """An engine on a network of which the thesis has no figures, against the filter-wise incremental partition.

    Two limits each: the largest load of that partition ('incremental-max'), which is hardly above the average, and
    imbalance 0.1 ('imbalance').
    """
    problem, work = _problem(network, "flops")
    for n in parts:
        plan = partition(problem.tasks.network, n, "filter-incremental", weights=work)
        theirs = _measured(plan, work)
        tight = max(0.0, theirs["max_over_avg"] - 1)
        for race, imbalance in (("incremental-max", tight), ("imbalance", IMBALANCE)):
            bounds = limits(problem.hypergraph.weights, n, imbalance, alone=True)
            row = {"network": network, "engine": engine, "race": race, "incremental_volume": theirs["volume"]}
            row |= {"incremental_max_over_avg": theirs["max_over_avg"], "incremental_filled": theirs["filled"]}
            row |= _found(problem, work, engine, bounds)
            yield row | {"over_incremental": row["volume"] / theirs["volume"]}


WORK = {function.__name__: function for function in (hypergraph, reproduction, speed, against, targets, beyond)}


def _problem(network: str, weights: str, grain: str = "coarse") -> tuple[NetworkHypergraph, Weights]:
    tasks = tasks_of(zoo.get(network))
    work = weights_named(weights, tasks)
    return (coarse if grain == "coarse" else fine)(tasks, work), work


def _found(problem: NetworkHypergraph, work: Weights, engine: str, bounds: Limits, seed: int = 0) -> dict:
    """One call of an engine: how long it took, and what it found."""
    start, cpu_start = perf_counter(), process_time()
    if engine == UNGROUPED:
        part = cut_with_mtkahypar(problem.hypergraph, bounds, seed)
    else:
        part = engine_named(engine, problem.grain)(problem, bounds, seed)
    times = {"seconds": perf_counter() - start, "cpu_s": process_time() - cpu_start}
    plan = problem.plan(part, bounds.parts)
    found = _measured(plan, work)
    excess = bounds.excess(loads(plan, work).work)
    break_even = break_even_of(plan)
    return {"parts": bounds.parts, "weights": work.name, "seed": seed, **times, **found} | {
        "kept": excess == 0,
        "break_even_batch": break_even if isfinite(break_even) else None,
    }


def _measured(plan: Plan, work: Weights) -> dict:
    """Volume in 2^20 values per forward pass of 32 samples, and how the work is divided."""
    load = loads(plan, work)
    return {
        "volume": volume(plan, BATCH).elements / VOLUME_UNIT,
        "max_over_avg": load.max_over_avg,
        "min_over_avg": float(load.work.min() / load.average),
        "filled": int((load.work > 0).sum()),
    }
