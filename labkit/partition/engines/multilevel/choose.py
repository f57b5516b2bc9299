"""Which move is next: the one that gains most among those that the limits allow.

A part may be overfilled by one move (otherwise two heavy vertices could never change places when all parts are nearly
full), but then the next move must come out of it. The same rule mends partitions that break the limits to begin with.
"""

from labkit.partition.engines.compiled import bare
from labkit.partition.engines.multilevel.buckets import NONE, highest
from labkit.partition.engines.multilevel.state import gain_of

LOOKED_AT = 64  # vertices of the best buckets that are tried, per part, before its other moves are given up
NO_GAIN = -(1 << 62)


@bare
def choose(s):
    """(vertex, to) of the next move; (NONE, NONE) if none is allowed."""
    over, under = worst_over(s), worst_under(s)
    if over != NONE:
        return best_out_of(s, over)
    if under != NONE:
        return best_into(s, under)
    return best_of_buckets(s)


@bare
def worst_over(s):
    """The part that exceeds its cap by most, NONE if all keep it."""
    worst, most = NONE, 0.0
    for b in range(len(s.loads)):
        if s.loads[b] - s.cap[b] > most:
            worst, most = b, s.loads[b] - s.cap[b]
    return worst


@bare
def worst_under(s):
    """The part with the least load, if that is below the floor."""
    worst = 0
    for b in range(len(s.loads)):
        if s.loads[b] < s.loads[worst]:
            worst = b
    return worst if s.loads[worst] < s.floor else NONE


@bare
def best_of_buckets(s):
    """The best of the highest buckets; among equal gains the target with the most room."""
    best, target, most = NONE, NONE, NO_GAIN
    for b in range(len(s.loads)):
        v = best_in(s, b)
        if v == NONE:
            continue
        gain = gain_of(s, v, b)
        roomier = gain == most and s.cap[b] - s.loads[b] > s.cap[target] - s.loads[target]
        if gain > most or roomier:
            best, target, most = v, b, gain
    return best, target


@bare
def best_in(s, to):
    """The vertex that gains most by moving to `to`: the first bucket from the top with one that is allowed has it."""
    place, seen = highest(s.buckets, to), 0
    while place >= 0 and seen < LOOKED_AT:
        best, most = NONE, NO_GAIN
        v = s.buckets.first[to, place]
        while v != NONE and seen < LOOKED_AT:
            if gain_of(s, v, to) > most and allowed(s, v, to):
                best, most = v, gain_of(s, v, to)
            seen += 1
            v = s.buckets.after[to, v]
        if best != NONE:
            return best
        place -= 1
    return NONE


@bare
def allowed(s, vertex, to):
    """No part falls below the floor, and none is overfilled by more than `spare`."""
    weight = s.weights[vertex]
    return s.loads[s.part[vertex]] - weight >= s.floor and s.loads[to] + weight <= s.cap[to] + s.spare


@bare
def best_out_of(s, over):
    """The move out of an overfilled part that gains most: to where it fits, else to where it does less harm."""
    best, target, most, fits = NONE, NONE, NO_GAIN, False
    excess = s.loads[over] - s.cap[over]
    for v in range(len(s.part)):
        if s.part[v] != over or not s.free[v] or s.weights[v] == 0 or s.loads[over] - s.weights[v] < s.floor:
            continue
        for b in range(len(s.loads)):
            new = s.loads[b] + s.weights[v] - s.cap[b]
            if b == over or new >= excess or (fits and new > 0):
                continue
            gain = gain_of(s, v, b)
            if gain > most or (new <= 0 and not fits):
                best, target, most, fits = v, b, gain, new <= 0
    return best, target


@bare
def best_into(s, under):
    """The move into a part below the floor that gains most, without bringing another below it."""
    best, most = NONE, NO_GAIN
    for v in range(len(s.part)):
        keeps = s.loads[s.part[v]] - s.weights[v] >= s.floor and s.loads[under] + s.weights[v] <= s.cap[under]
        if s.free[v] and s.weights[v] > 0 and s.part[v] != under and keeps and gain_of(s, v, under) > most:
            best, most = v, gain_of(s, v, under)
    return best, under if best != NONE else NONE
