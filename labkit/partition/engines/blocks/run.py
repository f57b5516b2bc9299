"""One run of the annealer: from a start, hot to cold, in batches of moves short enough to be stopped."""

from collections.abc import Callable

import numpy as np

from labkit.partition.engines.blocks.anneal import EXCESS, MOST_AT_ONCE, STEADY, VOLUME, anneal
from labkit.partition.engines.blocks.state import Graph, State, fill, graph_of, state_of, volume_of
from labkit.partition.hypergraph import Hypergraph
from labkit.partition.limits import SLACK, Limits

BATCH = 100_000  # moves between two reports: some 20 ms
COLD = 0.005  # the last temperature, in units of the average cost of a net
PRICE = 250.0  # a load that is 1 % above its limit counts as much as 2.5 average nets


def anneal_from(
    hypergraph: Hypergraph,
    start: np.ndarray,
    limits: Limits,
    moves: int,
    hot: float,
    seed: tuple[int, ...],
    report: Callable[[int], None],
) -> tuple[np.ndarray, int, float]:
    """Anneal from `start` [V]: the best cut found, int64 [V], its volume and its excess over the limits.

    hot: the first temperature, in units of the average cost of a net. report: called with the moves done since the last
    time; what it raises ends the run.
    """
    graph = graph_of(hypergraph)
    state = state_of(graph, start, limits.parts)
    unit = float(hypergraph.costs.mean()) if hypergraph.nets else 1.0
    cap, floor = limits.cap * (1 + SLACK / 2), limits.floor * (1 - SLACK / 2)
    price = PRICE * unit / float(np.median(cap))
    cooling = (COLD / hot) ** (STEADY / max(moves, STEADY))
    chance = np.random.SeedSequence(seed).generate_state(1, np.uint64) | np.uint64(1)
    room = np.zeros(MOST_AT_ONCE, np.int32)
    score = _score(graph, state, cap, floor)
    best, best_score = state.part.copy(), score.copy()
    for done in range(0, moves, BATCH):
        fill(graph, state)
        score[:] = _score(graph, state, cap, floor)
        heat = hot * (COLD / hot) ** (done / moves) * unit
        some = min(BATCH, moves - done)
        anneal(graph, state, score, best, best_score, cap, floor, some, heat, cooling, price, chance, room)
        report(some)
    kept = best_score[EXCESS] <= SLACK * cap.min()
    return best.astype(np.int64), int(best_score[VOLUME]), 0.0 if kept else float(best_score[EXCESS])


def _score(graph: Graph, state: State, cap: np.ndarray, floor: float) -> np.ndarray:
    """Volume and excess of a state: float64 [2]."""
    over = np.maximum(state.load - cap, 0).sum() + np.maximum(floor - state.load, 0).sum()
    return np.array([volume_of(graph, state), over])
