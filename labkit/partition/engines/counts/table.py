"""The table of counts while it is searched, with everything that makes a move cheap to judge. Compiled loops."""

from typing import NamedTuple

import numpy as np

from labkit.partition.engines.compiled import bare, inlined
from labkit.partition.engines.counts.model import READS, Arrays


class Table(NamedTuple):
    """A table of counts and what follows from it. L classes, K parts, B bundles.

    counts: int32 [L, K], units of each class in each part. reading: int32 [B, K], units in the part that read the
    bundle. load: float64 [K]. held: int64 [K, L], the classes in each part, of which there are held_by[k]; at_part:
    int32 [L, K], where class l stands in held[k]. holders: int64 [L, K], the parts with some of each class, of which
    there are spread_over[l]; at_class: int32 [L, K], where part k stands in holders[l].
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
    """The table of the given counts, int [L, K]."""
    L, K = counts.shape
    bundles = len(model.maker)
    whole = (L, K)
    table = Table(
        np.zeros(whole, np.int32),
        np.zeros((bundles, K), np.int32),
        np.zeros(K),
        np.zeros((K, L), np.int64),
        np.zeros(K, np.int32),
        np.zeros(whole, np.int32),
        np.zeros(whole, np.int64),
        np.zeros(L, np.int32),
        np.zeros(whole, np.int32),
    )
    _fill(model, table, np.ascontiguousarray(counts, np.int64))
    return table


@bare
def sum_loads(model: Arrays, table: Table) -> None:
    """Sum the loads of all parts anew."""
    for k in range(len(table.load)):
        table.load[k] = 0.0
        for one in range(len(model.units)):
            table.load[k] += model.work[one] * table.counts[one, k]


@bare
def _fill(model: Arrays, table: Table, counts: np.ndarray) -> None:
    """Put `counts`, int64 [L, K], into an empty table."""
    for k in range(counts.shape[1]):
        for one in range(counts.shape[0]):
            if counts[one, k] > 0:
                put(model, table, one, k, counts[one, k])


@inlined
def put(model: Arrays, table: Table, one: int, k: int, more: int) -> None:
    """Add `more` units (negative: take away) of class `one` to part k."""
    shift(model, table, one, k, more)
    enlist(table, one, k)


@inlined
def shift(model: Arrays, table: Table, one: int, k: int, more: int) -> None:
    """`put` without the lists, for a move that may be taken back: they are as before until `enlist`."""
    table.counts[one, k] += more
    table.load[k] += model.work[one] * more
    for tie in range(model.first_tie[one], model.first_tie[one + 1]):
        if model.roles[tie] == READS:
            table.reading[model.ties[tie], k] += more


@inlined
def enlist(table: Table, one: int, k: int) -> None:
    """Bring the lists of class `one` and part k up to date with the counts."""
    place = table.at_part[one, k]
    listed = place < table.held_by[k] and table.held[k, place] == one
    if listed == (table.counts[one, k] > 0):
        return
    if listed:
        _strike(table.held, table.held_by, k, place)
        table.at_part[table.held[k, place], k] = place
        place = table.at_class[one, k]
        _strike(table.holders, table.spread_over, one, place)
        table.at_class[one, table.holders[one, place]] = place
    else:
        table.at_part[one, k] = _append(table.held, table.held_by, k, one)
        table.at_class[one, k] = _append(table.holders, table.spread_over, one, k)


@inlined
def _append(lists: np.ndarray, sizes: np.ndarray, which: int, value: int) -> int:
    """Append `value` to lists[which], of length sizes[which]; returns its place."""
    place = sizes[which]
    lists[which, place] = value
    sizes[which] += 1
    return place


@inlined
def _strike(lists: np.ndarray, sizes: np.ndarray, which: int, place: int) -> None:
    """Remove the value at `place` of lists[which]; the last value of the list takes its seat."""
    sizes[which] -= 1
    lists[which, place] = lists[which, sizes[which]]


@inlined
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
    i, end = model.first_partner[bundle], model.first_partner[bundle + 1]
    while i < end:
        partner = model.partners[i]
        here = table.counts[partner, k]
        if partner == one:
            here += more
        most = max(most, here)
        i += 1
    return most


@inlined
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


@inlined
def copy(source: np.ndarray, target: np.ndarray) -> None:
    """Write a table of counts into another."""
    for one in range(source.shape[0]):
        for k in range(source.shape[1]):
            target[one, k] = source[one, k]


@bare
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
