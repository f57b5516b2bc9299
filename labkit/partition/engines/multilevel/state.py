"""What a pass of Fiduccia and Mattheyses knows: where every vertex is, and what each of its moves would gain.

The gain of moving vertex v from part a to part b, with the connectivity metric, has two terms:

    gain(v, b) = leave[v] - enter[v, b]

    leave[v]    = cost of the nets of which v is the only pin in part a (they no longer reach a)
    enter[v, b] = cost of the nets of v that have no pin in part b yet  (they will reach b)

A move changes them only for nets whose number of pins in a falls to 1 or 0, or in b rises to 1 or 2. All other nets
need no look at their pins; that is what makes a pass cheap.
"""

from typing import NamedTuple

import numpy as np

from labkit.partition.engines.compiled import bare
from labkit.partition.engines.multilevel.buckets import (
    Buckets,
    clear,
    empty_buckets,
    insert,
    remove,
    update,
)
from labkit.partition.hypergraph import Hypergraph
from labkit.partition.limits import SLACK, Limits


class State(NamedTuple):
    """One hypergraph with V vertices, E nets and a partition of it; all arrays are changed in place by `move`.

    starts, pins: pins by net; vertex_starts, nets: nets by vertex. costs: int64 [E]; weights: float64 [V]. cap:
    float64 [parts]; floor: the least load of a part. spare: by how much a part may be overfilled for a moment. part:
    int64 [V]. loads: float64 [parts]. inside: int32 [E, parts], pins of each net in each part. leave: int64 [V],
    enter: int64 [V, parts]: see above. free: bool [V], whether the vertex may still move in this pass.
    """

    starts: np.ndarray
    pins: np.ndarray
    vertex_starts: np.ndarray
    nets: np.ndarray
    costs: np.ndarray
    weights: np.ndarray
    cap: np.ndarray
    floor: float
    spare: float
    part: np.ndarray
    loads: np.ndarray
    inside: np.ndarray
    leave: np.ndarray
    enter: np.ndarray
    free: np.ndarray
    buckets: Buckets


def new_state(hypergraph: Hypergraph, limits: Limits) -> State:
    """A state with every vertex in part 0, to be filled. Memory: about 20 bytes * V * parts + 4 bytes * E * parts.

    While a pass runs, a part may be overfilled by as much as the heaviest vertex weighs.
    """
    h, parts = hypergraph, limits.parts
    vertex_starts, nets = h.nets_of_vertices()
    return State(
        *(h.starts, h.pins, vertex_starts, nets, h.costs, h.weights),
        *(limits.cap * (1 + SLACK), limits.floor * (1 - SLACK), float(h.weights.max(initial=0.0))),
        np.zeros(h.vertices, np.int64),
        np.zeros(parts),
        np.zeros((h.nets, parts), np.int32),
        np.zeros(h.vertices, np.int64),
        np.zeros((h.vertices, parts), np.int64),
        np.ones(h.vertices, np.bool_),
        empty_buckets(parts, h.vertices),
    )


@bare
def fill(s):
    """Work out everything that follows from s.part, and free every vertex: the start of a pass."""
    s.loads[:] = 0
    s.inside[:] = 0
    for v in range(len(s.part)):
        s.loads[s.part[v]] += s.weights[v]
        s.free[v] = True
    for e in range(len(s.costs)):
        for i in range(s.starts[e], s.starts[e + 1]):
            s.inside[e, s.part[s.pins[i]]] += 1
    fill_gains(s)
    clear(s.buckets)
    for v in range(len(s.part)):
        for b in range(len(s.loads)):
            if b != s.part[v]:
                insert(s.buckets, b, v, gain_of(s, v, b))


@bare
def fill_gains(s):
    """leave and enter of every vertex from the pins of its nets in each part."""
    parts = len(s.loads)
    s.leave[:] = 0
    for v in range(len(s.part)):
        total = 0
        for i in range(s.vertex_starts[v], s.vertex_starts[v + 1]):
            e = s.nets[i]
            total += s.costs[e]
            if s.inside[e, s.part[v]] == 1:
                s.leave[v] += s.costs[e]
        s.enter[v, :] = total
    for e in range(len(s.costs)):
        for b in range(parts):
            if s.inside[e, b] > 0:
                for i in range(s.starts[e], s.starts[e + 1]):
                    s.enter[s.pins[i], b] -= s.costs[e]


@bare
def gain_of(s, vertex, to):
    return s.leave[vertex] - s.enter[vertex, to]


@bare
def move(s, vertex, to):
    """Move a vertex to another part, hold it there for the rest of the pass, and bring all gains up to date."""
    came_from = s.part[vertex]
    hold(s, vertex)
    s.part[vertex] = to
    s.loads[came_from] -= s.weights[vertex]
    s.loads[to] += s.weights[vertex]
    s.leave[vertex] = 0
    for i in range(s.vertex_starts[vertex], s.vertex_starts[vertex + 1]):
        e = s.nets[i]
        s.inside[e, came_from] -= 1
        s.inside[e, to] += 1
        if s.inside[e, to] == 1:
            s.leave[vertex] += s.costs[e]
            reach(s, e, to, -s.costs[e])
        elif s.inside[e, to] == 2:
            only(s, e, to, vertex, -s.costs[e])
        if s.inside[e, came_from] == 0:
            reach(s, e, came_from, s.costs[e])
        elif s.inside[e, came_from] == 1:
            only(s, e, came_from, vertex, s.costs[e])


@bare
def hold(s, vertex):
    """Take a vertex out of all buckets: it moves no more in this pass."""
    s.free[vertex] = False
    for b in range(len(s.loads)):
        remove(s.buckets, b, vertex)


@bare
def reach(s, net, part, change):
    """Net `net` has come to `part`, or has left it: entering it costs every pin more or less."""
    for i in range(s.starts[net], s.starts[net + 1]):
        u = s.pins[i]
        s.enter[u, part] += change
        update(s.buckets, part, u, gain_of(s, u, part))


@bare
def only(s, net, part, moved, change):
    """One pin, other than `moved`, has become (or was until now) the only one of its net in `part`."""
    for i in range(s.starts[net], s.starts[net + 1]):
        u = s.pins[i]
        if u != moved and s.part[u] == part:
            s.leave[u] += change
            for b in range(len(s.loads)):
                update(s.buckets, b, u, gain_of(s, u, b))
            return


@bare
def cut_of(s):
    """Sum over the nets of (lambda - 1) * cost, from a filled state."""
    total = 0
    for e in range(len(s.costs)):
        reached = 0
        for b in range(len(s.loads)):
            if s.inside[e, b] > 0:
                reached += 1
        total += max(reached - 1, 0) * s.costs[e]
    return total
