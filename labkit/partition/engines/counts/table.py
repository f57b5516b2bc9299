"""The table of counts while it is searched, with everything that makes a move cheap to judge. Compiled loops."""

from typing import NamedTuple

import numpy as np

from labkit.engine.jit import jit
from labkit.partition.engines.counts.model import READS, Arrays

compiled = jit(error_model="numpy", nogil=True)


class Table(NamedTuple):
    """A table of counts and what follows from it. L classes, K parts, B bundles.

    counts: int64 [L, K], units of each class in each part. reading: int64 [B, K], units in the part that read the
    bundle. load: float64 [K]. held: int64 [K, L], the classes in each part, of which there are held_by[k]; at_part:
    int64 [L, K], where class l stands in held[k]. holders: int64 [L, K], the parts with some of each class, of which
    there are spread_over[l]; at_class: int64 [L, K], where part k stands in holders[l].
    """

    counts: np.ndarray
    reading: np.ndarray
    load: np.ndarray
    held: np.ndarray
    held_by: np.ndarray
    at_part: np.ndarray
    holders: np.ndarray
    spread_over: np.ndarray
    at_class: np.ndarray


def table_of(model: Arrays, counts: np.ndarray) -> Table:
    """The table of the given counts, int64 [L, K], which it takes over."""
    L, K = counts.shape
    bundles = len(model.maker)
    whole = (L, K)
    table = Table(
        np.zeros(whole, np.int64),
        np.zeros((bundles, K), np.int64),
        np.zeros(K),
        np.zeros((K, L), np.int64),
        np.zeros(K, np.int64),
        np.zeros(whole, np.int64),
        np.zeros(whole, np.int64),
        np.zeros(L, np.int64),
        np.zeros(whole, np.int64),
    )
    fill(model, table, np.ascontiguousarray(counts, np.int64))
    return table


@compiled
def fill(model: Arrays, table: Table, counts: np.ndarray) -> None:
    """Make the table that of `counts`, int64 [L, K]; loads are summed anew, so rounding does not pile up."""
    table.counts[:] = 0
    table.reading[:] = 0
    table.load[:] = 0
    table.held_by[:] = 0
    table.spread_over[:] = 0
    for k in range(counts.shape[1]):
        for one in range(counts.shape[0]):
            if counts[one, k] > 0:
                put(model, table, one, k, counts[one, k])


@compiled
def put(model: Arrays, table: Table, one: int, k: int, more: int) -> None:
    """Add `more` units (negative: take away) of class `one` to part k."""
    before = table.counts[one, k]
    table.counts[one, k] = before + more
    table.load[k] += model.work[one] * more
    for tie in range(model.first_tie[one], model.first_tie[one + 1]):
        if model.roles[tie] == READS:
            table.reading[model.ties[tie], k] += more
    if before == 0:
        _enter(table.held[k], table.held_by, k, table.at_part, one, k, one)
        _enter(table.holders[one], table.spread_over, one, table.at_class, one, k, k)
    elif before + more == 0:
        last = table.held_by[k] - 1
        moved = table.held[k, last]
        table.held[k, table.at_part[one, k]] = moved
        table.at_part[moved, k] = table.at_part[one, k]
        table.held_by[k] = last
        last = table.spread_over[one] - 1
        moved = table.holders[one, last]
        table.holders[one, table.at_class[one, k]] = moved
        table.at_class[one, moved] = table.at_class[one, k]
        table.spread_over[one] = last


@compiled
def _enter(row, sizes, size, places, one, k, value) -> None:
    """Append `value` to a list of a part or class, and note its place."""
    places[one, k] = sizes[size]
    row[sizes[size]] = value
    sizes[size] += 1


@compiled
def wants(model: Arrays, table: Table, bundle: int, k: int, one: int, more: int, reads: bool) -> int:
    """g(part) of a bundle, in units, if part k had `more` units of class `one`; reads: do these read the bundle?"""
    reading = table.reading[bundle, k]
    maker = model.maker[bundle]
    if reads:
        reading += more
    if reading > 0:
        return model.units[maker]
    most = table.counts[maker, k]
    if maker == one:
        most += more
    for i in range(model.first_partner[bundle], model.first_partner[bundle + 1]):
        partner = model.partners[i]
        here = table.counts[partner, k]
        if partner == one:
            here += more
        most = max(most, here)
    return most


@compiled
def change(model: Arrays, table: Table, one: int, p: int, q: int, units: int) -> float:
    """By how much the volume of a sample grows if `units` units of class `one` go from part p to part q."""
    total = 0.0
    for tie in range(model.first_tie[one], model.first_tie[one + 1]):
        bundle = model.ties[tie]
        reads = model.roles[tie] == READS
        left = table.reading[bundle, p] - (units if reads else 0)
        if left > 0 and table.reading[bundle, q] > 0:
            continue
        grows = wants(model, table, bundle, p, one, -units, reads) - wants(model, table, bundle, p, one, 0, reads)
        grows += wants(model, table, bundle, q, one, units, reads) - wants(model, table, bundle, q, one, 0, reads)
        total += model.cost[bundle] * grows
    if model.spread[one] > 0:
        if table.counts[one, p] == units:
            total -= model.spread[one]
        if table.counts[one, q] == 0:
            total += model.spread[one]
    return total


@compiled
def volume_of(model: Arrays, table: Table) -> float:
    """Values sent for one sample, forward: the formula of `model.py`."""
    total = 0.0
    for bundle in range(len(model.maker)):
        units = -model.units[model.maker[bundle]]
        for k in range(len(table.load)):
            units += wants(model, table, bundle, k, 0, 0, False)
        total += model.cost[bundle] * units
    for one in range(len(model.units)):
        total += model.spread[one] * (table.spread_over[one] - 1)
    return total
