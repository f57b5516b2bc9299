"""Notebook 04: the best mapping for each layer, from a profile."""

import numpy as np

from labkit.course.exercise import Case, Exercise, WrongSolution

MAPPINGS, PHASES = ("data", "model", "hybrid"), ("fp", "bp", "ku")


def best_mapping(rows):
    """Layer -> the mapping that takes least time over all its rows."""
    sums = {}
    for row in rows:
        key = row["layer"], row["mapping"]
        sums[key] = sums.get(key, 0.0) + row["seconds"]
    layers = dict.fromkeys(layer for layer, _ in sums)
    return {layer: min((m for one, m in sums if one == layer), key=lambda m: sums[layer, m]) for layer in layers}


def cases(rng: np.random.Generator) -> list[Case]:
    """Profiles in any order: layers without BP, phases of several rows, mappings whose best phase misleads."""
    made = []
    for layers in (("conv1", "fc"), ("conv1", "conv2", "pool", "fc6", "fc7"), ("a", "b", "c", "d")):
        rows = []
        for number, layer in enumerate(layers):
            phases = PHASES if number else ("fp", "ku")
            for mapping in MAPPINGS:
                for phase in phases:
                    for kernel in ("first", "second")[: int(rng.integers(1, 3))]:
                        seconds = float(rng.uniform(1, 9))
                        rows.append(
                            {"layer": layer, "mapping": mapping, "phase": phase, "kernel": kernel, "seconds": seconds}
                        )
        shuffled = [rows[int(i)] for i in rng.permutation(len(rows))]
        made.append(Case((shuffled,), f"a profile of {len(layers)} layers, {len(rows)} rows"))
    return made


def _forward_only(rows):
    return best_mapping([row for row in rows if row["phase"] == "fp"])


def _last_row(rows):
    seen = {}
    for row in rows:
        seen[row["layer"], row["mapping"]] = row
    return best_mapping(list(seen.values()))


def _fastest_row(rows):
    best = {}
    for row in rows:
        if row["layer"] not in best or row["seconds"] < best[row["layer"]]["seconds"]:
            best[row["layer"]] = row
    return {layer: row["mapping"] for layer, row in best.items()}


def _slowest(rows):
    return best_mapping([row | {"seconds": -row["seconds"]} for row in rows])


def _one_for_all(rows):
    best = best_mapping([row | {"layer": "all"} for row in rows])["all"]
    return {row["layer"]: best for row in rows}


def _averaged(rows):
    counts = {}
    for row in rows:
        key = row["layer"], row["mapping"]
        counts[key] = counts.get(key, 0) + 1
    return best_mapping([row | {"seconds": row["seconds"] / counts[row["layer"], row["mapping"]]} for row in rows])


EXERCISE = Exercise(
    id="best-mapping",
    title="The best mapping for each layer",
    prompt=(
        "Write `best_mapping(rows)`: a dict from each layer to the mapping with which it takes least time in a step of "
        "training.\nA row is a dict with 'layer', 'phase' ('fp', 'bp' or 'ku'), 'kernel', 'mapping' and 'seconds'. A "
        "layer has several rows for each mapping, one for each kernel of each phase; they come in any order."
    ),
    reference=best_mapping,
    cases=cases,
    wrong=(
        WrongSolution(
            "FP only",
            _forward_only,
            "You compare FP only. BP and KU are two thirds of the work, and may want another mapping.",
            "Add up all phases.",
        ),
        WrongSolution(
            "last row counts",
            _last_row,
            "A later row of the same layer and mapping replaces the earlier one instead of being added.",
            "sums[key] = sums.get(key, 0) + row['seconds'].",
        ),
        WrongSolution(
            "fastest row",
            _fastest_row,
            "You take the mapping of the single fastest row. It may be slow in the other phases.",
            "Add up the rows of a layer and a mapping before you compare.",
        ),
        WrongSolution(
            "slowest",
            _slowest,
            "You return the slowest mapping of each layer.",
            "Least time is wanted: min.",
        ),
        WrongSolution(
            "one for all layers",
            _one_for_all,
            "You found the best mapping of the whole network. Each layer may have its own.",
            "Keep the sums apart by layer.",
        ),
        WrongSolution(
            "averaged",
            _averaged,
            "You compare means over the rows. A mapping with more kernels takes longer by their sum, not their mean.",
            "Add, do not average.",
        ),
    ),
    hints=(
        "Add up the seconds of each pair (layer, mapping) in a dictionary.",
        "Then, for each layer, take the mapping with the smallest sum.",
    ),
    next_step="Print the sums of one layer for its three mappings, and check one of them by hand.",
)
