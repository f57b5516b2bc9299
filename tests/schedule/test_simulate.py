"""The simulator on schedules that can be followed by hand: lanes, ports, waits, adding, deadlocks."""

import pytest
from simulated import costs, schedule, seconds, spans, three_layers

from labkit.errors import LabError
from labkit.machine.links import Link
from labkit.schedule import Schedule, equal_shares
from labkit.schedule.pieces import arrays, whole
from labkit.schedule.schedule import program
from labkit.schedule.simulate import alone, simulate
from labkit.schedule.traffic import traffic

# Pieces 0, 1 and 2 are the layers a, b and c: 24, 48 and 80 bytes, or 3, 6 and 10 seconds of a port.


def test_computing_takes_what_the_table_says():
    table = (seconds(1, 2, 3), seconds(10, 20, 30), seconds(100, 200, 300))
    timeline = simulate(schedule("F0:3; B1:3; B0:1; U0:2; U w2"), costs(*table, update_s_per_value=1.0, loss_s=0.5))
    assert spans(timeline, 0) == [
        ("F0:3", 0, 111),
        ("B1:3", 111, 111 + 0.5 + 550),
        ("B0:1", 661.5, 666.5),
        ("U0:2", 666.5, 666.5 + 18),
        ("U w2", 684.5, 684.5 + 20),
    ]
    assert {e.kind for e in timeline.events} == {"compute"}
    assert (timeline.regime, timeline.origin, timeline.seconds) == ("simulated", "modelled", 704.5)


def test_samples_cost_in_proportion_and_none_cost_nothing():
    table = (seconds(1, 0, 2, per_sample=True),) * 3
    two = Schedule(
        *("uneven", three_layers(), ((3, 2), (0,)), whole(three_layers())),
        (program(["F0:3; F0:3#1; B0:3#1"]), program(["F0:3; B0:3"])),
    )
    timeline = simulate(two, costs(*table, loss_s=7.0))
    assert spans(timeline, 0) == [("F0:3", 0, 9), ("F0:3#1", 9, 15), ("B0:3#1", 15, 15 + 12 + 7)]
    assert spans(timeline, 1) == [("F0:3", 0, 0), ("B0:3", 0, 0)]


def test_a_message_takes_the_sender_its_port_and_the_receiver_a_latency_more():
    timeline = simulate(schedule("send g0>1", "recv g0<0"), costs())
    assert spans(timeline, 0) == [("send g0>1", 0, 3)]
    assert spans(timeline, 1) == [("recv g0<0", 0, 4)]
    sent, received = timeline.events
    assert (sent.bytes_sent, sent.messages, sent.peers, sent.kind) == (24, 1, (1,), "communicate")
    assert (received.bytes_received, received.messages, received.peers) == (24, 0, (0,))


def test_a_message_waits_for_its_receiver():
    timeline = simulate(schedule("send g0>1", "F0:1; recv g0<0"), costs(seconds(9), seconds(), seconds()))
    assert spans(timeline, 1) == [("F0:1", 0, 9), ("recv g0<0", 9, 9)]


def test_what_is_added_takes_its_time():
    timeline = simulate(schedule("send g0>1", "recv g0<0 +; send g0>0"), costs(reduce_bytes_per_s=12.0))
    assert spans(timeline, 1) == [("recv g0<0 +", 0, 6), ("send g0>0", 6, 9)]


def test_a_swap_is_over_when_both_directions_are():
    lists = ("F0:1; swap g0<>1 +", "swap g0<>0 +")
    timeline = simulate(schedule(*lists), costs(seconds(5), seconds(), seconds(), reduce_bytes_per_s=24.0))
    assert spans(timeline, 0)[1] == ("swap g0<>1 +", 5, 5 + 3 + 1)  # the other's values are there: the send takes 3 s
    assert spans(timeline, 1)[0] == ("swap g0<>0 +", 0, 5 + 4 + 1)


def test_messages_share_a_port_in_order_of_arrival():
    timeline = simulate(schedule("recv g0<1; recv g0<2", "F0:1; send g0>0", "send g0>0"), costs(seconds(1), *PASS))
    assert spans(timeline, 0) == [("recv g0<1", 0, 7), ("recv g0<2", 7, 7)]  # rank 2's came first, 1 to 4 s


