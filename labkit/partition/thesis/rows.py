"""The rows of the reproduction as dictionaries of plain values, ready for JSON.

'partition': tables, method, imbalance, parts, engine, engine_version, race, measure; of the thesis, as printed:
thesis_volume, thesis_max_comm, thesis_avg_comm, thesis_max_load, thesis_min_load, thesis_avg_load; ours: volume,
max_comm, avg_comm, max_load, min_load, avg_load, max_over_avg, filled and idle_parts (with and without
work), ratio (of the volumes), best_found and best_found_idle (`best_found.py`; whether that plan has idle parts), kept
and excess (of the limits), seconds (of the engine, measured here), error; remarks, paper, origin.

'layer' (table 5.13): layer; thesis_output, output; thesis_parameters, parameters; equal.

'epoch' (table 5.14): parts, batch; as printed: thesis_data_parallel, thesis_hypergraph, thesis_reduction_percent; with
the volume of `engine` in `race` (None: the thesis's own): data_parallel_gib, plan_gi_values, mixed_reduction (the two
compared as the thesis does), plan_gib, reduction (compared in bytes), break_even_batch.
"""

from math import prod

from labkit.machine.origin import MODELLED
from labkit.partition.gathered import measure as measure_named
from labkit.partition.thesis.best_found import best_found, has_idle_parts
from labkit.partition.thesis.chapter5_network import PARAMETERS_5_13
from labkit.partition.thesis.data_parallelism import VOLUMES_5_10, break_even_batch, table_5_14
from labkit.partition.thesis.remarks import ALLOWED, EPOCHS, IDLE, MEMORY, remarks
from labkit.partition.thesis.tables import BATCH, PAPER, VOLUME_UNIT, Figures, layer_rows
from labkit.partition.thesis.workshop import IDLE_ALLOWED, Found, Workshop
from labkit.partition.volume import volume


def partition_line(printed: Figures, found: Found, engine: str | None, race: str, measure: str) -> dict:
    """The row of one partition: what the thesis prints, and what we found."""
    row = {
        "what": "partition",
        "tables": [printed.load_table, printed.volume_table],
        "method": printed.method,
        "imbalance": printed.imbalance,
        "parts": printed.parts,
        "engine": engine,
        "engine_version": found.engine_version,
        "race": race,
        "measure": measure,
        "thesis_volume": float(printed.volume),
        "thesis_max_comm": float(printed.max_comm),
        "thesis_avg_comm": float(printed.avg_comm),
        "thesis_max_load": printed.max_load,
        "thesis_min_load": float(printed.min_work),
        "thesis_avg_load": float(printed.avg_work),
    }
    caps = None if found.limits is None else found.limits.cap
    row |= _ours(found, measure)
    row["ratio"] = None if row["volume"] is None else row["volume"] / row["thesis_volume"]
    row["best_found"] = best_found(printed.method, printed.parts, printed.imbalance, race)
    row["best_found_idle"] = has_idle_parts(printed.method, printed.parts, race)
    row |= {"excess": found.excess if found.plan else None, "kept": found.excess == 0}
    said = remarks(printed, measure, caps)
    said += [IDLE] * row["best_found_idle"] + [ALLOWED] * (engine == IDLE_ALLOWED)
    row |= {"seconds": found.seconds, "error": found.error, "remarks": said}
    return row | {"paper": PAPER, "origin": MODELLED}


def _ours(found: Found, measure: str) -> dict:
    """Volume and loads of our partition; None for each where there is none."""
    names = (
        "volume",
        "max_comm",
        "avg_comm",
        "max_load",
        "min_load",
        "avg_load",
        "max_over_avg",
        "filled",
        "idle_parts",
    )
    if found.plan is None:
        return dict.fromkeys(names)
    counted = measure_named(measure)(found.plan, BATCH)
    largest = max(row.elements for row in counted.rows if row.what == "maps")
    filled = int((found.loads > 0).sum())
    values = counted.elements / VOLUME_UNIT
    load = found.loads
    balance = (float(load.max()), float(load.min()), float(load.mean()), float(load.max() / load.mean()))
    return dict(
        zip(names, (values, largest / VOLUME_UNIT, values / filled, *balance, filled, len(load) - filled), strict=True)
    )


def layer_lines(workshop: Workshop) -> list[dict]:
    """Table 5.13 beside the lab's VGG16."""
    network, lines = workshop.tasks.network, []
    for printed in layer_rows():
        name = printed.layer.lower()
        maps, height, width = network.input_shape if name == "input" else (*network.shape(name), 1, 1)[:3]
        node = None if name == "input" else network[name]
        shapes = node.layer.weights(*network.input_shapes(node)) if node else {}
        parameters = prod(shapes.get("weight", (0,)))
        lines.append(
            {
                "what": "layer",
                "tables": [printed.table],
                "layer": printed.layer,
                "thesis_output": list(printed.output),
                "output": [height, width, maps],
                "thesis_parameters": printed.parameters,
                "parameters": parameters,
                "equal": printed.output == (height, width, maps) and printed.parameters == parameters,
                "remarks": [MEMORY],
                "paper": PAPER,
                "origin": MODELLED,
            }
        )
    return lines


def epoch_lines(
    parts: tuple[int, ...], engine: str | None = None, race: str | None = None, found: Found | None = None
) -> list[dict]:
    """Table 5.14 for some N, with the thesis's volumes or with that of a plan of ours."""
    if found is None:
        volumes = {n: v for n, v in VOLUMES_5_10.items() if n in parts}
    elif found.plan is None:
        return [_epoch_failed(n, engine, race, found) for n in parts]
    else:
        volumes = {n: volume(found.plan, BATCH).elements / VOLUME_UNIT for n in parts}
    return [
        {
            "what": "epoch",
            "tables": ["5.14"],
            "parts": line.printed.parts,
            "batch": line.printed.batch,
            "engine": engine,
            "race": race,
            "thesis_data_parallel": line.printed.data_parallel,
            "thesis_hypergraph": line.printed.hypergraph,
            "thesis_reduction_percent": line.printed.reduction_percent,
            "data_parallel_gib": line.data_parallel_gib,
            "plan_gi_values": line.plan_gi_values,
            "mixed_reduction": line.mixed_reduction,
            "plan_gib": line.plan_gib,
            "reduction": line.reduction,
            "break_even_batch": break_even_batch(
                PARAMETERS_5_13, line.printed.parts, 2 * volumes[line.printed.parts] * VOLUME_UNIT / BATCH
            ),
            "error": None,
            "remarks": [EPOCHS],
            "paper": PAPER,
            "origin": MODELLED,
        }
        for line in table_5_14(volumes)
    ]


def _epoch_failed(parts: int, engine: str | None, race: str | None, found: Found) -> dict:
    return {"what": "epoch", "tables": ["5.14"], "parts": parts, "engine": engine, "race": race} | {
        "error": found.error,
        "remarks": [EPOCHS],
        "paper": PAPER,
        "origin": MODELLED,
    }
