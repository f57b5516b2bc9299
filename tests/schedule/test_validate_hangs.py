"""Schedules that cannot run: what `validate` says of each, word by word where a student reads it."""

import pytest
from schedule_cases import (
    END,
    TINY,
    all_reduced,
    chunked,
    one_server,
    overlapped,
    pairwise_exchange,
    schedule,
    sharded_servers,
    star,
    with_program,
)

from labkit.errors import LabError
from labkit.schedule import Fault, Piece, parse, validate
from labkit.schedule.pieces import chunks
from labkit.schedule.rules.execution import Execution
from labkit.schedule.rules.standstill import standstill_faults
from labkit.schedule.rules.stretches import stretches_of
from labkit.schedule.schedule import program

FB = f"F0:{END}; B0:{END}"


def hangs(made, steps: int = 2) -> list[Fault]:
    return [fault for fault in validate(made, steps) if fault.kind == "hang"]


def only(made) -> Fault:
    """The one fault that keeps a schedule from running."""
    (found,) = hangs(made)
    return found


def without(made, rank: int, position: int):
    program = made.ranks[rank]
    return with_program(made, rank, (*program[:position], *program[position + 1 :]))


def test_a_send_without_its_receive():
    fault = only(without(star(), 1, 3))
    assert (fault.rank, fault.position, fault.step) == (0, 5, 0)
    assert str(fault) == (
        "hang: rank 0, step 0, instruction 5 (send w0>1): rank 1 never receives w0 from rank 0 "
        "— give rank 1 'recv w0<0', or leave this out"
    )


def test_a_receive_without_its_send():
    fault = only(without(star(), 2, 2))
    assert (fault.rank, fault.position) == (0, 3)
    assert "rank 2 never sends g0 to rank 0 — give rank 2 'send g0>0', or leave this out" in fault.message


def test_a_message_that_is_sent_more_often_than_it_is_received():
    twice = with_program(star(), 1, (*star().ranks[1][:3], *star().ranks[1][2:]))
    fault = only(twice)
    assert (fault.rank, fault.position) == (1, 3)
    assert "rank 0 receives g0 from rank 1 once, not twice — give rank 0 'recv g0<1'" in fault.message


def test_messages_of_two_pieces_that_miss_each_other_are_named_together():
    pieces = chunks(TINY, 2)
    made = schedule([f"{FB}; send w0>1; U0:{END}", f"{FB}; recv w1<0; U0:{END}"], pieces=pieces)
    first, second = hangs(made)
    assert "give rank 1 'recv w0<0' (or mend its instruction 2, 'recv w1<0'), or leave this out" in first.message
    assert (second.rank, second.position) == (1, 2) and "rank 0 never sends w1 to rank 1" in second.message


def test_both_send_first():
    made = schedule([f"{FB}; send g0>{1 - r}; recv g0<{1 - r} +; U0:{END}" for r in range(2)])
    assert str(only(made)) == (
        "hang: rank 0, step 0, instruction 2 (send g0>1): ranks 0 and 1 wait in a circle for ever: "
        "rank 0 at instruction 2 (send g0>1) waits for rank 1; rank 1 at instruction 2 (send g0>0) waits for rank 0 "
        "— let one of them receive before it sends, or write 'swap', which does both at once"
    )


def test_both_receive_first():
    made = schedule([f"{FB}; recv g0<{1 - r} +; send g0>{1 - r}; U0:{END}" for r in range(2)])
    assert "let one of them send before it receives" in only(made).message


@pytest.mark.parametrize("ranks", [3, 5])
def test_a_circle_names_every_rank_in_it(ranks):
    lines = [f"{FB}; send g0>{(r + 1) % ranks}; recv g0<{(r - 1) % ranks} +; U0:{END}" for r in range(ranks)]
    message = only(schedule(lines)).message
    assert f"ranks 0 to {ranks - 1} wait in a circle" in message
    for rank in range(ranks):
        told = f"rank {rank} at instruction 2 (send g0>{(rank + 1) % ranks}) waits for rank {(rank + 1) % ranks}"
        assert told in message


