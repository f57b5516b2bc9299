"""Simulated annealing on a table of counts: units of a class change parts, others may come back. Compiled loops."""

from typing import NamedTuple

import numpy as np

from labkit.partition.engines.compiled import bare, inlined
from labkit.partition.engines.counts.model import READS, Arrays
from labkit.partition.engines.counts.table import Table, change, copy, enlist, shift, sum_loads, volume_of

VOLUME, EXCESS, HEAT, PRICE = 0, 1, 2, 3  # the numbers of a walk
BATCH = 5_000  # moves at one temperature and one price
PRICE_STEP = 1.3  # by how much the price of excess load changes between batches ...
LEAST_PRICE, MOST_PRICE = 1.0, 1e4  # ... and how far, in volumes of the largest bundle for a limit exceeded by 100 %
ALL, ONE, ANY = 0.4, 0.2, 0.2  # shares of the moves that take all units, one, any number; the others fill up the target
SAME, TIED = 0.45, 0.35  # shares that go where some of the class lies, where classes lie that it exchanges maps with
RETURN = 0.5  # share in which something comes back


class Bounds(NamedTuple):
    """What a table should keep to, and the units of the search.

    cap: float64 [K], the most that each part should hold. floor: the least that it should hold. least: the least that
    it must hold. usual: the median of `cap`, unit: the volume of the largest bundle; prices and temperatures are
    multiples of these.
    """

    cap: np.ndarray
    floor: float
    least: float
    usual: float
    unit: float


class Walk(NamedTuple):
    """Where a walk is and has been. now: float64 [4], volume, excess load, temperature, price of excess load.

    best: int64 [L, K], the best counts so far, with best_score: float64 [2], their volume and excess load; counts that
    keep the limits beat all that do not. state: uint64 [1], of the random numbers.
    """

    table: Table
    now: np.ndarray
    best: np.ndarray
    best_score: np.ndarray
    state: np.ndarray


