"""A run that fails ends at once, says where and who waited, and leaves no thread behind."""

import threading
import time

import by_hand
import numpy as np
import pytest

from labkit.engine.optimizers import SGD
from labkit.errors import LabError
from labkit.machine.links import Link
from labkit.run.failure import RankError
from labkit.run.local import run_on_threads
from labkit.run.rank.hooks import Hooks
from labkit.run.rank.state import RankState

NETWORK = by_hand.small()
END_S = 5.0


@pytest.fixture(autouse=True)
def nothing_left_running():
    """Every thread of a run has ended when the call has, well or badly."""
    before = set(threading.enumerate())
    yield
    left = {thread for thread in threading.enumerate() if thread not in before and thread.name.find("rank") >= 0}
    assert not left


def at(schedule, rank: int, step: int, op: str, do):
    """Hooks that call `do()` where `rank` begins its first instruction `op` of `step`."""

    def hooks(other: int) -> Hooks:
        program, done = schedule.ranks[other], []

        def on_instruction(now: int, position: int) -> None:
            if (other, now, program[position].op) == (rank, step, op) and not done:
                done.append(1)
                do()

        return Hooks(on_instruction=on_instruction)

    return hooks


def fail() -> None:
    time.sleep(0.05)  # so that the others have come to wait
    raise ZeroDivisionError("made up")


@pytest.mark.parametrize("how", ["ring", "mpi"])
def test_a_rank_that_raises_ends_the_run_and_those_who_waited_are_named(how):
    schedule = by_hand.allreduce(NETWORK, 3, 7, how)
    start = time.monotonic()
    with pytest.raises(RankError) as caught:
        run_on_threads(schedule, by_hand.job(), hooks=at(schedule, 1, 2, "U", fail))
    assert time.monotonic() - start < END_S
    failure = caught.value.failure
    assert (failure.rank, failure.step, failure.position, failure.spelling) == (1, 2, 3, f"U0:{len(NETWORK)}")
    assert "rank 1 in step 2, instruction 3" in str(caught.value) and "ZeroDivisionError: made up" in str(caught.value)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_ranks_that_wait_for_the_one_that_failed_come_first():
    schedule = by_hand.allreduce(NETWORK, 4, 7, "ring")
    with pytest.raises(RankError, match=r"rank 2 was waiting for rank 1 in 'allreduce g0 ring'") as caught:
        run_on_threads(schedule, by_hand.job(), hooks=at(schedule, 1, 1, "B", fail))
    assert caught.value.failure.others[0].peer == 1
    assert {w.rank for w in caught.value.failure.waiting} <= {0, 2, 3}


@pytest.mark.parametrize(("rank", "op", "lane"), [(0, "serve", "server"), (2, "push", "network"), (1, "F", "main")])
def test_a_failure_in_any_lane_ends_the_run(rank, op, lane):
    schedule = by_hand.server(NETWORK, 3, 7, "sync", overlap=True)
    assert next(i for i in schedule.ranks[rank] if i.op == op).lane == lane
    start = time.monotonic()
    with pytest.raises(RankError, match=f"rank {rank} in step 1, .*made up"):
        run_on_threads(schedule, by_hand.job(), hooks=at(schedule, rank, 1, op, fail))
    assert time.monotonic() - start < END_S


def test_training_that_diverges_says_so():
    schedule = by_hand.allreduce(NETWORK, 2, 7, "ring")
    job = by_hand.job(steps=40, optimizer=SGD(lr=1e200), backend="cpu", dtype="float32")
    with pytest.raises(
        RankError, match=r"instruction 0 \(F0:6\) ended \(the loss is nan: training has diverged\)"
    ) as e:
        run_on_threads(schedule, job)
    assert e.value.status == 1 and "learning rate" in e.value.instead


def test_a_rank_that_stalls_is_waited_for_only_so_long():
    schedule = by_hand.allreduce(NETWORK, 2, 7, "ring")
    job = by_hand.job(timeout_s=0.2)
    with pytest.raises(RankError, match=r"rank 0 .*waited 0.2 s for a message of or to rank 1") as caught:
        run_on_threads(schedule, job, hooks=at(schedule, 1, 1, "F", lambda: time.sleep(0.8)))
    assert caught.value.failure.others[0].spelling == f"F0:{len(NETWORK)}"


