"""Lists of instructions that no scheme of labkit makes, but people write: swaps, early pulls, two pushes at once."""

import threading

import by_hand
import numpy as np
import pytest

from labkit.run.local import run_on_threads
from labkit.run.rank.hooks import Hooks
from labkit.run.rank.lane import Lane
from labkit.run.rank.network_lane import NetworkLane
from labkit.run.rank.ready import ready_program
from labkit.run.rank.waiting import Patience
from labkit.schedule.pieces import whole
from labkit.schedule.traffic import traffic

NETWORK = by_hand.wide()
END = len(NETWORK)
BOTH = f"F0:{END}; B0:{END}"


def made(lines: list[list[str]], shares=((4,), (3,))):
    return by_hand.schedule(NETWORK, shares, whole(NETWORK), lines)


@pytest.mark.parametrize("eager_bytes", [0, 10**6])
def test_what_two_ranks_swap_is_what_each_had(eager_bytes):
    one, two = [], []
    for lines, seen in (([["swap g0<>1"], ["swap g0<>0"]], one), ([["recv g0<1"], ["send g0>0"]], two)):
        schedule = made([[BOTH, *lines[0], f"U0:{END}"], [BOTH, *lines[1], f"U0:{END}"]])
        seen.append(run_on_threads(schedule, by_hand.job(steps=1), eager_bytes=eager_bytes).parameters)
    assert np.array_equal(one, two)


def worker_and_server(work: list[str], pushes: int, mode: str, eager_bytes: int = 0):
    """Final weights of the worker and of the server, and the result, of one worker with its server on rank 0."""
    states, schedule = {}, made([[f"serve {mode}"] * pushes, work], ((), (7,)))

    def hooks(rank: int) -> Hooks:
        return Hooks(prepare=lambda state: states.setdefault(rank, state) and 0)

    result = run_on_threads(schedule, by_hand.job(timeout_s=3.0), hooks=hooks, eager_bytes=eager_bytes)
    assert result.traffic == traffic(schedule).times(3)
    return states[1].model.parameters.flat, result.parameters


@pytest.mark.parametrize("mode", ["sync", "async", "ssp0"])
def test_who_pulls_before_it_pushes_is_given_the_last_answer_in_the_end(mode):
    worker, server = worker_and_server(["pull w0<0", BOTH, "push g0>0"], 1, mode)
    assert np.array_equal(worker, server)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_every_push_has_an_answer_of_its_own(mode):
    twice = ["push g0>0"] * 2 + ["pull w0<0"] * 2
    worker, server = worker_and_server([BOTH, *twice], 2, mode, eager_bytes=10**6)
    assert np.array_equal(worker, server)


def test_waiting_for_an_item_waits_for_all_that_is_under_way_on_it():
    codes = ready_program(made([["send g0>1 &", "send g0>1 &", BOTH], ["recv g0<0", "recv g0<0", BOTH]]), 0)
    leave, done, patience = threading.Semaphore(0), [], Patience(10.0, 0.0, lambda: None)
    main, behind = (Lane(name, 0, patience, Hooks(), False) for name in ("main", "network"))

    def work(lane, step, code):
        assert leave.acquire(timeout=10)
        done.append(code.position)

    network = NetworkLane(behind, work)
    for code in codes[:2]:
        network.hand(0, code)
    seen = []
    waiting = threading.Thread(target=lambda: (network.wait(main, "g0"), seen.extend(done)), daemon=True)
    waiting.start()
    leave.release()
    waiting.join(0.2)  # one of them is over
    leave.release()
    waiting.join(10)
    network.close()
    assert seen == [0, 1]
