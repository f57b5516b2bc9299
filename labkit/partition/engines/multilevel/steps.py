"""Passes move by move: the loop of `refine.one_pass` once more, halted after every move to say what it did."""

from collections.abc import Iterator

import numpy as np

from labkit.partition.engines.multilevel.buckets import NONE, Buckets, least_gain
from labkit.partition.engines.multilevel.choose import choose
from labkit.partition.engines.multilevel.records import Event, Move, PassEnd
from labkit.partition.engines.multilevel.refine import MOST_PASSES, one_pass, rounding
from labkit.partition.engines.multilevel.state import State, cut_of, fill, gain_of, move


def steps(s: State, level: int, start: np.ndarray) -> Iterator[Event]:
    """Every move of the passes that `refine` makes from `start`, and the end of each pass.

    A pass is first run at one go: only at its end is it known which of its moves stay.
    """
    part = start
    for number in range(MOST_PASSES):
        s.part[:] = part
        fill(s)
        made, kept, _ = one_pass(s, rounding(s))
        after = s.part.copy()
        s.part[:] = part
        fill(s)
        cut = int(cut_of(s))
        end = cut
        for i in range(made):
            vertex, to = choose(s)
            gain, came_from, buckets = int(gain_of(s, vertex, to)), int(s.part[vertex]), contents(s.buckets)
            move(s, vertex, to)
            cut -= gain
            end = cut if i < kept else end
            yield Move(level, number, int(vertex), came_from, int(to), gain, cut, s.loads.copy(), i < kept, buckets)
        yield PassEnd(level, number, made, kept, after, end)
        part = after
        if kept == 0:
            break


def contents(buckets: Buckets) -> tuple[tuple[tuple[int, tuple[int, ...]], ...], ...]:
    """Per part the buckets that hold vertices, the highest first: (least gain, vertices from the head on)."""
    return tuple(_of_part(buckets, part) for part in range(len(buckets.top)))


def _of_part(buckets: Buckets, part: int) -> tuple[tuple[int, tuple[int, ...]], ...]:
    return tuple(
        (least_gain(int(place)), tuple(_vertices(buckets, part, int(place))))
        for place in np.flatnonzero(buckets.first[part] != NONE)[::-1]
    )


def _vertices(buckets: Buckets, part: int, place: int) -> Iterator[int]:
    vertex = int(buckets.first[part, place])
    while vertex != NONE:
        yield vertex
        vertex = int(buckets.after[part, vertex])