def test_a_long_circle_is_told_in_part():
    lines = [f"{FB}; send g0>{(r + 1) % 40}; recv g0<{(r - 1) % 40} +" for r in range(40)]
    message = only(schedule(lines, batch=40)).message
    assert "ranks 0 to 39 wait in a circle" in message and "; and so on, 40 in all — let one of them" in message


def test_ranks_that_wait_for_a_circle_are_not_in_it():
    lines = [f"{FB}; send g0>1; recv g0<1 +; send w0>2", f"{FB}; send g0>0; recv g0<0 +", f"{FB}; recv w0<0"]
    assert "ranks 0 and 1 wait in a circle" in only(schedule(lines)).message


def test_two_circles_are_two_faults():
    pairs = [(0, 1), (1, 0), (2, 3), (3, 2)]
    made = schedule([f"{FB}; send g0>{other}; recv g0<{other} +" for _, other in pairs])
    assert [fault.rank for fault in hangs(made)] == [0, 2]


def test_a_circle_through_the_network_lane():
    """Rank 0 waits for its own network lane, which waits for rank 1, which waits for rank 0's main lane."""
    made = schedule([f"{FB}; send g0>1 &; wait g0; send w0>1", f"{FB}; recv w0<0; recv g0<0 +"])
    message = only(made).message
    assert "rank 0 at instruction 3 (wait g0) waits for rank 0's network lane" in message
    assert "rank 0's network lane at instruction 2 (send g0>1 &) waits for rank 1" in message
    assert "rank 1 at instruction 2 (recv w0<0) waits for rank 0" in message


def test_collectives_in_two_orders():
    pieces = chunks(TINY, 2)
    lines = [f"{FB}; allreduce g{a} ring; allreduce g{1 - a} ring; U0:{END}" for a in (0, 1, 0)]
    fault = only(schedule(lines, pieces=pieces))
    assert "rank 0 at instruction 2 (allreduce g0 ring) waits for rank 1" in fault.message
    assert "rank 1 at instruction 2 (allreduce g1 ring) waits for rank 0" in fault.message
    assert fault.message.endswith("let all ranks enter the collectives in the same order")


def test_a_collective_that_one_rank_does_not_enter():
    fault = only(without(all_reduced(4), 2, 2))
    assert (fault.rank, fault.position) == (0, 2)
    assert "rank 2 never enters it, so that ranks 0, 1 and 3 would wait for ever — give rank 2 'allreduce g0 ring'" in (
        fault.message
    )


def test_a_collective_that_one_rank_enters_alone():
    made = with_program(all_reduced(3), 1, (*all_reduced(3).ranks[1], parse("bcast w0<1 tree")))
    fault = only(made)
    assert (fault.rank, fault.position) == (1, 4)
    assert "ranks 0 and 2 never do so — leave it out, or add it there" in fault.message


@pytest.mark.parametrize("other", ["allreduce g0 tree", "reduce g0>0 tree", "allreduce g0 mpi"])
def test_one_collective_in_two_ways(other):
    line = all_reduced(3).ranks[1]
    fault = only(with_program(all_reduced(3), 1, (*line[:2], parse(other), line[3])))
    assert (fault.rank, fault.position) == (1, 2)
    assert "on ranks 0 and 2 this is 'allreduce g0 ring' — write the same on all ranks" in fault.message


def test_a_broadcast_with_two_roots():
    made = schedule([f"{FB}; allreduce g0 ring; U0:{END}; bcast w0<{r} tree" for r in (0, 0, 1)])
    assert "on ranks 0 and 1 this is 'bcast w0<0 tree'" in only(made).message


