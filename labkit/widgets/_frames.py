"""A trace as the microscope shows it: the accesses of a block, sorted into steps that all its threads take together.

A step is one place in the source in one round of its loops, for all threads of the block that come by; each warp makes
one request of it. Steps stand in the order in which warps take them: by barrier interval, then as in the source.
"""

from dataclasses import dataclass

import numpy as np

from labkit.errors import LabError
from labkit.kernels.trace import Finding, Trace, findings
from labkit.kernels.trace.record import SPACES, Array, Source

LEGEND = (
    "● reads   ■ writes   ◆ changes atomically   ✗ a mistake   □ the thread that is followed. Light: fetched with a "
    "sector of 32 bytes; grey: touched before. Drawn as memory: 32 values a row, in shared memory a column is a bank. "
    "Arrow keys: another step, another thread."
)
HEAD = ["warp", "threads", "different cells", "first cell", "last cell", "sectors or passes", "least"]
MOST_ACCESSES = 60_000  # of a view; each takes 8 bytes of the notebook it is saved in
LARGEST_ARRAY = 2**24  # whole numbers up to here are exact in float32
STEP_COLUMNS = ("phase", "source", "line", "kind", "array", "first access")


@dataclass(frozen=True)
class Frames:
    """What the view is given. meta: plain values, see `frames`. data: float32, the steps of the blocks one after the
    other (STEP_COLUMNS each), then all accesses, thread and flat index (-1: outside) of each.
    """

    meta: dict
    data: bytes


def frames(trace: Trace) -> Frames:
    """Steps and accesses of the recorded blocks of `trace`, of as many of them as MOST_ACCESSES allow.

    Raises LabError where nothing was recorded, or the first block alone is too much.
    """
    visible = trace.accesses.space != SPACES.index("local")
    shown = _shown(trace, visible)
    parts, numbers, count = [], {}, 0
    for number, block in enumerate(shown):
        rows, steps = _steps(trace, np.flatnonzero(visible & (trace.accesses.block == block)))
        numbers |= {int(row): (number, int(step)) for row, step in zip(rows, steps, strict=True)}
        parts.append((rows, _table(trace, rows, steps, count)))
        count += len(rows)
    rows = np.concatenate([rows for rows, _ in parts])
    pairs = np.stack([trace.accesses.thread[rows], trace.accesses.index[rows]], axis=1)
    data = np.concatenate([*(table.ravel() for _, table in parts), pairs.ravel()]).astype("<f4").tobytes()
    blocks = [
        {"label": trace.place(block), "steps": len(table), "barriers": list(trace.phases[block])}
        for block, (_, table) in zip(shown, parts, strict=True)
    ]
    found = [_found(trace, finding, numbers) for finding in findings(trace)]
    left = len(trace.blocks) - len(shown)
    legend = LEGEND + (f" {left} recorded blocks with too many accesses, or with none, are left out." if left else "")
    return Frames(_about(trace) | {"blocks": blocks, "findings": found, "legend": legend}, data)


def _shown(trace: Trace, visible: np.ndarray) -> list[int]:
    """The first blocks whose accesses are few enough together; those without any are passed over."""
    largest = max((array.size for array in trace.arrays), default=0)
    if largest >= LARGEST_ARRAY:
        raise LabError(f"an array of {largest:,} values", f"trace one of fewer than {LARGEST_ARRAY:,}")
    counts = [int((visible & (trace.accesses.block == block)).sum()) for block in trace.blocks]
    sums = np.cumsum(counts)
    shown = [b for b, n, total in zip(trace.blocks, counts, sums, strict=True) if n and total <= MOST_ACCESSES]
    if not shown:
        most = max(counts, default=0)
        found = f"{most:,} accesses in one block" if most else "no access to memory"
        advice = f"trace smaller arrays: {MOST_ACCESSES:,} accesses can be shown"
        raise LabError(f"the trace of {trace.kernel} has {found}", advice)
    return shown


def _steps(trace: Trace, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`rows`, those of one block, in the order of its steps, and the number of each row's step."""
    accesses = trace.accesses
    keys = np.stack([accesses.phase[rows], accesses.moment[rows], accesses.site[rows]], axis=1)
    different, which = np.unique(keys, axis=0, return_inverse=True)
    paths = {int(moment): path(trace, int(moment)) for moment in np.unique(keys[:, 1])}
    ordered = sorted(range(len(different)), key=lambda k: _program_order(different[k], paths))
    number = np.empty(len(different), np.int64)
    number[ordered] = np.arange(len(ordered))
    step = number[which.ravel()]
    order = np.argsort(step, kind="stable")
    return rows[order], step[order]


def _table(trace: Trace, rows: np.ndarray, steps: np.ndarray, before: int) -> np.ndarray:
    """One row of STEP_COLUMNS for each step; `before` accesses of other blocks stand before those of this one."""
    accesses, names = trace.accesses, [source.function for source in trace.sources]
    source = np.array([names.index(site.function) for site in trace.sites])
    starts = np.flatnonzero(np.diff(steps, prepend=-1))
    heads = rows[starts]
    columns = [accesses.phase[heads], source[accesses.site[heads]], accesses.line[heads], accesses.kind[heads]]
    return np.stack([*columns, accesses.array[heads], starts + before], axis=1)


def path(trace: Trace, moment: int) -> tuple[int, ...]:
    """(loop, round, loop, round, ...): the loops and calls around a moment, from the outermost on."""
    out: tuple[int, ...] = ()
    while moment:
        moment, site, number = (int(value) for value in trace.moments[moment])
        out = (site, number, *out)
    return out


def _program_order(key: np.ndarray, paths: dict[int, tuple[int, ...]]) -> tuple:
    phase, moment, site = (int(value) for value in key)
    return phase, (*paths[moment], site)


def _about(trace: Trace) -> dict:
    """The kernel, its arrays, its source, and what the view says of itself."""
    return {
        "kernel": trace.kernel,
        "threads": trace.launch.block,
        "arrays": [_array(array) for array in trace.arrays],
        "sources": [_source(source, trace.kernel) for source in trace.sources],
        "head": HEAD,
    }


def _source(source: Source, kernel: str) -> dict:
    where = "" if source.function == kernel else f" of {source.function}"
    return {"where": where, "first": source.first, "lines": list(source.lines)}


def _array(array: Array) -> dict:
    size = " × ".join(map(str, array.shape))
    values = {"name": array.name, "space": array.space, "shape": list(array.shape), "bytes": array.dtype.itemsize}
    return values | {"size": array.size, "title": f"{array.name}: {array.space}, {size}"}


def _found(trace: Trace, finding: Finding, numbers: dict[int, tuple[int, int]]) -> dict:
    """A finding, with what is to be marked: [block, step, thread, index] of each access that it is about."""
    accesses = trace.accesses
    marks = [
        [*numbers[row], int(accesses.thread[row]), int(accesses.index[row])] for row in finding.rows if row in numbers
    ]
    sign = "✗" if finding.severity == "error" else "!"
    return {"text": f"{sign} {finding.sentence} ", "marks": marks}
