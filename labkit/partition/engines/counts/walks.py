"""The search: each of a few starts is annealed, hot and cool, within one budget of moves."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labkit.partition.engines import Progress
from labkit.partition.engines.counts.anneal import BATCH, Bounds, Walk, anneal, total_excess
from labkit.partition.engines.counts.model import Arrays, CountModel
from labkit.partition.engines.counts.start import incremental, segments
from labkit.partition.engines.counts.table import table_of, volume_of
from labkit.partition.limits import SLACK, Limits

MOVES = 8_000_000  # of all walks together: about a second; more for more parts than MANY
MANY = 128
TIGHTNESS = (1.0, 0.96)  # of the starts that dynamic programming finds
HEATS = (0.1, 0.02)  # temperatures at which the walks from each start begin, in volumes of the largest bundle ...
COLD = 0.0002  # ... and at which they end
PRICE = 20.0  # of excess load at the start of a walk, see `anneal.py`
AT_ONCE = 40  # batches of moves between two calls of `progress`: 20 ms


@dataclass(frozen=True, eq=False)
class Found:
    """Counts, int64 [classes, parts], their volume by the model (one sample, forward) and excess over the limits."""

    counts: np.ndarray
    volume: float
    excess: float


def search(
    model: CountModel,
    limits: Limits,
    seed: int = 0,
    progress: Progress | None = None,
    moves: int | None = None,
    empty: bool = False,
) -> list[Found]:
    """Good tables of counts for a model, the best first: those that keep the limits before others, then by volume.

    A seed gives the same tables again. moves: budget of all walks together. empty: whether parts may be without work,
    which buys volume where the limits leave much room. progress: called with the share of the moves that are done; what
    it raises ends the search.
    """
    moves = MOVES * max(limits.parts, MANY) // MANY if moves is None else moves
    cap = limits.cap * (1 + SLACK / 2)
    starts = [incremental(model.arrays, cap)]
    starts += [segments(model.arrays, cap, limits.floor, tightness) for tightness in TIGHTNESS]
    walks = [(counts, heat) for counts in starts if counts is not None for heat in HEATS]
    batches = max(2, moves // BATCH // len(walks))
    found = []
    for number, (counts, heat) in enumerate(walks):
        state = np.random.SeedSequence([seed % 2**64, number]).generate_state(1, np.uint64) | np.uint64(1)
        walk, bounds = _walk(model.arrays, counts, cap, limits.floor, empty, heat, state)
        _go(model.arrays, bounds, walk, batches, _share(progress, number, len(walks)))
        volume = volume_of(model.arrays, table_of(model.arrays, walk.best))
        found.append(Found(walk.best, volume, limits.excess(model.arrays.work @ walk.best)))
    return sorted(found, key=lambda one: (one.excess, one.volume))


def _walk(arrays: Arrays, counts, cap, floor: float, empty: bool, heat: float, state) -> tuple[Walk, Bounds]:
    """A walk that starts from `counts` at temperature `heat`, and its bounds."""
    unit = float((arrays.cost * arrays.units[arrays.maker]).max(initial=0.0)) or 1.0
    lightest = float(arrays.work[arrays.work > 0].min())
    bounds = Bounds(cap, float(floor), -1.0 if empty else 0.5 * lightest, float(np.median(cap)), unit)
    table = table_of(arrays, counts)
    score = np.array([volume_of(arrays, table), total_excess(table, bounds)])
    best = np.array(counts, np.int64, order="C")
    return Walk(table, np.array([*score, heat, PRICE]), best, score.copy(), state), bounds


def _go(arrays: Arrays, bounds: Bounds, walk: Walk, batches: int, report: Callable[[float], None]) -> None:
    """Anneal in short runs of batches, so that the search can be followed and stopped."""
    cooling = float((COLD / walk.now[2]) ** (1 / (batches - 1)))
    for done in range(0, batches, AT_ONCE):
        report(done / batches)
        anneal(arrays, bounds, walk, min(AT_ONCE, batches - done), cooling)
    report(1.0)


def _share(progress: Progress | None, number: int, walks: int) -> Callable[[float], None]:
    """What one of several walks calls to say how far it is."""

    def report(done: float) -> None:
        if progress is not None:
            progress((number + done) / walks, "annealing counts")

    return report