def test_overhead_is_paid_for_every_instruction_and_message():
    timeline = simulate(schedule("F0:1; wait; send g0>1", "recv g0<0"), costs(overhead_s=0.25))
    assert spans(timeline, 0)[-1] == ("send g0>1", 0.5, 0.75 + 3)
    ring = simulate(alone("allreduce", "ring", 2, 4), costs(seconds(), overhead_s=0.25))
    assert ring.seconds == 2 * (0.25 + 1 + 1)


def test_a_slowed_rank_takes_longer_for_every_forward_pass_from_the_first_layer():
    lists = "F0:1; F1:2; B0:2", "F0:2; B0:2"
    table = (seconds(1), seconds(2), seconds(4))
    slowed = simulate(schedule(*lists), costs(*table, slowed_s=(0.5, 3.0)))
    assert [end for _, _, end in spans(slowed, 0)][:2] == [1.5, 3.5]
    assert [end for _, _, end in spans(slowed, 1)][:1] == [6.0]
    with pytest.raises(LabError, match="slowed_s of 1 ranks"):
        simulate(schedule(*lists), costs(slowed_s=(1.0,)))


def test_messages_of_one_item_are_matched_in_the_order_of_sending():
    timeline = simulate(schedule("send g0>1; send g1>1; send g0>1", "recv g0<0; recv g0<0; recv g1<0"), costs())
    assert [end for _, _, end in spans(timeline, 1)] == [4, 13, 13]


def test_buckets_behind_back_propagation_shorten_the_step():
    """All-reduces of 2(1 + n/16) s each: 12 s for c, 8 for b, 5 for a. FP takes 3 s, BP and KU 4 s per layer."""
    table = (seconds(1, 1, 3),) * 3
    in_turn = "F0:3; B2:3; B1:2; B0:1; allreduce g2 ring; allreduce g1 ring; allreduce g0 ring"
    behind = "F0:3; B2:3; allreduce g2 ring &; B1:2; allreduce g1 ring &; B0:1; allreduce g0 ring &; wait; U0:3"
    assert simulate(schedule(in_turn, in_turn), costs(*table)).seconds == 3 + 12 + 25
    timeline = simulate(schedule(behind, behind), costs(*table))
    assert timeline.seconds == 3 + 4 + 25
    assert spans(timeline, 1, "network") == [
        ("allreduce g2 ring &", 7, 19),
        ("allreduce g1 ring &", 19, 27),
        ("allreduce g0 ring &", 27, 32),
    ]
    assert spans(timeline, 1, "main")[-2:] == [("wait", 15, 32), ("U0:3", 32, 32)]


def test_wait_asks_for_one_item_and_only_for_what_was_issued():
    lists = "wait g0; allreduce g2 ring &; allreduce g0 ring &; wait g2; wait g1; wait"
    timeline = simulate(schedule(lists, lists), costs(), steps=2)
    waits = [(e.step, e.spelling, e.start_s, e.end_s) for e in timeline.of(0) if e.kind == "wait"]
    assert waits == [
        (0, "wait g0", 0, 0),
        *((0, "wait g2", 0, 12), (0, "wait g1", 12, 12), (0, "wait", 12, 17)),
        (1, "wait g0", 17, 17),
        *((1, "wait g2", 17, 29), (1, "wait g1", 29, 29), (1, "wait", 29, 34)),
    ]


def test_lanes_do_not_wait_for_the_end_of_a_step():
    lists = "F0:1; bcast w2<0 linear &"
    timeline = simulate(schedule(lists, lists), costs(seconds(2), *PASS), steps=3)
    assert spans(timeline, 0, "main") == [("F0:1", 2 * k, 2 * k + 2) for k in range(3)]
    assert spans(timeline, 0, "network") == [("bcast w2<0 linear &", 2 + 10 * k, 12 + 10 * k) for k in range(3)]


@pytest.mark.parametrize(("ports", "second"), [(1, 11), (2, 8)])
def test_two_lanes_share_the_ports_of_their_rank(ports, second):
    lists = ("send g0>1 &; F0:1; send g1>2", "recv g0<0", "recv g1<0")
    timeline = simulate(schedule(*lists), costs(seconds(1), *PASS, link=Link("slow", 1.0, 8.0, ports)))
    assert spans(timeline, 1) == [("recv g0<0", 0, 4)]
    assert spans(timeline, 2) == [("recv g1<0", 0, second - (ports == 1))]


