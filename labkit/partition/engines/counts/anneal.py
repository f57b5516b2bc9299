"""Simulated annealing on a table of counts: units of a class change parts, others may come back. Compiled loops."""

import numpy as np

from labkit.partition.engines.counts.model import READS, Arrays
from labkit.partition.engines.counts.table import Table, change, compiled, put

VOLUME, EXCESS = 0, 1  # the two numbers of a score


@compiled
def uniform(state: np.ndarray) -> float:
    """The next number in [0, 1) of Marsaglia's xorshift generator; state: uint64 [1], not 0."""
    x = state[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    state[0] = x
    return float((x * np.uint64(2685821657736338717)) >> np.uint64(11)) * 2.0**-53


@compiled
def below(state: np.ndarray, n: int) -> int:
    """A random whole number from 0 to n - 1."""
    return int(uniform(state) * n)


@compiled
def excess(load: float, cap: float, floor: float) -> float:
    """By how much a load breaks the limits of its part."""
    return max(0.0, load - cap) + max(0.0, floor - load)


@compiled
def total_excess(table: Table, cap: np.ndarray, floor: float) -> float:
    total = 0.0
    for k in range(len(cap)):
        total += excess(table.load[k], cap[k], floor)
    return total


@compiled
def anneal(
    model: Arrays,
    table: Table,
    score: np.ndarray,
    best: np.ndarray,
    best_score: np.ndarray,
    cap: np.ndarray,
    floor: float,
    least: float,
    moves: int,
    heat: float,
    price: float,
    state: np.ndarray,
) -> None:
    """Try `moves` random moves at one temperature, in place.

    table, score (volume, excess): now. best, best_score: the best so far; a table that keeps the limits beats all that
    do not. least: no part's load may fall below it, so that none is empty. heat: a move that makes volume + price *
    excess larger by d is accepted with probability exp(-d / heat). state: uint64 [1], of the random numbers.
    """
    load = table.load
    tiny = 1e-12 * cap[0]
    for _ in range(moves):
        p = below(state, len(load))
        if table.held_by[p] == 0:
            continue
        one = table.held[p, below(state, table.held_by[p])]
        q = _target(model, table, one, p, state)
        if q == p:
            continue
        units = _how_many(model, table, one, p, q, cap, state)
        before = excess(load[p], cap[p], floor) + excess(load[q], cap[q], floor)
        load_p, load_q = load[p], load[q]
        grows = change(model, table, one, p, q, units)
        put(model, table, one, p, -units)
        put(model, table, one, q, units)
        other, back = -1, 0
        if uniform(state) < 0.5:
            other = table.held[q, below(state, table.held_by[q])]
            if other == one:
                other = -1
            else:
                back = _in_return(model, table, other, q, units * model.work[one], state)
                grows += change(model, table, other, q, p, back)
                put(model, table, other, q, -back)
                put(model, table, other, p, back)
        after = excess(load[p], cap[p], floor) + excess(load[q], cap[q], floor)
        worse = grows + price * (after - before)
        emptied = load[p] < least or load[q] < least
        if not emptied and (worse <= 0 or uniform(state) < np.exp(-worse / heat)):
            score[VOLUME] += grows
            score[EXCESS] += after - before
            if score[EXCESS] <= tiny:
                better = best_score[EXCESS] > tiny or score[VOLUME] < best_score[VOLUME] - 1e-6
            else:
                better = score[EXCESS] < best_score[EXCESS] - tiny
            if better:
                best[:] = table.counts
                best_score[:] = score
        else:
            if other >= 0:
                put(model, table, other, p, -back)
                put(model, table, other, q, back)
            put(model, table, one, q, -units)
            put(model, table, one, p, units)
            load[p], load[q] = load_p, load_q


@compiled
def _target(model: Arrays, table: Table, one: int, p: int, state: np.ndarray) -> int:
    """Where to: mostly a part that holds some of the class, or something that the class exchanges maps with."""
    draw = uniform(state)
    if draw < 0.45:
        return table.holders[one, below(state, table.spread_over[one])]
    first, end = model.first_tie[one], model.first_tie[one + 1]
    if draw < 0.8 and end > first:
        tie = first + below(state, end - first)
        bundle = model.ties[tie]
        if model.roles[tie] == READS:
            maker = model.maker[bundle]
            return table.holders[maker, below(state, table.spread_over[maker])]
        start = below(state, len(table.load))
        for i in range(len(table.load)):
            k = (start + i) % len(table.load)
            if table.reading[bundle, k] > 0:
                return k
    return below(state, len(table.load))


@compiled
def _how_many(model: Arrays, table: Table, one: int, p: int, q: int, cap: np.ndarray, state: np.ndarray) -> int:
    """How many units go: all, one, any number, or as many as part q has room for."""
    there = table.counts[one, p]
    draw = uniform(state)
    if draw < 0.4 or model.work[one] == 0:
        return there
    if draw < 0.6:
        return 1
    if draw < 0.8:
        return 1 + below(state, there)
    return min(there, max(1, int((cap[q] - table.load[q]) / model.work[one])))


@compiled
def _in_return(model: Arrays, table: Table, other: int, q: int, work: float, state: np.ndarray) -> int:
    """How many units come back: all, or about as much work as went."""
    there = table.counts[other, q]
    if uniform(state) < 0.5 or model.work[other] == 0:
        return there
    return min(there, max(1, int(work / model.work[other] + 0.5)))
