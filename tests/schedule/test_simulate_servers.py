"""Parameter servers in the simulator: times by hand, order, modes, staleness and its bound."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import costs, schedule, seconds, spans, three_layers

from labkit.machine.links import Link
from labkit.schedule import Schedule
from labkit.schedule.pieces import arrays, whole
from labkit.schedule.schedule import program
from labkit.schedule.simulate import simulate, simulated_staleness
from labkit.schedule.traffic import traffic

WHOLE = 152  # bytes of all weights: 19 seconds of a port
STEP = "F0:3; B0:3; push g0>0; pull w0<0"


def one_server(workers: int, mode: str, step: str = STEP, shares: tuple[int, ...] = ()) -> Schedule:
    network = three_layers()
    given = ((), *((n,) for n in shares or (1,) * workers))
    lists = (program([f"serve {mode}"] * workers), *(program([step]),) * workers)
    return Schedule(f"server {mode}", network, given, whole(network), lists)


@pytest.mark.parametrize("workers", [1, 2, 3, 6])
def test_one_server_takes_all_through_one_port(workers):
    timeline = simulate(one_server(workers, "sync"), costs())
    assert timeline.seconds == 2 * (1 + workers * 19)
    ends = sorted(e.end_s for e in timeline.events if e.spelling == "pull w0<0")
    assert ends == [1 + workers * 19 + 1 + k * 19 for k in range(1, workers + 1)]


@pytest.mark.parametrize(("ports", "passes"), [(2, 3), (3, 2), (6, 1)])
def test_more_ports_take_several_at_a_time(ports, passes):
    timeline = simulate(one_server(6, "sync"), costs(link=Link("slow", 1.0, 8.0, ports)))
    assert timeline.seconds == 2 * (1 + passes * 19)


def test_gradients_after_the_first_are_added_while_the_next_ones_come():
    slow, fast = (simulate(one_server(4, "sync"), costs(reduce_bytes_per_s=WHOLE / s)) for s in (30, 5))
    assert slow.seconds == pytest.approx((1 + 2 * 19) + 3 * 30 + (1 + 4 * 19))
    assert fast.seconds == pytest.approx((1 + 4 * 19) + 5 + (1 + 4 * 19))


def test_events_of_a_server():
    timeline = simulate(one_server(2, "async"), costs(seconds(1), *PASS, update_s_per_value=0.25))
    found = [(e.kind, e.start_s, e.end_s, e.bytes_sent, e.bytes_received, e.messages, e.peers) for e in timeline.of(0)]
    assert found == [
        ("wait", 0, 2, 0, 0, 0, ()),  # computing, and the way of the first word that a push is coming
        ("communicate", 2, 21, 0, WHOLE, 0, (1,)),
        ("compute", 21, 30.5, 0, 0, 0, ()),
        ("communicate", 30.5, 30.5, WHOLE, 0, 1, (1,)),
        ("communicate", 30.5, 40, 0, WHOLE, 0, (2,)),
        ("compute", 40, 49.5, 0, 0, 0, ()),
        ("communicate", 49.5, 49.5, WHOLE, 0, 1, (2,)),
    ]
    assert {e.lane for e in timeline.of(0)} == {"server"}


def test_pushes_are_taken_in_the_order_in_which_they_leave():
    step = "F0:3; B0:3; push g0>0; pull w0<0"
    found = simulated_staleness(one_server(3, "async", step, (3, 1, 2)), costs(*PER_SAMPLE), steps=1)
    assert [stale.rank for stale in found] == [2, 3, 1]
    assert [stale.staleness for stale in found] == [0, 1, 2]


def test_a_rank_pays_nothing_for_its_own_server():
    both = "serve async; F0:1; push g0>0; pull w0<0"
    timeline = simulate(schedule(both), costs(seconds(2), *PASS, update_s_per_value=1.0))
    assert timeline.seconds == 2 + 6
    assert not any(e.messages or e.bytes_received for e in timeline.events)


def test_pulls_before_the_first_push_have_nothing_to_take():
    """Written before FP, the first step's pull does nothing, and the last answer is taken at the end."""
    before = simulate(one_server(1, "async", "pull w0<0; F0:3; B0:3; push g0>0"), costs(), steps=2)
    assert spans(before, 1)[0] == ("pull w0<0", 0, 0)
    assert before.seconds == 2 * 2 * (1 + 19)
    answers = [e for e in before.of(1) if e.spelling == "pull w0<0" and e.end_s > e.start_s]
    assert len(answers) == 2


def test_synchronous_updates_are_never_stale():
    found = simulated_staleness(one_server(3, "sync", shares=(3, 1, 2)), costs(*PER_SAMPLE), steps=3)
    assert [(s.rank, s.step, s.version, s.staleness) for s in found] == [
        (rank, step, step, 0) for step in range(3) for rank in (1, 2, 3)
    ]