def test_a_send_that_waits_for_the_port_does_not_hold_up_others_at_the_receiver():
    """Rank 0's second message leaves at 10 s; rank 1's, sent after it was issued, arrives long before."""
    lists = ("send g2>2 &; F0:1; send g0>2", "F0:1; send g0>2", "recv g2<0; recv g0<1; recv g0<0")
    timeline = simulate(schedule(*lists), costs(seconds(5), *PASS))
    assert spans(timeline, 2) == [("recv g2<0", 0, 11), ("recv g0<1", 11, 14), ("recv g0<0", 14, 17)]


def test_the_same_twice():
    lists = "F0:3; B0:3; allreduce g2 halving &; allreduce g1 tree &; allreduce g0 doubling; wait; U0:3"
    one = _uneven(lists)
    assert simulate(one, costs(*TABLE), steps=3) == simulate(one, costs(*TABLE), steps=3)


def _uneven(lists: str) -> Schedule:
    network = three_layers()
    return Schedule("uneven", network, equal_shares(10, 7), arrays(network), (program([lists]),) * 7)


def test_events_have_the_bytes_of_the_traffic():
    lists = "F0:3; B0:3; allreduce g2 halving &; allreduce g1 mpi; reduce g0>3 tree; bcast w0<3 scatter; wait; U0:3"
    one = _uneven(lists)
    events, rows = simulate(one, costs(*TABLE), steps=2).events, traffic(one).rows
    for rank in range(7):
        for position in range(len(one.ranks[rank])):
            mine = [e for e in events if (e.rank, e.position) == (rank, position)]
            theirs = [row for row in rows if (row.rank, row.position) == (rank, position)]
            assert sum(e.bytes_sent for e in mine) == 2 * sum(row.bytes for row in theirs)
            assert sum(e.messages for e in mine) == 2 * sum(row.messages for row in theirs)
    library = [e for e in events if e.spelling == "allreduce g1 mpi"]
    assert {(e.bytes_sent, e.messages, len(e.peers)) for e in library} == {(48, 1, 6)} and len(library) == 14
    assert sum(e.bytes_received for e in events) == sum(e.bytes_sent for e in events)


def test_without_events_the_seconds_stay():
    lists = "F0:3; B0:3; allreduce g2 ring &; allreduce g1 tree &; wait; U0:3"
    full, ends = (simulate(_uneven(lists), costs(*TABLE), 4, events) for events in (True, False))
    assert full.seconds == ends.seconds
    assert len(ends.events) == 7 * 2 * 2 < len(full.events)


@pytest.mark.parametrize(
    ("lists", "names"),
    [
        (("recv g0<1", "F0:1"), ["rank 0", "recv g0<1"]),
        (("recv g0<1; send g0>1", "recv g0<0; send g0>0"), ["rank 0", "rank 1", "recv g0<1", "recv g0<0"]),
        (("allreduce g0 ring", "F0:1"), ["rank 0", "allreduce g0 ring"]),
        (("recv g0<1 &; wait g0", "F0:1"), ["rank 0 (network lane)", "wait g0"]),
        (("serve async", "F0:1"), ["rank 0 (server lane)", "serve async"]),
        (("F0:1", "push g0>0"), ["rank 1", "push g0>0", "rank 0 serves nobody"]),
        (
            ("serve sync; serve sync", "push g0>0; pull w0<0; send g1>2", "recv g1<1; push g0>0; pull w0<0"),
            ["rank 0 (server lane)", "rank 1", "pull w0<0", "rank 2", "recv g1<1"],
        ),
    ],
)
def test_a_deadlock_names_ranks_and_instructions(lists, names):
    with pytest.raises(LabError) as error:
        simulate(schedule(*lists), costs())
    assert all(name in str(error.value) for name in names), str(error.value)


def test_sends_are_buffered():
    lists = ("send g0>1; recv g0<1", "send g0>0; recv g0<0")
    assert simulate(schedule(*lists), costs()).seconds == 4


def test_bad_arguments():
    with pytest.raises(LabError, match="costs of 2 layers"):
        simulate(schedule("F0:3"), costs(*TABLE[:2]))
    with pytest.raises(LabError, match="0 steps"):
        simulate(schedule("F0:3"), costs(), steps=0)


PASS = (seconds(), seconds())
TABLE = (seconds(1, 1, 2), seconds(2, 1, 1), seconds(0.5, 0.25, 0.125))
