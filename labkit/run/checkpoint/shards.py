"""Which rank answers for which weights in a checkpoint, and how shards become whole vectors again.

A rank answers for what it updates: the range of its `U`, or the pieces that are pushed to it. Where several ranks keep
the same weights up to date, as under all-reduce, each answers for an equal part of them. So every value is written
once, by a rank that holds its optimiser slots too, and the whole can be put together for any other number of ranks.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from labkit.errors import LabError
from labkit.run.checkpoint.files import Restored
from labkit.schedule import Piece, Schedule
from labkit.schedule.pieces import layer_ranges

WEIGHTS, STATE = "weights", "state"


@dataclass(frozen=True, eq=False)
class Whole:
    """What a run goes on from. n parameters, m values of state (running statistics of BatchNorm).

    weights: [n]. slots: of the optimiser, by name, [n] each. updates: [n] how often each value has been updated.
    states: rank -> [m], of the ranks that compute.
    """

    weights: np.ndarray
    slots: dict[str, np.ndarray]
    updates: np.ndarray
    states: dict[int, np.ndarray]

    def state_of(self, rank: int, same_ranks: bool) -> np.ndarray | None:
        """State for a rank: its own where the ranks are the same as before, else the mean; None where nobody had any.

        Running statistics take part in no step of training, and only their mean over the ranks is ever read: it stays.
        """
        if not self.states or (same_ranks and rank in self.states):
            return self.states.get(rank)
        return np.mean(list(self.states.values()), axis=0, dtype=np.float64)


def owners(schedule: Schedule) -> tuple[tuple[Piece, ...], ...]:
    """For each rank the ranges of the flat vector of parameters that it answers for; every value has one rank.

    Values that nobody updates are rank 0's.
    """
    updated = [tuple(_updated(schedule, rank)) for rank in range(schedule.size)]
    n = schedule.network.parameters
    cuts = sorted({0, n, *(end for ranges in updated for piece in ranges for end in piece)})
    found: list[list[Piece]] = [[] for _ in updated]
    for piece, ranks in _merged((Piece(*ends), _holders(updated, *ends)) for ends in pairwise(cuts)):
        for i, rank in enumerate(ranks):
            part = (piece.start + piece.values * j // len(ranks) for j in (i, i + 1))
            found[rank].append(Piece(*part))
    return tuple(tuple(piece for piece in pieces if piece.values) for pieces in found)


def pack(
    owned: Iterable[Piece],
    weights: np.ndarray,
    slots: dict[str, np.ndarray],
    updates: np.ndarray,
    state: np.ndarray | None,
) -> tuple[dict[str, np.ndarray], dict]:
    """Arrays and document of one rank's shard, for `files.write`.

    weights, slots, updates: vectors [n], of which only the owned ranges are read; updates are whole numbers. state:
    [m] of a rank that computes, None otherwise.
    """
    vectors = {WEIGHTS: weights, **{f"slot {name}": slot for name, slot in slots.items()}}
    owned = tuple(owned)
    arrays = {f"{name} {p.start}": vector[p.start : p.stop] for name, vector in vectors.items() for p in owned}
    if state is not None and state.size:
        arrays[STATE] = state
    counts = [_runs(updates[p.start : p.stop]) for p in owned]
    return arrays, {"ranges": [list(p) for p in owned], "updates": counts}


def gather(restored: Restored, n: int, slots: Iterable[str], dtype: np.dtype | type = np.float32) -> Whole:
    """Whole vectors [n] from the shards of a checkpoint; LabError where they leave a gap or lack a slot."""
    vectors = {name: np.zeros(n, dtype) for name in (WEIGHTS, *(f"slot {slot}" for slot in slots))}
    updates, seen, states = np.zeros(n, np.int64), np.zeros(n, bool), {}
    for shard in restored.shards:
        for (start, stop), counts in zip(shard.document["ranges"], shard.document["updates"], strict=True):
            seen[start:stop] = True
            for name, vector in vectors.items():
                vector[start:stop] = _array(shard.arrays, f"{name} {start}", restored.step)
            updates[start:stop] = np.repeat(*map(np.array, zip(*counts, strict=True)))
        if STATE in shard.arrays:
            states[shard.rank] = shard.arrays[STATE]
    if not seen.all():
        what = f"the checkpoint of step {restored.step} lacks {int((~seen).sum()):,} of {n:,} parameters"
        raise LabError(what, "use another checkpoint")
    weights = vectors.pop(WEIGHTS)
    return Whole(weights, {name.removeprefix("slot "): v for name, v in vectors.items()}, updates, states)


def _updated(schedule: Schedule, rank: int) -> Iterable[Piece]:
    """Ranges that a rank updates in a step, in its own thread or as a server."""
    layers = layer_ranges(schedule.network)
    for i in schedule.ranks[rank]:
        if i.op == "U":
            ends = (layers[i.layers[0]].start, layers[i.layers[1] - 1].stop) if i.layers else schedule.pieces[i.piece]
            yield Piece(*ends)
    yield from (schedule.pieces[i.piece] for p in schedule.ranks for i in p if i.op == "push" and i.peer == rank)


def _holders(updated: list[tuple[Piece, ...]], start: int, stop: int) -> tuple[int, ...]:
    holding = [r for r, ranges in enumerate(updated) if any(p.start <= start and stop <= p.stop for p in ranges)]
    return tuple(holding) or (0,)


def _merged(parts: Iterable[tuple[Piece, tuple[int, ...]]]) -> list[tuple[Piece, tuple[int, ...]]]:
    """Neighbours that the same ranks hold, as one."""
    found: list[tuple[Piece, tuple[int, ...]]] = []
    for piece, ranks in parts:
        if found and found[-1][1] == ranks:
            found[-1] = (Piece(found[-1][0].start, piece.stop), ranks)
        else:
            found.append((piece, ranks))
    return found


def _runs(values: np.ndarray) -> list[list[int]]:
    """[value, how often] for each run of equal values."""
    edges = np.flatnonzero(np.diff(values)) + 1
    lengths = np.diff([0, *edges, len(values)])
    return [[int(values[i]), int(k)] for i, k in zip([0, *edges], lengths, strict=True)]


def _array(arrays: dict[str, np.ndarray], name: str, step: int) -> np.ndarray:
    if name not in arrays:
        raise LabError(f"the checkpoint of step {step} has no {name!r}", "use a checkpoint of this optimiser")
    return arrays[name]
