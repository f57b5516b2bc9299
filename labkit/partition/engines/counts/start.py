"""Good tables of counts to start from: cuts of the network, into runs of layers; and the thesis's own way.

Lay all units of a network in one line, layer after layer, cut the line into segments, and give each segment to m parts
that hold equal shares of each of its layers. By the formula of `model.py` the volume of such a plan is a sum over the
segments, a + b * m for each of them, so dynamic programming finds the best cuts and the best m.
"""

import numpy as np

from labkit.partition.engines.compiled import compiled
from labkit.partition.engines.counts.model import READS, Arrays

POSITIONS = 192  # places where the line may be cut, about


def incremental(model: Arrays, cap: np.ndarray) -> np.ndarray:
    """Counts, int64 [L, K], of the filter-wise incremental partition: fill a part until its load reaches the average.

    Units that are heavier than the usual limit get parts to themselves, those with the largest limits.
    """
    heavy = _heavy(model, cap)
    counts = np.zeros((len(model.units), len(cap)), np.int64)
    roomy = np.argsort(-cap, kind="stable")
    taken = 0
    for one in sorted(np.flatnonzero(heavy), key=lambda one: -model.work[one]):
        for _ in range(model.units[one]):
            counts[one, roomy[taken % len(cap)]] += 1
            taken += 1
    free = np.sort(roomy[taken:]) if taken < len(cap) else np.arange(len(cap))
    total = (model.units * model.work)[~heavy].sum()
    done = 0.0
    for one in np.flatnonzero(~heavy):
        before = done + model.work[one] * np.arange(model.units[one])
        place = np.minimum(np.floor(before / total * len(free) + 1e-9), len(free) - 1).astype(np.int64)
        counts[one] += np.bincount(free[place], minlength=len(cap))
        done += model.work[one] * model.units[one]
    return without_empty(model, counts)


def without_empty(model: Arrays, counts: np.ndarray) -> np.ndarray:
    """The counts, changed in place so that every part has work where there are enough units: the fullest give one."""
    works = model.work > 0
    while True:
        units = counts[works].sum(0)
        empty = np.flatnonzero(units == 0)
        if not len(empty) or units.max() < 2:
            return counts
        load = np.where(units > 1, model.work @ counts, -1)
        giver = int(load.argmax())
        one = int(np.where(works, counts[:, giver], 0).argmax())
        counts[one, giver] -= 1
        counts[one, empty[0]] += 1


def segments(model: Arrays, cap: np.ndarray, floor: float, tightness: float = 1.0) -> np.ndarray | None:
    """Counts, int64 [L, K], of the best plan of segments; None if there is none with so many parts.

    tightness: share of the limit that a segment may use on average, since whole units never divide evenly.
    """
    usual = float(np.median(cap))
    before = _positions(model, _heavy(model, cap))
    fixed, per_part = _segment_costs(model, before)
    fewest, most = _part_bounds(model, before, usual * tightness, floor)
    ends, parts = _best_cuts(fixed, per_part, fewest, most, len(cap))
    if not len(ends):
        return None
    counts = np.zeros((len(model.units), len(cap)), np.int64)
    first, start = 0, 0
    for end, number in zip(ends, parts, strict=True):
        counts[:, first : first + number] = _shared(model, before[end] - before[start], number)
        first, start = first + number, end
    return without_empty(model, _seated(model, counts, cap))


def _heavy(model: Arrays, cap: np.ndarray) -> np.ndarray:
    """Which classes have units that are too heavy for a part with the usual limit: bool [L]."""
    return model.work > np.median(cap) * (1 + 1e-9)


def _positions(model: Arrays, heavy: np.ndarray) -> np.ndarray:
    """Units of each class before each place where the line may be cut: int64 [positions, L]."""
    share = model.units * model.work
    pieces = np.clip(np.rint(POSITIONS * share / share.sum()), 1, model.units).astype(np.int64)
    pieces[heavy] = model.units[heavy]
    rows = [np.zeros(len(model.units), np.int64)]
    for one, number in enumerate(pieces):
        for i in range(1, number + 1):
            row = rows[-1].copy()
            row[one] = model.units[one] * i // number
            rows.append(row)
    return np.array(rows)