def test_weights_that_are_updated_while_gradients_still_travel():
    made = overlapped()
    unwaited = with_program(made, 1, [i for i in made.ranks[1] if str(i) != "wait g1"])
    fault = only(unwaited)
    assert (fault.rank, str(unwaited.ranks[1][fault.position])) == (1, "U w1")
    assert fault.message == (
        "rank 1, step 0, instruction 9 (U w1): it needs gradients that 'allreduce g1 ring &' (instruction 4) may still "
        "be working on in the background — put 'wait g1' before it"
    )


def test_forward_propagation_that_does_not_wait_for_its_weights():
    made = chunked()
    late = with_program(made, 2, [i for i in made.ranks[2] if str(i) != "wait w1"])
    fault = only(late)
    assert (fault.rank, fault.step, str(late.ranks[2][fault.position])) == (2, 1, f"F2:{END}")
    assert "it needs weights that 'bcast w1<0 linear &'" in fault.message


def test_the_root_may_read_what_it_broadcasts_but_not_update_it():
    made = chunked()
    assert validate(made) == ()
    early = with_program(made, 0, [i for i in made.ranks[0] if i.op != "wait"])
    fault = only(early)
    assert (fault.rank, fault.step, str(early.ranks[0][fault.position])) == (0, 1, f"U0:{END}")


def test_a_wait_for_a_later_instruction_waits_for_the_earlier_ones_too():
    tail = "; U w0; U w1; U w2"
    made = overlapped()
    line = f"F0:{END}; B3:{END}; allreduce g0 ring &; B2:3; allreduce g1 ring &; B0:2; allreduce g2 ring &"
    assert validate(schedule([line + "; wait g2" + tail] * 3, pieces=made.pieces)) == ()
    early = hangs(schedule([line + "; wait g0" + tail] * 3, pieces=made.pieces))
    assert [(fault.rank, fault.position) for fault in early] == [(rank, n) for rank in range(3) for n in (9, 10)]
    assert validate(schedule([line + "; wait" + tail] * 3, pieces=made.pieces)) == ()


def test_a_layer_waits_for_every_piece_that_it_has_values_in():
    """Pieces are compared by their values, not by their numbers: the cut lies in layer fc2."""
    late = with_program(chunked(), 1, program([f"wait w0; F0:3; wait w1; F3:{END}; B0:{END}; reduce g2>0 linear"]))
    late = with_program(late, 1, (*late.ranks[1], *chunked().ranks[1][-2:]))
    assert "'bcast w1<0 linear &'" in only(late).message


def test_a_message_in_the_foreground_does_not_overtake_the_background():
    made = schedule([f"{FB}; allreduce g0 ring &; swap g0<>{1 - r} +; wait; U0:{END}" for r in range(2)])
    assert [fault.position for fault in hangs(made)] == [3, 3]
    read = schedule([f"{FB}; send w0>1 &; send w0>1; wait", f"{FB}; recv w0<0; recv w0<0"])
    assert hangs(read) == []


def test_the_library_is_called_by_one_lane():
    pieces = chunks(TINY, 2)
    lines = [f"{FB}; allreduce g0 mpi &; allreduce g1 mpi; wait; U0:{END}"] * 2
    first, second = hangs(schedule(lines, pieces=pieces))
    assert (first.rank, first.position, second.rank) == (0, 3, 1)
    assert "let one lane do them all, so that their order is known" in first.message


@pytest.mark.parametrize("mode", ["sync", "async", "ssp1"])
def test_one_push_is_one_pull(mode):
    no_pull = only(without(one_server(mode=mode), 1, 4))
    assert (no_pull.rank, no_pull.position) == (1, 3)
    assert "the server answers once, and w0 is never pulled — add 'pull w0<0' after it" in no_pull.message
    no_push = hangs(without(one_server(mode=mode), 1, 3))[0]
    assert (no_push.rank, no_push.position) == (1, 3)
    assert "a server answers a push, and g0 is never pushed — put 'push g0>0' before it" in no_push.message