def test_a_server_that_nobody_pushes_to_says_what_it_waited_for():
    schedule = by_hand.server(NETWORK, 3, 7, "async")
    hooks = at(schedule, 1, 0, "F", lambda: time.sleep(0.8))
    slow = lambda rank: hooks(1) if rank else Hooks()  # noqa: E731 - both workers stall
    with pytest.raises(RankError, match=r"rank 0 in step 0, .*waited 0.2 s for a push"):
        run_on_threads(schedule, by_hand.job(timeout_s=0.2), hooks=slow)


def test_a_stop_ends_all_ranks_at_once():
    schedule, stop = by_hand.overlapped(NETWORK, 3, 7, "ring"), threading.Event()
    with pytest.raises(LabError, match="was stopped"):
        run_on_threads(schedule, by_hand.job(steps=10**6), stop=stop, hooks=at(schedule, 1, 3, "F", stop.set))


def test_a_schedule_that_would_stand_still_is_refused_before_it_runs():
    n = len(NETWORK)
    lines = [[f"F0:{n}; B0:{n}; recv g0<1 +; U0:{n}"], [f"F0:{n}; B0:{n}; U0:{n}"]]
    schedule = by_hand.schedule(NETWORK, ((4,), (3,)), by_hand.whole(NETWORK), lines)
    with pytest.raises(LabError, match=r"cannot run: rank 0, .*recv g0<1"):
        run_on_threads(schedule, by_hand.job())


def test_one_that_is_only_not_sgd_does_run():
    n = len(NETWORK)
    schedule = by_hand.schedule(NETWORK, ((4,), (3,)), by_hand.whole(NETWORK), [[f"F0:{n}; B0:{n}; U0:{n}"]] * 2)
    result = run_on_threads(schedule, by_hand.job())
    assert len(result.losses) == 3 and result.traffic.rows == ()


def test_data_that_do_not_fit_are_told_before_any_rank_starts():
    schedule = by_hand.allreduce(NETWORK, 2, 7, "ring")
    with pytest.raises(LabError, match="no data set 'digitz'"):
        run_on_threads(schedule, by_hand.job(data="digitz"))


def test_an_emulated_link_refuses_what_it_cannot_slow_down():
    schedule = by_hand.allreduce(NETWORK, 2, 7, "mpi")
    link = Link("slow", 5e-4, 1e8, emulated=True)
    with pytest.raises(RankError, match=r"instruction 2 .*cannot be slowed down"):
        run_on_threads(schedule, by_hand.job(link=link))
    result = run_on_threads(by_hand.allreduce(NETWORK, 2, 7, "ring"), by_hand.job(link=link))
    assert result.timeline.regime == "emulated" and result.timeline.link == "slow"


@pytest.mark.parametrize("seed", range(12))
def test_a_failure_anywhere_is_the_one_that_is_told(seed):
    """At an instruction at random: always that rank, that step, and nothing left."""
    rng = np.random.default_rng(seed)
    schedules = (by_hand.overlapped(NETWORK, 4, 7, "halving"), by_hand.server(NETWORK, 4, 7, "ssp1", True, True))
    schedule = schedules[seed % 2]
    rank, step = int(rng.integers(4)), int(rng.integers(3))
    position = int(rng.integers(len(schedule.ranks[rank])))

    def hooks(other: int) -> Hooks:
        def on_instruction(now: int, where: int) -> None:
            if (other, now, where) == (rank, step, position):
                raise KeyError("made up")

        return Hooks(on_instruction=on_instruction)

    with pytest.raises(RankError) as caught:
        run_on_threads(schedule, by_hand.job(), hooks=hooks)
    failure = caught.value.failure
    assert (failure.rank, failure.step, failure.position) == (rank, step, position)


def test_a_model_that_cannot_be_made_ends_the_run(monkeypatch):
    made = RankState.__init__

    def broken(self, schedule, job, rank, samples):
        made(self, schedule, job, rank, samples)
        if rank == 1:
            raise MemoryError("made up")

    monkeypatch.setattr(RankState, "__init__", broken)
    with pytest.raises(MemoryError, match="made up"):
        run_on_threads(by_hand.allreduce(NETWORK, 3, 7, "ring"), by_hand.job())
