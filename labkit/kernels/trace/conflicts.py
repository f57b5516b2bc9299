"""Two who touch one cell of memory with nothing between them that says who is first: found in columns of accesses."""

from dataclasses import dataclass

import numpy as np

from labkit.kernels.trace.record import ATOMIC, READ, SPACES, WRITE, Trace

SHARED, GLOBAL = SPACES.index("shared"), SPACES.index("global")
MOST_CELLS = 20_000  # that are looked at one by one; a kernel with more races than that has been found out


@dataclass(frozen=True)
class Conflict:
    """Rows `first` (which writes) and `second` of the accesses, and in how many cells the same two places meet."""

    first: int
    second: int
    cells: int


def races(trace: Trace, space: int) -> list[Conflict]:
    """Races of threads in shared or global memory, the earliest of each pair of places in the source.

    Within a block two accesses of different threads race if no barrier lies between them. Accesses of different blocks
    always do. It takes at least one write, and not two atomic accesses.
    """
    accesses = trace.accesses
    rows = np.flatnonzero((accesses.space == space) & (accesses.index >= 0))
    block, thread = accesses.block[rows], accesses.thread[rows]
    cell = (accesses.array[rows], accesses.index[rows])
    found = _conflicts(trace, rows, (block, accesses.phase[rows], *cell), thread)
    if space == GLOBAL:
        found += _conflicts(trace, rows, cell, block)
    return found


def grouped(columns: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(order, starts): rows sorted so that equal ones stand together, in their old order; where each group starts."""
    order = np.lexsort(columns[::-1])
    new = np.ones(len(order), bool)
    if len(order):
        new[1:] = np.any([column[order][1:] != column[order][:-1] for column in columns], axis=0)
    return order, np.flatnonzero(new)


def _conflicts(trace: Trace, rows: np.ndarray, cell: tuple[np.ndarray, ...], actor: np.ndarray) -> list[Conflict]:
    """Conflicts among `rows` that agree in all columns of `cell` and differ in their actor."""
    if not len(rows):
        return []
    order, starts = grouped(cell)
    kind, actor, rows = trace.accesses.kind[rows][order], actor[order], rows[order]
    several = np.minimum.reduceat(actor, starts) != np.maximum.reduceat(actor, starts)
    wrote, read, atomic = (np.logical_or.reduceat(kind == one, starts) for one in (WRITE, READ, ATOMIC))
    bad = np.flatnonzero(several & (wrote | (read & atomic)))
    ends = np.append(starts, len(rows))
    found: dict[tuple[int, int], Conflict] = {}
    for group in bad[:MOST_CELLS]:
        part = slice(ends[group], ends[group + 1])
        first, second = _pair(kind[part], actor[part])
        pair = rows[part][first], rows[part][second]
        key = tuple(int(trace.accesses.site[row]) for row in pair)
        before = found.get(key)
        found[key] = Conflict(*(before.first, before.second, before.cells + 1) if before else (*map(int, pair), 1))
    return list(found.values())


def _pair(kind: np.ndarray, actor: np.ndarray) -> tuple[int, int]:
    """Positions of a write and of the first access of somebody else that it races with."""
    first = int(np.argmax(kind == WRITE)) if (kind == WRITE).any() else int(np.argmax(kind == ATOMIC))
    others = actor != actor[first]
    if kind[first] == ATOMIC:
        others &= kind != ATOMIC
    if not others.any():  # the only reader of an atomically written cell is the first writer: take another writer
        first = int(np.argmax((kind == ATOMIC) & (actor != actor[np.argmax(kind == READ)])))
        others = (actor != actor[first]) & (kind != ATOMIC)
    return first, int(np.argmax(others))


def never_written(trace: Trace, space: int) -> np.ndarray:
    """Rows of reads of shared (local) cells which nobody of the block (not the thread itself) had written before.

    A cell that another thread writes in the same barrier interval is a race, and is left to `races`.
    """
    accesses = trace.accesses
    rows = np.flatnonzero((accesses.space == space) & (accesses.index >= 0))
    owner = (accesses.block[rows],) if space == SHARED else (accesses.block[rows], accesses.thread[rows])
    if not len(rows):
        return rows
    order, starts = grouped((*owner, accesses.array[rows], accesses.index[rows]))
    rows = rows[order]
    reads, phase, thread = accesses.kind[rows] == READ, accesses.phase[rows], accesses.thread[rows]
    late = np.iinfo(np.int64).max
    place = np.where(accesses.kind[rows] == WRITE, np.arange(len(rows)), late)
    lengths = np.diff(np.append(starts, len(rows)))
    write = np.repeat(np.minimum.reduceat(place, starts), lengths)  # the group's first write
    known = np.minimum(write, len(rows) - 1)
    early = np.arange(len(rows)) < write
    other_thread = (write != late) & (phase[known] == phase) & (thread[known] != thread)
    return rows[(reads | (accesses.kind[rows] == ATOMIC)) & early & ~other_thread]
