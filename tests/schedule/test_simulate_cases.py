"""Every shape of schedule: what validation lets through the simulator carries out, to the byte; and the other way."""

from itertools import pairwise

import pytest
from schedule_cases import right_schedules, with_program

from labkit.errors import LabError
from labkit.machine.links import Link
from labkit.schedule.costs import Costs, flops_costs
from labkit.schedule.simulate import simulate
from labkit.schedule.traffic import traffic
from labkit.schedule.validate import validate

CASES = right_schedules()
LINK = Link("any", 1e-4, 1e6)


def costs_for(one) -> Costs:
    return Costs(flops_costs(one.network, 1e6, 1e7), LINK, 1e7, 1e-6)


@pytest.mark.parametrize("name", CASES)
def test_bytes_are_those_of_the_traffic(name):
    one = CASES[name]
    events, sent = simulate(one, costs_for(one), steps=3).events, traffic(one).times(3)
    for rank in range(one.size):
        mine = [event for event in events if event.rank == rank]
        counted = sum(e.bytes_sent for e in mine), sum(e.messages for e in mine)
        assert counted == (sent.of(rank).bytes, sent.of(rank).messages)
    assert sum(e.bytes_received for e in events) == sent.bytes


@pytest.mark.parametrize("name", CASES)
def test_lanes_do_one_thing_after_the_other(name):
    """In the order of the list, step after step; and the same a second time."""
    one = CASES[name]
    timeline = simulate(one, costs_for(one), steps=2)
    for rank in range(one.size):
        for lane in ("main", "network", "server"):
            mine = [e for e in timeline.of(rank) if e.lane == lane]
            assert all(a.end_s <= b.start_s for a, b in pairwise(mine))
            places = [(e.step, e.position) for e in mine]
            assert places == sorted(places)
    assert timeline == simulate(one, costs_for(one), steps=2)


@pytest.mark.parametrize("name", CASES)
def test_more_network_is_faster_and_more_steps_are_slower(name):
    one = CASES[name]
    slow = costs_for(one)
    fast = Costs(slow.compute, Link("fast", 1e-7, 1e9), 1e7, 1e-6)
    few, many = (simulate(one, slow, steps, events=False).seconds for steps in (1, 4))
    assert simulate(one, fast).seconds <= few
    assert few < many


@pytest.mark.parametrize("name", CASES)
def test_what_hangs_here_is_a_fault_there(name):
    """Leave out any one message, push or wait of any rank: where the simulator hangs, validation has seen it."""
    one, hung = CASES[name], 0
    for rank, program in enumerate(one.ranks):
        for position, instruction in enumerate(program):
            if instruction.op in ("F", "B", "U"):
                continue
            changed = with_program(one, rank, program[:position] + program[position + 1 :])
            try:
                simulate(changed, costs_for(one), steps=2)
            except LabError:
                hung += 1
                faults = validate(changed)
                assert any(fault.kind == "hang" for fault in faults), (rank, str(instruction))
    messages = any(i.op not in ("F", "B", "U", "wait") for i in one.ranks[0])
    assert bool(hung) == (messages and one.size > 1)