@inlined
def uniform(state: np.ndarray) -> float:
    """The next number in [0, 1) of Marsaglia's xorshift generator; state: uint64 [1], not 0."""
    x = state[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    state[0] = x
    return float((x * np.uint64(2685821657736338717)) >> np.uint64(11)) * 2.0**-53


@inlined
def below(state: np.ndarray, n: int) -> int:
    """A random whole number from 0 to n - 1."""
    return int(uniform(state) * n)


@inlined
def excess(load: float, cap: float, floor: float) -> float:
    """By how much a load breaks the limits of its part."""
    return max(0.0, load - cap) + max(0.0, floor - load)


@bare
def total_excess(table: Table, bounds: Bounds) -> float:
    """By how much all loads together break the limits."""
    total = 0.0
    for k in range(len(bounds.cap)):
        total += excess(table.load[k], bounds.cap[k], bounds.floor)
    return total


@bare
def anneal(model: Arrays, bounds: Bounds, walk: Walk, batches: int, cooling: float) -> None:
    """Go on with a walk for some batches of moves; the temperature is multiplied by `cooling` after each.

    Excess load has a price, which rises while there is any and falls while there is none: so the walk keeps crossing
    the border of what is allowed, where the best tables lie.
    """
    now = walk.now
    for _ in range(batches):
        sum_loads(model, walk.table)  # anew, so that rounding does not pile up
        now[VOLUME] = volume_of(model, walk.table)
        now[EXCESS] = total_excess(walk.table, bounds)
        dearer = PRICE_STEP if now[EXCESS] > 1e-10 * bounds.usual else 1 / PRICE_STEP
        now[PRICE] = min(MOST_PRICE, max(LEAST_PRICE, now[PRICE] * dearer))
        _moves(model, bounds, walk, now[HEAT] * bounds.unit, now[PRICE] * bounds.unit / bounds.usual)
        now[HEAT] *= cooling


@bare
def _moves(model: Arrays, bounds: Bounds, walk: Walk, heat: float, price: float) -> None:
    """One batch. A move that makes volume + price * excess larger by d is accepted with probability exp(-d / heat)."""
    table, state, cap, floor = walk.table, walk.state, bounds.cap, bounds.floor
    load = table.load
    for _ in range(BATCH):
        p = below(state, len(load))
        if table.held_by[p] == 0:
            continue
        one = table.held[p, below(state, table.held_by[p])]
        q = _target(model, table, one, state)
        if q == p:
            continue
        units = _how_many(model, table, one, p, q, cap, state)
        before = excess(load[p], cap[p], floor) + excess(load[q], cap[q], floor)
        load_p, load_q = load[p], load[q]
        grows = change(model, table, one, p, q, units)
        shift(model, table, one, p, -units)
        shift(model, table, one, q, units)
        other, back = one, 0
        if uniform(state) < RETURN:
            other = table.held[q, below(state, table.held_by[q])]
            if other != one:
                back = _in_return(model, table, other, q, units * model.work[one], state)
                grows += change(model, table, other, q, p, back)
                shift(model, table, other, q, -back)
                shift(model, table, other, p, back)
        more = excess(load[p], cap[p], floor) + excess(load[q], cap[q], floor) - before
        worse = grows + price * more
        emptied = load[p] < bounds.least or load[q] < bounds.least
        if not emptied and (worse <= 0 or uniform(state) < np.exp(-worse / heat)):
            enlist(table, one, p)
            enlist(table, one, q)
            if back > 0:
                enlist(table, other, p)
                enlist(table, other, q)
            _note(walk, grows, more, 1e-10 * bounds.usual)
        else:
            if back > 0:
                shift(model, table, other, p, -back)
                shift(model, table, other, q, back)
            shift(model, table, one, q, -units)
            shift(model, table, one, p, units)
            load[p], load[q] = load_p, load_q


@inlined
def _note(walk: Walk, grows: float, more: float, tiny: float) -> None:
    """Bring volume and excess load up to date, and keep the table if it is the best."""
    now, best = walk.now, walk.best_score
    now[VOLUME] += grows
    now[EXCESS] += more
    if now[EXCESS] <= tiny:
        better = best[EXCESS] > tiny or now[VOLUME] < best[VOLUME] - 1e-6
    else:
        better = now[EXCESS] < best[EXCESS] - tiny
    if better:
        copy(walk.table.counts, walk.best)
        best[VOLUME], best[EXCESS] = now[VOLUME], now[EXCESS]


@inlined
def _target(model: Arrays, table: Table, one: int, state: np.ndarray) -> int:
    """Where to: mostly a part that holds some of the class, or something that the class exchanges maps with."""
    draw = uniform(state)
    near = one
    if draw >= SAME:
        first, end = model.first_tie[one], model.first_tie[one + 1]
        if draw >= SAME + TIED or end == first:
            return below(state, len(table.load))
        tie = first + below(state, end - first)
        bundle = model.ties[tie]
        near = model.maker[bundle]
        first, end = model.first_reader[bundle], model.first_reader[bundle + 1]
        if model.roles[tie] != READS and end > first:
            near = model.readers[first + below(state, end - first)]
    return table.holders[near, below(state, table.spread_over[near])]


@inlined
def _how_many(model: Arrays, table: Table, one: int, p: int, q: int, cap: np.ndarray, state: np.ndarray) -> int:
    """How many units go: all, one, any number, or as many as part q has room for."""
    there = table.counts[one, p]
    draw = uniform(state)
    if draw < ALL or model.work[one] == 0:
        return there
    if draw < ALL + ONE:
        return 1
    if draw < ALL + ONE + ANY:
        return 1 + below(state, there)
    return min(there, max(1, int((cap[q] - table.load[q]) / model.work[one])))


@inlined
def _in_return(model: Arrays, table: Table, other: int, q: int, work: float, state: np.ndarray) -> int:
    """How many units come back: all, or about as much work as went."""
    there = table.counts[other, q]
    if uniform(state) < 0.5 or model.work[other] == 0:
        return there
    return min(there, max(1, int(work / model.work[other] + 0.5)))
