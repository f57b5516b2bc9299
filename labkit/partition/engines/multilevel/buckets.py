"""Gain buckets: the structure that finds the best move without looking at every vertex.

Fiduccia and Mattheyses (1982) keep an array of doubly linked lists: list i holds the vertices whose move would gain i.
Taking a vertex out, putting it into another list and finding the top list are then a few assignments each. With several
parts there is one such array for every part that a vertex may move to. Their gains were small whole numbers; those of a
network's maps run from 1 to 10^8, so a bucket holds a *range* of gains here: up to 15 each gain has its own, above that
there are eight buckets for each doubling.
"""

from typing import NamedTuple

import numpy as np

from labkit.partition.engines.compiled import bare

NONE = -1
PER_DOUBLING = 8
MIDDLE = PER_DOUBLING * 62  # the bucket of gain 0; gains are int64, so 62 doublings are enough
BUCKETS = 2 * MIDDLE


class Buckets(NamedTuple):
    """Lists of vertices by gain, one array of lists per target part; a NamedTuple because compiled code takes those.

    first: int32 [parts, BUCKETS], the vertex at the head of each list, NONE if it is empty. after, before: int32
    [parts, V], the neighbours of a vertex in its list. place: int32 [parts, V], the bucket a vertex lies in, NONE if
    in no bucket of that part. top: int64 [parts]; no bucket above it holds a vertex.
    """

    first: np.ndarray
    after: np.ndarray
    before: np.ndarray
    place: np.ndarray
    top: np.ndarray


def empty_buckets(parts: int, vertices: int) -> Buckets:
    """Buckets without any vertex in them."""
    lists = np.full((parts, BUCKETS), NONE, np.int32)
    after, before, place = (np.full((parts, vertices), NONE, np.int32) for _ in range(3))
    return Buckets(lists, after, before, place, np.full(parts, NONE, np.int64))


@bare
def clear(buckets):
    buckets.first[:] = NONE
    buckets.place[:] = NONE
    buckets.top[:] = NONE


@bare
def bucket_of(gain):
    """The bucket for a gain: rises with it, MIDDLE for 0, mirrored for losses."""
    size = abs(gain)
    doublings = 0
    while size >= 2 * PER_DOUBLING:
        size >>= 1
        doublings += 1
    offset = doublings * PER_DOUBLING + size
    return MIDDLE + offset if gain >= 0 else MIDDLE - offset


@bare
def insert(buckets, part, vertex, gain):
    """Put a vertex at the head of the list for its gain: the last in is the first out."""
    place = bucket_of(gain)
    head = buckets.first[part, place]
    buckets.after[part, vertex] = head
    buckets.before[part, vertex] = NONE
    if head != NONE:
        buckets.before[part, head] = vertex
    buckets.first[part, place] = vertex
    buckets.place[part, vertex] = place
    buckets.top[part] = max(buckets.top[part], place)


@bare
def remove(buckets, part, vertex):
    """Take a vertex out of its list, if it is in one."""
    place = buckets.place[part, vertex]
    if place == NONE:
        return
    after, before = buckets.after[part, vertex], buckets.before[part, vertex]
    if before == NONE:
        buckets.first[part, place] = after
    else:
        buckets.after[part, before] = after
    if after != NONE:
        buckets.before[part, after] = before
    buckets.place[part, vertex] = NONE


@bare
def update(buckets, part, vertex, gain):
    """Move a vertex to the list for its new gain, unless it has left the buckets for good."""
    place = buckets.place[part, vertex]
    if place != NONE and place != bucket_of(gain):
        remove(buckets, part, vertex)
        insert(buckets, part, vertex, gain)


@bare
def highest(buckets, part):
    """The highest bucket of a part that holds a vertex, NONE if all are empty; `top` comes down to it."""
    place = buckets.top[part]
    while place != NONE and buckets.first[part, place] == NONE:
        place -= 1
    buckets.top[part] = place
    return place


def least_gain(place: int) -> int:
    """The least gain that goes into a bucket: the other way round than `bucket_of`."""
    doublings, size = _edges(abs(place - MIDDLE))
    return size << doublings if place >= MIDDLE else -(((size + 1) << doublings) - 1)


def _edges(offset: int) -> tuple[int, int]:
    """offset = doublings * PER_DOUBLING + size, as in `bucket_of`."""
    doublings = max(0, offset // PER_DOUBLING - 1)
    return doublings, offset - doublings * PER_DOUBLING