def test_a_pull_in_another_lane_than_its_push():
    """Whether an answer is owed when the pull begins would be chance."""
    for line in ("push g0>0 &; pull w0<0; wait", "pull w0<0 &; push g0>0; wait"):
        fault = only(schedule(["serve sync", f"{FB}; {line}"], ((), (7,))))
        assert (fault.rank, fault.position) == (1, 3)
        assert "may still be working on in the background — put 'wait " in fault.message
    assert validate(schedule(["serve sync", f"{FB}; push g0>0 &; pull w0<0 &; wait"], ((), (7,)))) == ()


def test_serves_that_do_not_fit_the_pushes():
    fewer = only(without(one_server(), 0, 3))
    assert (fewer.rank, fewer.position) == (0, 2)
    assert "4 pushes arrive in a step, and it serves 3 times — write 'serve' 4 times: workers times" in fewer.message
    more = only(with_program(one_server(), 0, [parse("serve sync")] * 5))
    assert (more.rank, more.position) == (0, 4)
    none = hangs(with_program(one_server(), 0, []))
    assert none[0].rank == 1 and "rank 0 never serves — give rank 0 4 times 'serve sync'" in none[0].message


def test_one_mode_on_a_server():
    mixed = only(with_program(one_server(), 0, program(["serve sync; serve sync; serve async; serve sync"])))
    assert (mixed.rank, mixed.position) == (0, 2)
    assert (
        "this server began in mode sync, and who gets which is chance — write 'serve sync' everywhere" in mixed.message
    )


def test_a_synchronous_server_is_pushed_to_equally_often_by_all():
    push = "push g0>0; pull w0<0; "
    made = schedule(["serve sync; serve sync; serve sync", f"{FB}; {push * 2}", f"{FB}; {push}"], ((), (4,), (3,)))
    fault = only(made)
    assert (fault.rank, fault.position) == (1, 4)
    assert "the server sums g0 over its workers, and rank 2 pushes it less often" in fault.message


def test_synchronous_pieces_in_two_orders_wait_for_each_other():
    """Each worker pulls one piece before it pushes the other."""
    lines = [f"{FB}; push g{a}>0; pull w{a}<0; push g{1 - a}>0; pull w{1 - a}<0" for a in (0, 1)]
    made = schedule(["; ".join(["serve sync"] * 4), *lines], ((), (4,), (3,)), chunks(TINY, 2))
    message = only(made).message
    assert "waits for rank 0's server lane" in message and "let every worker push before it pulls" in message


def test_stale_synchronous_workers_do_not_wait_for_ever():
    for bound in range(3):
        assert validate(one_server(4, f"ssp{bound}"), steps=5) == ()
        assert validate(sharded_servers(3, f"ssp{bound}"), steps=5) == ()


def test_messages_of_nothing_wait_for_nobody():
    made = schedule(
        [f"{FB}; send w1>1; allreduce g0 ring; U0:{END}", f"{FB}; allreduce g0 ring; U0:{END}"],
        pieces=(Piece(0, 25), Piece(8, 8)),
    )
    assert validate(made) == ()


def test_a_standstill_of_what_has_no_counterpart_is_told_too():
    """`validate` finds these by counting; a grid of them stands still all the same."""
    made = schedule([f"{FB}; send w0>1", f"{FB}; allreduce g0 ring"])
    execution = Execution(made, stretches_of(made), 1).run()
    told = [fault.message for fault in standstill_faults(execution)]
    assert len(told) == 2 and all("for something that no rank does any more" in message for message in told)


def test_many_steps_and_wrong_numbers_of_them():
    assert validate(pairwise_exchange(), steps=20) == ()
    for steps in (0, -1, True, 1.0):
        with pytest.raises(LabError, match=r"a check of .* steps — give a whole number of at least 1"):
            validate(pairwise_exchange(), steps)
