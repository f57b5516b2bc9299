"""Races and reads of memory never written, in random columns of accesses, against a comparison of every pair."""

from itertools import combinations

import numpy as np
import pytest

from labkit.kernels.launch import Launch
from labkit.kernels.trace import Accesses, Array, Site, Trace
from labkit.kernels.trace.conflicts import GLOBAL, SHARED, never_written, races
from labkit.kernels.trace.record import ATOMIC, KINDS, READ, WRITE

FLOAT = np.dtype(np.float32)
SPACES = (GLOBAL, SHARED)


def random_trace(rng: np.random.Generator, rows: int) -> Trace:
    """Two blocks of three threads, two intervals, two arrays of three cells; rows in the order of a trace."""
    columns = [rng.integers(0, most, rows) for most in (2, 2, 3)]
    block, phase, thread = (column[np.lexsort(columns[::-1])] for column in columns)
    kind, index, array = (rng.integers(0, most, rows) for most in (3, 3, 2))
    site, none = np.arange(rows), np.zeros(rows, int)
    space = np.where(array == 0, GLOBAL, SHARED)
    accesses = Accesses(block, thread, phase, site, array, index, none, kind, site, space)
    arrays = (Array("x", "global", (3,), FLOAT, 0), Array("part", "shared", (3,), FLOAT, 4))
    sites = tuple(Site("kernel", KINDS[k], line, "x[i]") for line, k in enumerate(kind))
    return Trace("kernel", Launch((2, 1, 1), 3), arrays, sites, accesses, (0, 1), {}, np.zeros((1, 3)), {})


def place(a: Accesses, i: int, j: int) -> tuple | None:
    """Where accesses i and j race: (block, interval, cell), or (cell,) between blocks; None if they do not."""
    if (a.array[i], a.index[i]) != (a.array[j], a.index[j]) or {a.kind[i], a.kind[j]} in ({READ}, {ATOMIC}):
        return None
    if a.block[i] != a.block[j]:
        return (int(a.index[i]),) if a.space[i] == GLOBAL else None
    if a.phase[i] != a.phase[j] or a.thread[i] == a.thread[j]:
        return None
    return int(a.block[i]), int(a.phase[i]), int(a.index[i])


@pytest.mark.parametrize("rows", range(2, 16))
def test_races_are_those_that_a_comparison_of_all_pairs_finds(rows):
    rng = np.random.default_rng(rows)
    for _ in range(60):
        ran = random_trace(rng, rows)
        a = ran.accesses
        for space in SPACES:
            pairs = [(i, j) for i, j in combinations(range(rows), 2) if a.space[i] == a.space[j] == space]
            wanted = {found for i, j in pairs if (found := place(a, i, j))}
            conflicts = races(ran, space)
            assert {place(a, c.first, c.second) for c in conflicts} == wanted
            assert all(a.kind[c.first] != READ and a.space[c.first] == space for c in conflicts)


@pytest.mark.parametrize("rows", range(1, 16))
def test_reads_of_what_nobody_has_written(rows):
    rng = np.random.default_rng(100 + rows)
    for _ in range(60):
        ran = random_trace(rng, rows)
        a, wanted = ran.accesses, set()
        for i in range(rows):
            same = [
                j for j in range(rows) if (a.block[i], a.array[i], a.index[i]) == (a.block[j], a.array[j], a.index[j])
            ]
            writes = [j for j in same if a.kind[j] == WRITE]
            written = any(j < i for j in writes)
            race = bool(writes) and a.phase[writes[0]] == a.phase[i] and a.thread[writes[0]] != a.thread[i]
            if a.space[i] == SHARED and a.kind[i] != WRITE and not written and not race:
                wanted.add(i)
        assert set(never_written(ran, SHARED).tolist()) == wanted
