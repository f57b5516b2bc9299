"""Simulated annealing on the vertices of a hypergraph: single moves, moves of a net's share, exchanges. Compiled."""

import numpy as np

from labkit.partition.engines.blocks.state import Graph, State, change, shift
from labkit.partition.engines.compiled import bare, inlined
from labkit.partition.engines.counts.anneal import below, excess, uniform

VOLUME, EXCESS = 0, 1  # the two numbers of a score
STEADY = 128  # moves at one temperature
MOST_AT_ONCE = 64  # vertices of one net that move together


@bare
def anneal(
    graph: Graph,
    state: State,
    score: np.ndarray,
    best: np.ndarray,
    best_score: np.ndarray,
    cap: np.ndarray,
    floor: float,
    moves: int,
    heat: float,
    cooling: float,
    price: float,
    chance: np.ndarray,
    group: np.ndarray,
) -> None:
    """Try `moves` random moves, in place.

    score, float64 (volume, excess): of the state. best, int32 [V], and best_score: the best cut so far; one that keeps
    the limits beats all that do not. heat: a move that makes volume + price * excess larger by d is accepted with
    probability exp(-d / heat); cooling: what the heat is multiplied by every STEADY moves. No part loses its last
    vertex with work. chance: uint64 [1], of the random numbers. group: int32 [MOST_AT_ONCE], room to work in.
    """
    load = state.load
    tiny = 1e-12 * cap[0]
    for step in range(moves):
        if step % STEADY == STEADY - 1:
            heat *= cooling
        v = below(chance, len(state.part))
        p, q = state.part[v], _target(graph, state, v, chance)
        if q == p:
            continue
        count = _together(graph, state, v, group, chance)
        back = _in_return(graph, state, v, q, chance)
        before = excess(load[p], cap[p], floor) + excess(load[q], cap[q], floor)
        load_p, load_q = load[p], load[q]
        grows = 0
        for i in range(count):
            grows += change(graph, state, group[i], p, q)
            shift(graph, state, group[i], p, q)
        if back >= 0:
            grows += change(graph, state, back, q, p)
            shift(graph, state, back, q, p)
        after = excess(load[p], cap[p], floor) + excess(load[q], cap[q], floor)
        worse = grows + price * (after - before)
        if state.working[p] > 0 and state.working[q] > 0 and (worse <= 0 or uniform(chance) < np.exp(-worse / heat)):
            score[VOLUME] += grows
            score[EXCESS] += after - before
            _remember(state, score, best, best_score, tiny)
        else:
            if back >= 0:
                shift(graph, state, back, p, q)
            for i in range(count):
                shift(graph, state, group[i], q, p)
            load[p], load[q] = load_p, load_q  # what rounding adds is not kept


@inlined
def _remember(state: State, score: np.ndarray, best: np.ndarray, best_score: np.ndarray, tiny: float) -> None:
    """Keep the state if it is the best so far."""
    if score[EXCESS] <= tiny:
        better = best_score[EXCESS] > tiny or score[VOLUME] < best_score[VOLUME]
    else:
        better = score[EXCESS] < best_score[EXCESS] - tiny
    if better:
        for v in range(len(best)):
            best[v] = state.part[v]
        best_score[VOLUME], best_score[EXCESS] = score[VOLUME], score[EXCESS]


@inlined
def _net_of(graph: Graph, v: int, chance: np.ndarray) -> int:
    """A random net of vertex v."""
    return graph.nets[graph.first_net[v] + below(chance, graph.first_net[v + 1] - graph.first_net[v])]


@inlined
def _pin_of(graph: Graph, e: int, chance: np.ndarray) -> int:
    """A random pin of net e."""
    return graph.pins[graph.first_pin[e] + below(chance, graph.first_pin[e + 1] - graph.first_pin[e])]


@inlined
def _target(graph: Graph, state: State, v: int, chance: np.ndarray) -> int:
    """Where vertex v may go: mostly to the part of one that it shares a net with."""
    if graph.first_net[v + 1] > graph.first_net[v] and uniform(chance) < 0.9:
        return state.part[_pin_of(graph, _net_of(graph, v, chance), chance)]
    return below(chance, len(state.load))


@inlined
def _together(graph: Graph, state: State, v: int, group: np.ndarray, chance: np.ndarray) -> int:
    """Which vertices leave v's part, written to `group`: v alone, or every pin there of one of its nets; how many."""
    group[0] = v
    count = 1
    if graph.first_net[v + 1] > graph.first_net[v] and uniform(chance) < 0.2:
        e = _net_of(graph, v, chance)
        for i in range(graph.first_pin[e], graph.first_pin[e + 1]):
            u = graph.pins[i]
            if u != v and state.part[u] == state.part[v] and count < len(group):
                group[count] = u
                count += 1
    return count


@inlined
def _in_return(graph: Graph, state: State, v: int, q: int, chance: np.ndarray) -> int:
    """The vertex of part q that comes back: in half of the moves none (-1), else one near v, or any."""
    if uniform(chance) < 0.5 or state.size[q] == 0:
        return -1
    if graph.first_net[v + 1] > graph.first_net[v]:
        for _ in range(3):
            u = _pin_of(graph, _net_of(graph, v, chance), chance)
            if state.part[u] == q:
                return u
    return state.members[q, below(chance, state.size[q])]
