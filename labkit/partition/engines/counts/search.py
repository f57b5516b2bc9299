"""The search: a few starts, annealed hot and cool with one budget of moves, in batches short enough to be stopped."""

from dataclasses import dataclass

import numpy as np

from labkit.partition.engines import Progress
from labkit.partition.engines.counts.anneal import EXCESS, VOLUME, anneal, total_excess
from labkit.partition.engines.counts.model import Arrays, CountModel
from labkit.partition.engines.counts.start import incremental, segments
from labkit.partition.engines.counts.table import fill, table_of, volume_of
from labkit.partition.limits import SLACK, Limits

MOVES = 1_000_000  # in all runs together
BATCH = 10_000  # moves at one temperature, and between two calls of `progress`: some 20 ms
HOT, COOL, COLD = 0.05, 0.005, 0.0002  # temperatures, in units of the largest bundle's maps: two starts, and the end
PRICE = 20.0  # a load that is 1 % above its limit counts as much as this many hundredths of the largest bundle


@dataclass(frozen=True, eq=False)
class Found:
    """A table of counts, int64 [classes, parts], its volume by the model (one sample, forward) and its excess load."""

    counts: np.ndarray
    volume: float
    excess: float

    @property
    def rank(self) -> tuple[float, float]:
        """What is smaller is better: limits first, then volume."""
        return self.excess, self.volume


def search(
    model: CountModel, limits: Limits, seed: int = 0, progress: Progress | None = None, moves: int = MOVES
) -> list[Found]:
    """Good tables of counts for a model, the best first; the same for a seed on every machine.

    moves: budget of all runs together. progress: called between batches of moves; what it raises ends the search.
    """
    arrays = model.arrays
    cap = limits.cap * (1 + SLACK / 2)
    starts = [(incremental(arrays, cap), HOT)]
    for tightness in (1.0, 0.96):
        cut = segments(arrays, cap, limits.floor, tightness)
        if cut is not None:
            starts += [(cut, HOT if tightness == 1.0 else COOL)]
    batches = max(1, moves // BATCH // len(starts))
    found = []
    for number, (counts, heat) in enumerate(starts):

        def report(done: float, number: int = number) -> None:
            if progress is not None:
                progress((number + done) / len(starts), "annealing counts")

        found.append(_anneal(arrays, counts, cap, limits.floor, heat, batches, seed * 1000 + number, report))
    return sorted(found, key=lambda one: one.rank)


def _anneal(
    arrays: Arrays, counts: np.ndarray, cap, floor: float, heat: float, batches: int, seed: int, report
) -> Found:
    """One run from `counts`, from temperature `heat` down to COLD."""
    table = table_of(arrays, counts.copy())
    unit = float((arrays.cost * arrays.units[arrays.maker]).max(initial=0.0)) or 1.0
    price = PRICE * unit / float(np.median(cap))
    least = 0.5 * arrays.work[arrays.work > 0].min()
    state = np.random.SeedSequence(seed).generate_state(1, np.uint64) | np.uint64(1)
    score = np.array([volume_of(arrays, table), total_excess(table, cap, floor)])
    best, best_score = counts.copy(), score.copy()
    for batch in range(batches):
        report(batch / batches)
        fill(arrays, table, table.counts.copy())
        score[:] = volume_of(arrays, table), total_excess(table, cap, floor)
        warmth = heat * (COLD / heat) ** (batch / max(1, batches - 1))
        anneal(arrays, table, score, best, best_score, cap, floor, least, BATCH, warmth * unit, price, state)
    return Found(best, float(best_score[VOLUME]), float(best_score[EXCESS]))
