"""The proven optimum of a small case, as a mixed-integer program for SciPy's solver (HiGHS).

In the formula of `model.py` the requirement g of a bundle in a part is a maximum of linear terms, so it may be written
as a variable that is at least as large as each of them. What is left are the whole numbers x (units of a class in a
part) and one bit per class and part: whether the part holds any of it. VGG16 in 4 parts takes seconds; a few parts
more take hours, which is why the search exists.
"""

from dataclasses import dataclass

import numpy as np

from labkit.errors import LabError
from labkit.partition.engines.counts.model import CountModel
from labkit.partition.limits import SLACK, Limits


@dataclass(frozen=True, eq=False)
class Optimum:
    """A table of counts, int64 [classes, parts], its volume (one sample, forward), and a volume no table is below."""

    counts: np.ndarray
    volume: float
    bound: float


class _Program:
    """Rows of a mixed-integer program over numbered variables: x[L, K], held[L, K], wanted[B, K], crossing[L]."""

    def __init__(self, model: CountModel, parts: int) -> None:
        L, B = len(model.members), len(model.bundles)
        sizes = (L * parts, L * parts, B * parts)
        ends = np.cumsum(sizes)
        self.x = np.arange(ends[0]).reshape(L, parts)
        self.held = np.arange(ends[0], ends[1]).reshape(L, parts)
        self.wanted = np.arange(ends[1], ends[2]).reshape(B, parts)
        self.count = int(ends[2])
        self.rows: list[tuple[dict[int, float], float, float]] = []

    def add(self, terms: dict[int, float], low: float, high: float = np.inf) -> None:
        """low <= sum of coefficient * variable <= high."""
        self.rows.append((terms, low, high))


def optimum(model: CountModel, limits: Limits, seconds: float = 60.0) -> Optimum:
    """The table of counts with the least volume within the limits, no part without work, and the bound that proves it.

    Raises LabError where no table keeps the limits, or none was found in `seconds`.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    program = _rows(model, limits)
    arrays, parts = model.arrays, limits.parts
    cost, high, whole = np.zeros(program.count), np.full(program.count, np.inf), np.zeros(program.count)
    cost[program.wanted] = arrays.cost[:, None]
    cost[program.held] = arrays.spread[:, None]
    high[program.x], high[program.held] = arrays.units[:, None], 1
    whole[program.x] = whole[program.held] = 1
    columns = np.concatenate([list(terms) for terms, _, _ in program.rows])
    values = np.concatenate([list(terms.values()) for terms, _, _ in program.rows])
    starts = np.concatenate(([0], np.cumsum([len(terms) for terms, _, _ in program.rows])))
    matrix = csr_array((values, columns, starts), shape=(len(program.rows), program.count))
    rows = LinearConstraint(matrix, [low for _, low, _ in program.rows], [up for _, _, up in program.rows])
    scale = max(1.0, float(cost.max()))
    options = {"time_limit": seconds, "mip_rel_gap": 1e-6}
    found = milp(cost / scale, integrality=whole, bounds=Bounds(0, high), constraints=rows, options=options)
    if found.x is None:
        raise LabError(
            f"no table of counts for {parts} parts within the limits: {found.message}",
            "give a larger imbalance, fewer parts or more seconds",
        )
    constant = float(arrays.cost @ arrays.units[arrays.maker]) + float(arrays.spread.sum())
    counts = np.rint(found.x[program.x]).astype(np.int64)
    return Optimum(counts, float(found.fun) * scale - constant, float(found.mip_dual_bound) * scale - constant)


def _rows(model: CountModel, limits: Limits) -> _Program:
    program, arrays = _Program(model, limits.parts), model.arrays
    for one, units in enumerate(arrays.units):
        program.add(dict.fromkeys(program.x[one], 1.0), units, units)
        for k in range(limits.parts):
            program.add({program.x[one, k]: -1.0, program.held[one, k]: float(units)}, 0)
    for number, bundle in enumerate(model.bundles):
        units = float(arrays.units[bundle.maker])
        for k in range(limits.parts):
            wanted = program.wanted[number, k]
            for one in bundle.readers:
                program.add({wanted: 1.0, program.held[one, k]: -units}, 0)
            for one in (bundle.maker, *bundle.partners):
                program.add({wanted: 1.0, program.x[one, k]: -1.0}, 0)
    least = max(limits.floor * (1 - SLACK), 0.5 * float(arrays.work[arrays.work > 0].min()))
    loads = [dict(zip(program.x[:, k], arrays.work, strict=True)) for k in range(limits.parts)]
    for k, load in enumerate(loads):
        program.add(load, least, limits.cap[k] * (1 + SLACK))
    for k in range(1, limits.parts):
        if limits.cap[k] == limits.cap[k - 1]:  # parts that may change places are ordered by load
            program.add(loads[k - 1] | {i: -w for i, w in loads[k].items()}, 0)
    return program