def test_staleness_counts_the_updates_that_came_between():
    """Two workers, one three times as slow as the other: by hand, from the times of the pushes."""
    link = Link("quick", 1.0, 1e9)
    found = simulated_staleness(one_server(2, "async", shares=(2, 6)), costs(*PER_SAMPLE, link=link), steps=4)
    worker = [(s.step, s.version, s.staleness) for s in found if s.rank == 2]
    # Worker 1 pushes at 4, 10, 16, 22 s and is answered 2 s later; worker 2 pushes at 12, 26, 40, 54 s.
    assert worker == [(0, 0, 2), (1, 3, 2), (2, 6, 0), (3, 7, 0)]


@pytest.mark.parametrize("overlap", [False, True])
def test_bytes_and_messages_are_those_of_the_traffic(overlap):
    one = sharded(4, "ssp1", overlap)
    events, sent = simulate(one, costs(*PER_SAMPLE), steps=3).events, traffic(one).times(3)
    for rank in range(4):
        mine = [e for e in events if e.rank == rank]
        assert (sum(e.bytes_sent for e in mine), sum(e.messages for e in mine)) == (
            sent.of(rank).bytes,
            sent.of(rank).messages,
        )
        assert sum(e.bytes_received for e in mine) == sent.to(rank).bytes


def sharded(ranks: int, mode: str, overlap: bool = True, shares: tuple[int, ...] = ()) -> Schedule:
    """Every rank works and serves its arrays, which are dealt out in turn."""
    network = three_layers()
    owners = [n % ranks for n in range(3)]
    mark = " &" if overlap else ""
    fp = [f"wait w{n}; F{n}:{n + 1}" if overlap else f"F{n}:{n + 1}" for n in range(3)]
    bp = [f"B{n}:{n + 1}; push g{n}>{owners[n]}{mark}" for n in (2, 1, 0)]
    step = [*fp, *bp, *(f"pull w{n}<{owners[n]}{mark}" for n in range(3))]
    lists = [program([f"serve {mode}"] * ranks * owners.count(rank) + step) for rank in range(ranks)]
    samples = tuple((n,) for n in shares or (1,) * ranks)
    return Schedule(f"sharded {mode}", network, samples, arrays(network), tuple(lists))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=5),
    *(st.integers(0, 3), st.booleans(), st.booleans(), st.sampled_from([0.01, 1.0, 30.0])),
)
def test_no_worker_gets_further_ahead_than_the_bound(shares, bound, own, overlap, latency_s):
    """When a push of step k is applied, the slowest worker has pushed the piece k - bound times at least."""
    shares, mode, link = tuple(shares), f"ssp{bound}", Link("any", latency_s, 1e3)
    built = sharded(len(shares), mode, overlap, shares) if own else one_server(len(shares), mode, shares=shares)
    found = simulated_staleness(built, costs(*PER_SAMPLE, link=link), steps=8)
    workers = sorted({stale.rank for stale in found})
    pushed = {(rank, piece): 0 for rank in workers for piece in range(3)}
    for stale in found:
        slowest = min(pushed[rank, stale.piece] for rank in workers)
        assert stale.step == pushed[stale.rank, stale.piece] <= slowest + bound
        assert 0 <= stale.staleness <= (len(workers) - 1) * (2 * bound + 1)
        pushed[stale.rank, stale.piece] += 1
    pieces = 3 if own else 1
    assert len(found) == 8 * len(workers) * pieces


@pytest.mark.parametrize(("mode", "most"), [("ssp0", 0), ("ssp1", 1), ("ssp3", 3), ("async", 7)])
def test_the_bound_is_used(mode, most):
    """One worker is a hundred times slower: the other gets as far ahead as it may."""
    found = simulated_staleness(
        one_server(2, mode, shares=(1, 100)), costs(*PER_SAMPLE, link=Link("q", 0.1, 1e9)), steps=8
    )
    pushed, ahead = {1: 0, 2: 0}, 0
    for stale in found:
        ahead = max(ahead, pushed[1] - pushed[2] if stale.rank == 1 else 0)
        pushed[stale.rank] += 1
    assert ahead == most


def test_bounded_staleness_makes_a_fast_worker_wait():
    times = [
        simulate(one_server(2, mode, shares=(1, 100)), costs(*PER_SAMPLE), steps=6).of(1)[-1].end_s
        for mode in ("async", "ssp1", "ssp0", "sync")
    ]
    assert times == sorted(times) and times[0] < times[1] < times[2]


PASS = (seconds(), seconds())
PER_SAMPLE = (seconds(1, 0, 1, per_sample=True), *PASS)


@pytest.mark.parametrize("slow", [1, 2])
def test_a_synchronous_worker_may_push_again_before_the_others_have_once(slow):
    step = "F0:3; B0:3; push g0>0; push g0>0; pull w0<0; pull w0<0"
    twice = one_server(2, "sync", step)
    twice = Schedule(twice.scheme, twice.network, twice.shares, twice.pieces, (twice.ranks[0] * 2, *twice.ranks[1:]))
    slowed = [0.0, 0.0, 0.0]
    slowed[slow] = 100.0
    found = simulated_staleness(twice, replace(costs(), slowed_s=tuple(slowed)), steps=2)
    assert len(found) == 8 and sorted(s.rank for s in found) == [1] * 4 + [2] * 4
    assert sum(s.staleness for s in found) == 4  # the second update of a step knows nothing of the first
