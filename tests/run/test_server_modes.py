"""Parameter servers under delays at random: versions are what they claim, bounds are kept, every push is answered."""

import threading
import time
from itertools import product

import by_hand
import numpy as np
import pytest

from labkit.engine.optimizers import Adam, Momentum
from labkit.run.local import run_on_threads
from labkit.run.rank.hooks import Hooks
from labkit.run.rank.server import Server
from labkit.schedule.traffic import traffic

NETWORK = by_hand.wide()
STEPS = 6


class Witness:
    """Hooks of all ranks that delay them at random, and see which weights every F reads and how far all have come."""

    def __init__(self, schedule, seed: int = 0):
        self.schedule, self.states, self.read, self.behind = schedule, {}, {}, []
        self._rng = [np.random.default_rng([seed, rank]) for rank in range(schedule.size)]

    def hooks(self, rank: int) -> Hooks:
        program = self.schedule.ranks[rank]

        def prepare(state) -> int:
            self.states[rank] = state
            return 0

        def on_instruction(step: int, position: int) -> None:
            if program[position].op == "F":
                self._see(rank, step)
            time.sleep(self._rng[rank].random() * (0.003 if program[position].op in "FB" else 0.0005))

        return Hooks(prepare=prepare, on_instruction=on_instruction)

    def _see(self, rank: int, step: int) -> None:
        flat = self.states[rank].model.parameters.flat
        for number, piece in enumerate(self.schedule.pieces):
            self.read[rank, step, number] = flat[slice(*piece)].copy()
        for state in self.states.values():
            for desk in state.server.desks.values() if state.server else ():
                self.behind.append(step - min(desk.counts.values()))


@pytest.fixture
def history(monkeypatch) -> dict:
    """(piece, version) -> weights, of all versions that servers have made."""
    seen, update = {}, Server._update

    def watched(self, desk, gradients, pushes):
        piece = pushes[0].piece
        seen[piece, desk.version] = desk.weights.copy()
        update(self, desk, gradients, pushes)
        seen[piece, desk.version] = desk.weights.copy()

    monkeypatch.setattr(Server, "_update", watched)
    return seen


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("mode", ["async", "ssp0", "ssp2", "sync"])
def test_every_gradient_says_which_weights_it_was_computed_with(mode, sharded, overlap, history):
    schedule = by_hand.server(NETWORK, 4, 13, mode, sharded, overlap)
    witness = Witness(schedule)
    job = by_hand.job(steps=STEPS, optimizer=Momentum(lr=0.02))
    result = run_on_threads(schedule, job, hooks=witness.hooks)
    assert result.traffic == traffic(schedule).times(STEPS)  # so every push was answered once
    pushed = {(s.rank, s.step, s.piece) for s in result.staleness}
    assert pushed == set(product(schedule.workers, range(STEPS), range(len(schedule.pieces))))
    assert len(result.staleness) == len(pushed)
    for s in result.staleness:
        np.testing.assert_array_equal(witness.read[s.rank, s.step, s.piece], history[s.piece, s.version])
        assert s.staleness >= 0
    for number, piece in enumerate(schedule.pieces):
        last = max(version for n, version in history if n == number)
        np.testing.assert_array_equal(result.parameters[slice(*piece)], history[number, last])
        assert last == STEPS * (1 if mode == "sync" else len(schedule.workers))


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("bound", [0, 1, 3])
def test_no_worker_gets_further_ahead_than_the_bound(bound, sharded):
    """Who begins step t has t pushes answered, so the slowest worker's pushes taken are at least t - bound."""
    schedule = by_hand.server(NETWORK, 4, 13, f"ssp{bound}", sharded)
    for seed in range(2):
        witness = Witness(schedule, seed)
        result = run_on_threads(schedule, by_hand.job(steps=STEPS), hooks=witness.hooks)
        others = len(schedule.workers) - 1
        assert max(s.staleness for s in result.staleness) <= others * (2 * bound + 1)
        if not sharded:  # else a server may be seen before its own worker's push
            assert max(witness.behind) <= bound


def blocked(schedule, slow: int, fast: int, until: int) -> tuple:
    """Hooks in which `slow` begins its first F only when `fast` has begun step `until`; the event is set then."""
    came = threading.Event()

    def hooks(rank: int) -> Hooks:
        def on_instruction(step: int, position: int) -> None:
            op = schedule.ranks[rank][position].op
            if rank == fast and step == until and op == "F":
                came.set()
            if rank == slow and step == 0 and op == "F":
                assert came.wait(5), f"rank {fast} did not reach step {until}"

        return Hooks(on_instruction=on_instruction)

    return hooks, came


@pytest.mark.parametrize(("mode", "ahead"), [("async", 5), ("ssp3", 3)])
def test_a_fast_worker_need_not_wait_within_its_bound(mode, ahead):
    schedule = by_hand.server(NETWORK, 3, 8, mode)
    hooks, came = blocked(schedule, slow=2, fast=1, until=ahead)
    result = run_on_threads(schedule, by_hand.job(steps=STEPS), hooks=hooks)
    assert came.is_set()
    assert max(s.staleness for s in result.staleness if s.rank == 2) >= ahead


def test_beyond_its_bound_it_does_wait():
    schedule = by_hand.server(NETWORK, 3, 8, "ssp1")
    began = []

    def hooks(rank: int) -> Hooks:
        def on_instruction(step: int, position: int) -> None:
            if schedule.ranks[rank][position].op == "F":
                if rank == 2 and step == 0:
                    time.sleep(0.3)  # far longer than all steps of the other one take
                began.append((rank, step))

        return Hooks(on_instruction=on_instruction)

    run_on_threads(schedule, by_hand.job(steps=STEPS), hooks=hooks)
    assert began.index((2, 0)) < began.index((1, 2))


def test_one_worker_is_sgd_in_every_mode():
    job = by_hand.job(optimizer=Adam(lr=0.01))
    wanted, _ = by_hand.one_process(NETWORK, job, 7, by_hand.samples(NETWORK, job))
    for mode in ("async", "ssp0", "sync"):
        result = run_on_threads(by_hand.server(NETWORK, 2, 7, mode), job)
        np.testing.assert_allclose(result.parameters, wanted, rtol=0, atol=1e-12)
        assert {s.staleness for s in result.staleness} == {0}


def test_a_server_shows_waiting_receiving_updating_and_answering():
    schedule = by_hand.server(NETWORK, 3, 7, "sync")
    events = [e for e in run_on_threads(schedule, by_hand.job()).timeline.events if e.rank == 0]
    pushes = 3 * 2 * len(schedule.pieces)
    assert {e.lane for e in events} == {"server"} and {e.spelling for e in events} == {"serve sync"}
    kinds = [e.kind for e in events]
    assert kinds.count("wait") == kinds.count("compute") == pushes
    assert sum(e.bytes_received for e in events) == sum(e.bytes_sent for e in events) == 3 * 2 * 4 * NETWORK.parameters
    assert all(e.peers == (1, 2) for e in events if e.bytes_sent)
