"""A cut while it is searched, with everything that makes a move cheap to judge. Compiled loops."""

from typing import NamedTuple

import numpy as np

from labkit.partition.engines.compiled import bare, inlined
from labkit.partition.hypergraph import Hypergraph


class Graph(NamedTuple):
    """A hypergraph by net and by vertex. V vertices, E nets.

    The pins of net e are pins[first_pin[e]:first_pin[e + 1]]; vertex v is one in nets[first_net[v]:first_net[v + 1]].
    cost: int64 [E]. weight: float64 [V].
    """

    first_pin: np.ndarray
    pins: np.ndarray
    first_net: np.ndarray
    nets: np.ndarray
    cost: np.ndarray
    weight: np.ndarray


class State(NamedTuple):
    """The part of every vertex and what follows from it. K parts.

    part: int32 [V]. pins_in: int32 [E, K], pins of each net in each part. load: float64 [K]. members: int32 [K, V], the
    vertices of each part, of which there are size[k]; place: int32 [V], where a vertex stands among them. working:
    int32 [K], those that have weight.
    """

    part: np.ndarray
    pins_in: np.ndarray
    load: np.ndarray
    members: np.ndarray
    size: np.ndarray
    place: np.ndarray
    working: np.ndarray


def graph_of(hypergraph: Hypergraph) -> Graph:
    """The hypergraph as the loops take it."""
    first_net, nets = hypergraph.nets_of_vertices()
    return Graph(hypergraph.starts, hypergraph.pins, first_net, nets, hypergraph.costs, hypergraph.weights)


def state_of(graph: Graph, part: np.ndarray, parts: int) -> State:
    """The state of a cut, part: int [V]."""
    V, E = len(graph.weight), len(graph.cost)
    state = State(
        np.ascontiguousarray(part, np.int32).copy(),
        np.zeros((E, parts), np.int32),
        np.zeros(parts),
        np.zeros((parts, V), np.int32),
        np.zeros(parts, np.int32),
        np.zeros(V, np.int32),
        np.zeros(parts, np.int32),
    )
    fill(graph, state)
    return state


@bare
def fill(graph: Graph, state: State) -> None:
    """Everything anew from `part`; loads too, so that rounding does not pile up."""
    state.pins_in[:] = 0
    state.load[:] = 0
    state.size[:] = 0
    state.working[:] = 0
    for e in range(len(graph.cost)):
        for i in range(graph.first_pin[e], graph.first_pin[e + 1]):
            state.pins_in[e, state.part[graph.pins[i]]] += 1
    for v in range(len(graph.weight)):
        k = state.part[v]
        state.load[k] += graph.weight[v]
        state.place[v] = state.size[k]
        state.members[k, state.size[k]] = v
        state.size[k] += 1
        state.working[k] += graph.weight[v] > 0


@bare
def volume_of(graph: Graph, state: State) -> int:
    """Sum over the nets of (parts with a pin - 1) * cost."""
    total = 0
    for e in range(len(graph.cost)):
        held = 0
        for k in range(len(state.load)):
            held += state.pins_in[e, k] > 0
        total += max(0, held - 1) * graph.cost[e]
    return total


@inlined
def change(graph: Graph, state: State, v: int, p: int, q: int) -> int:
    """By how much the volume grows if vertex v goes from part p to part q."""
    grows = 0
    for i in range(graph.first_net[v], graph.first_net[v + 1]):
        e = graph.nets[i]
        if state.pins_in[e, q] == 0:
            grows += graph.cost[e]
        if state.pins_in[e, p] == 1:
            grows -= graph.cost[e]
    return grows


@inlined
def shift(graph: Graph, state: State, v: int, p: int, q: int) -> None:
    """Move vertex v from part p to part q."""
    for i in range(graph.first_net[v], graph.first_net[v + 1]):
        e = graph.nets[i]
        state.pins_in[e, p] -= 1
        state.pins_in[e, q] += 1
    state.part[v] = q
    state.load[p] -= graph.weight[v]
    state.load[q] += graph.weight[v]
    works = graph.weight[v] > 0
    state.working[p] -= works
    state.working[q] += works
    state.size[p] -= 1
    last = state.members[p, state.size[p]]
    state.members[p, state.place[v]] = last
    state.place[last] = state.place[v]
    state.members[q, state.size[q]] = v
    state.place[v] = state.size[q]
    state.size[q] += 1