@compiled
def _segment_costs(model: Arrays, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Volume of the segment from position a to b: fixed[a, b] + per_part[a, b] * parts, but for a constant."""
    n = len(before)
    fixed, per_part = np.zeros((n, n)), np.zeros((n, n))
    for a in range(n):
        inside = np.zeros(len(model.units), np.int64)
        read = np.zeros(len(model.maker), np.bool_)
        most = np.zeros(len(model.maker), np.int64)  # of a bundle that is not read: units of its maker or a partner
        for b in range(a + 1, n):
            fixed[a, b], per_part[a, b] = fixed[a, b - 1], per_part[a, b - 1]
            one = np.argmax(before[b] - before[b - 1])
            if inside[one] == 0:
                per_part[a, b] += model.spread[one]
            inside[one] += before[b, one] - before[b - 1, one]
            for tie in range(model.first_tie[one], model.first_tie[one + 1]):
                bundle = model.ties[tie]
                if model.roles[tie] == READS and not read[bundle]:
                    read[bundle] = True
                    per_part[a, b] += model.cost[bundle] * model.units[model.maker[bundle]]
                    fixed[a, b] -= model.cost[bundle] * most[bundle]
                elif model.roles[tie] != READS and not read[bundle] and inside[one] > most[bundle]:
                    fixed[a, b] += model.cost[bundle] * (inside[one] - most[bundle])
                    most[bundle] = inside[one]
    return fixed, per_part


def _part_bounds(model: Arrays, before: np.ndarray, limit: float, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Fewest and most parts among which the segment from a to b may be shared: int64 [positions, positions] each."""
    works = model.work > 0
    work = before @ model.work
    load = work[None, :] - work[:, None]
    units = before[:, works].sum(1)
    inside = units[None, :] - units[:, None]
    fewest = np.maximum(1, np.ceil(load / limit - 1e-9)).astype(np.int64)
    fewest[inside == 1] = 1  # a unit cannot be divided; one that is too heavy gets a part with a limit of its own
    most = inside.copy()
    if floor > 0:
        most = np.minimum(most, np.floor(load / floor + 1e-9).astype(np.int64))
    return fewest, most


@compiled
def _best_cuts(fixed, per_part, fewest, most, parts) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the segments and the parts of each, for exactly so many parts in all; empty if there are none."""
    n = len(fixed)
    best = np.full((n, parts + 1), np.inf)
    best[0, 0] = 0.0
    came_from, came_with = np.zeros((n, parts + 1), np.int64), np.zeros((n, parts + 1), np.int64)
    for b in range(1, n):
        for a in range(b):
            least = fewest[a, b]
            if least > most[a, b]:
                continue
            cost, number = np.inf, 0  # the best so far with `used` parts, if the segment has `number` of them
            for used in range(least, parts + 1):
                cost, number = cost + per_part[a, b], number + 1
                fresh = best[a, used - least] + fixed[a, b] + per_part[a, b] * least
                if fresh <= cost or number > most[a, b]:
                    cost, number = fresh, least
                if cost < best[b, used]:
                    best[b, used], came_from[b, used], came_with[b, used] = cost, a, number
    ends, shares = [0 for _ in range(0)], [0 for _ in range(0)]
    b, used = n - 1, parts
    if best[b, used] < np.inf:
        while b > 0:
            ends.append(b)
            shares.append(came_with[b, used])
            b, used = came_from[b, used], used - came_with[b, used]
    return np.array(ends[::-1], dtype=np.int64), np.array(shares[::-1], dtype=np.int64)


def _shared(model: Arrays, units: np.ndarray, parts: int) -> np.ndarray:
    """Units [L] of a segment divided among its parts, evenly within each class: int64 [L, parts]."""
    counts = np.repeat((units // parts)[:, None], parts, axis=1)
    load = model.work @ counts
    for one in np.argsort(-model.work, kind="stable"):
        for k in np.argsort(load, kind="stable")[: units[one] % parts]:
            counts[one, k] += 1
            load[k] += model.work[one]
    return counts


def _seated(model: Arrays, counts: np.ndarray, cap: np.ndarray) -> np.ndarray:
    """The same columns, the heaviest of them where the limits are above the usual one."""
    columns = list(range(counts.shape[1]))
    seats = np.empty(len(columns), np.int64)
    load = model.work @ counts
    roomy = [k for k in np.argsort(-cap, kind="stable") if cap[k] > np.median(cap)]
    for k in roomy:
        heaviest = max(columns, key=lambda column: load[column])
        seats[k] = heaviest
        columns.remove(heaviest)
    seats[[k for k in range(len(cap)) if k not in roomy]] = columns
    return counts[:, seats]
