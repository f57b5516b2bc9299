"""The interpreter by itself: hooks, events, results, and going on from a state."""

import threading
import time
from dataclasses import replace
from itertools import pairwise

import by_hand
import numpy as np
import pytest

from labkit.engine.optimizers import Momentum
from labkit.errors import LabError
from labkit.run.communicators.threads import connect
from labkit.run.local import run_on_threads
from labkit.run.rank.hooks import Hooks
from labkit.run.rank.interpreter import Interpreter
from labkit.run.rank.result import merge
from labkit.schedule.traffic import traffic

NETWORK = by_hand.wide()
JOB = by_hand.job(steps=4, optimizer=Momentum(lr=0.05))
SCHEDULES = {
    "single": by_hand.allreduce(NETWORK, 1, 7, "ring"),
    "allreduce": by_hand.overlapped(NETWORK, 3, 7, "ring"),
    "library": by_hand.allreduce(NETWORK, 2, 7, "mpi", 2),
    "chunked": by_hand.chunked(NETWORK, 3, 7, 4, "tree"),
    "one server": by_hand.server(NETWORK, 3, 7, "sync"),
    "sharded": by_hand.server(NETWORK, 3, 7, "ssp1", sharded=True, overlap=True),
}
EACH = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)


def test_ranks_can_be_run_one_by_one_with_everything_given():
    """As a process for each rank does: an interpreter, a communicator, and `merge` over what comes back."""
    schedule, results = SCHEDULES["allreduce"], []
    ranks = [Interpreter(schedule, JOB, c.rank, c) for c in connect(3)]
    threads = [threading.Thread(target=lambda r=r: results.append(r.run())) for r in ranks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    merged, wanted = merge(results, schedule, JOB), run_on_threads(schedule, JOB)
    np.testing.assert_array_equal(merged.parameters, wanted.parameters)
    assert merged.losses == wanted.losses and merged.traffic == wanted.traffic
    assert all(use.memory_bytes > 1e6 for use in merged.use) and wanted.use[0].memory_bytes is None
    with pytest.raises(LabError, match=r"ranks \[0, 1\] of 3"):
        merge(sorted(results, key=lambda r: r.rank)[:2], schedule, JOB)


@EACH
def test_every_instruction_of_every_step_is_announced_and_recorded(schedule):
    announced, told = [], []

    def hooks(rank: int) -> Hooks:
        return Hooks(on_instruction=lambda step, position: announced.append((rank, step, position)))

    result = run_on_threads(schedule, JOB, hooks=hooks, on_event=told.append)
    wanted = {(r, s, n) for r, program in enumerate(schedule.ranks) for s in range(4) for n in range(len(program))}
    assert set(announced) == wanted and len(announced) == len(wanted)
    events = result.timeline.events
    assert {(e.rank, e.step, e.position) for e in events} == wanted and len(told) == len(events)
    for e in events:
        instruction = schedule.ranks[e.rank][e.position]
        assert (e.spelling, e.lane) == (str(instruction), instruction.lane) and e.end_s >= e.start_s >= 0
        assert (e.kind == "compute") == (instruction.op in "FBU") or e.lane == "server"


@EACH
def test_a_lane_does_one_thing_at_a_time_in_order(schedule):
    lanes = {}
    for e in run_on_threads(schedule, JOB).timeline.events:
        lanes.setdefault((e.rank, e.lane), []).append(e)
    for events in lanes.values():
        assert [(e.step, e.position) for e in events] == sorted((e.step, e.position) for e in events)
        assert all(a.end_s <= b.start_s for a, b in pairwise(events))


@EACH
def test_bytes_of_events_ledger_and_schedule_agree(schedule):
    result = run_on_threads(schedule, JOB)
    events = result.timeline.events
    assert result.traffic == traffic(schedule).times(4)
    assert sum(e.bytes_sent for e in events) == result.traffic.bytes == sum(use.bytes_sent for use in result.use)
    assert sum(e.messages for e in events) == result.traffic.messages
    if "mpi" not in str(schedule):
        assert sum(e.bytes_received for e in events) == result.traffic.bytes


@EACH
def test_the_time_of_a_rank_is_computing_communicating_and_idle(schedule):
    result = run_on_threads(schedule, JOB)
    for use in result.use:
        main = [e for e in result.timeline.events if e.rank == use.rank and e.lane == "main"]
        own = main or [e for e in result.timeline.events if e.rank == use.rank]
        for kind, seconds in (("compute", use.compute_s), ("communicate", use.communicate_s)):
            assert sum(e.seconds for e in own if e.kind == kind) == pytest.approx(seconds, abs=1e-6)
        assert use.compute_s + use.communicate_s + use.idle_s == pytest.approx(result.seconds, abs=1e-6)


def test_nothing_is_recorded_where_nobody_asked():
    result = run_on_threads(SCHEDULES["allreduce"], replace(JOB, record=False))
    assert result.timeline.events == () and result.use[0].compute_s > 0


def test_pieces_that_a_server_keeps_are_taken_from_it():
    """After the last answer was taken workers hold them, too; rank 0 of one server has nothing else."""
    result = run_on_threads(SCHEDULES["one server"], JOB)
    wanted, _ = by_hand.one_process(NETWORK, JOB, 7, by_hand.samples(NETWORK, JOB))
    np.testing.assert_allclose(result.parameters, wanted, rtol=0, atol=1e-10)


def test_ranks_may_be_held_before_a_step_and_let_go_on():
    schedule, gate, begun = SCHEDULES["sharded"], threading.Event(), []

    def hooks(rank: int) -> Hooks:
        def on_instruction(step: int, position: int) -> None:
            begun.append(step)

        return Hooks(may_begin=lambda lane, step: step < 2 or gate.is_set(), on_instruction=on_instruction)

    timer = threading.Timer(0.3, lambda: (begun.append("open"), gate.set()))
    timer.start()
    result = run_on_threads(schedule, JOB, hooks=hooks)
    timer.join()
    opened = begun.index("open")
    assert set(begun[:opened]) == {0, 1} and {2, 3} <= set(begun[opened + 1 :])
    assert result.steps == 4


@EACH
def test_a_run_may_end_before_its_last_step(schedule):
    """As Stop does it: all lanes end before the same step, with the weights of so many steps."""
    ending = Hooks(may_begin=lambda lane, step: True if step < 2 else None)
    short = run_on_threads(schedule, JOB, hooks=lambda rank: ending)
    assert short.steps == 2 and short.traffic == traffic(schedule).times(2)
    if "ssp" not in str(schedule):
        wanted = run_on_threads(schedule, replace(JOB, steps=2))
        np.testing.assert_array_equal(short.parameters, wanted.parameters)


@pytest.mark.parametrize("name", ["allreduce", "chunked", "one server"])
def test_a_run_goes_on_from_a_state_bit_for_bit(name):
    """Two steps, everything carried over by `prepare`, two more: the weights of four."""
    schedule, kept = SCHEDULES[name], {}

    def keep(rank: int) -> Hooks:
        def at_step_end(step: int, state) -> None:
            state.settle()
            kept[rank] = [state.model.parameters.flat.copy(), *(s.copy() for s in state.slots)]

        def prepare(state) -> int:
            kept["server", rank] = state.server
            return 0

        return Hooks(at_step_end=at_step_end, prepare=prepare)

    run_on_threads(schedule, replace(JOB, steps=2), hooks=keep)

    def restore(rank: int) -> Hooks:
        def prepare(state) -> int:
            for target, source in zip((state.model.parameters.flat, *state.slots), kept[rank], strict=True):
                target[:] = source
            if state.server:
                state.server.desks.update(kept["server", rank].desks)
            return 2

        return Hooks(prepare=prepare)

    whole, second = run_on_threads(schedule, JOB), run_on_threads(schedule, JOB, hooks=restore)
    np.testing.assert_array_equal(second.parameters, whole.parameters)
    assert second.losses == whole.losses[2:] and second.traffic == traffic(schedule).times(2)


def test_settling_waits_for_the_network_lane_and_the_answers():
    schedule, left = by_hand.server(NETWORK, 2, 7, "async", overlap=True), []

    def hooks(rank: int) -> Hooks:
        def slowly(step: int, position: int) -> None:
            if schedule.ranks[rank][position].op == "pull":
                time.sleep(0.01)

        def at_step_end(step: int, state) -> None:
            state.settle()
            left.append((rank, step, dict(state.versions)))

        return Hooks(on_instruction=slowly, at_step_end=at_step_end)

    run_on_threads(schedule, replace(JOB, steps=2), hooks=hooks)
    pieces = range(len(schedule.pieces))
    assert [versions for rank, _, versions in left if rank == 1] == [dict.fromkeys(pieces, n) for n in (1, 2)]


def test_waits_are_announced_with_whom():
    schedule, seen = by_hand.allreduce(NETWORK, 2, 7, "ring"), []

    def hooks(rank: int) -> Hooks:
        def on_instruction(step: int, position: int) -> None:
            if rank == 1 and schedule.ranks[1][position].op == "F":
                time.sleep(0.02)

        return Hooks(on_wait=lambda lane, peer: seen.append((rank, lane, peer)), on_instruction=on_instruction)

    run_on_threads(schedule, JOB, hooks=hooks)
    assert (0, "main", 1) in seen and {lane for _, lane, _ in seen} == {"main"}


def test_a_communicator_of_other_ranks_is_refused():
    with pytest.raises(LabError, match="rank 1 of a schedule for 3 ranks over a communicator of 2"):
        Interpreter(SCHEDULES["allreduce"], JOB, 1, connect(2)[1])
