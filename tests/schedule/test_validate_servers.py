"""Parameter servers that run but do not update with every sample once."""

import pytest
from float_execution import outcomes
from schedule_cases import END, TINY, one_server, schedule, sharded_servers, with_program

from labkit.schedule import Fault, Piece, parse, validate
from labkit.schedule.pieces import chunks
from labkit.schedule.schedule import program

FB = f"F0:{END}; B0:{END}"


def faults(made) -> list[Fault]:
    found = validate(made)
    assert all(fault.kind == "maths" for fault in found), found
    return list(found)


def first(made) -> Fault:
    return faults(made)[0]


@pytest.mark.parametrize("mode", ["sync", "async", "ssp1"])
def test_a_push_before_all_gradients_are_there(mode):
    made = one_server(mode=mode)
    early = with_program(made, 1, program([f"F0:{END}; B2:{END}; push g1>0; push g0>0; B0:2; pull w0<0; pull w1<0"]))
    fault = first(early)
    if mode == "sync":  # the server's sums show it
        assert fault.rank == 0 and "the gradients of fc1 lack the samples of rank 1" in fault.message
    else:
        assert (fault.rank, fault.position) == (1, 3)
        assert "the gradients of fc1 are not those of all samples of this rank, once — push after the last B" in (
            fault.message
        )


def test_an_asynchronous_server_wants_gradients_of_one_worker():
    made = one_server(mode="async")
    line = f"{FB}; swap g2<>{{}} +; push g1>0; push g0>0; pull w0<0; pull w1<0"
    for rank in (1, 2):
        made = with_program(made, rank, program([line.replace("g2", "g0").format(3 - rank)]))
    assert "the gradients of fc1 to fc2 are not those of all samples of this rank, once" in first(made).message


def test_pieces_that_share_values_are_pushed_once():
    overlap = (Piece(0, 17), Piece(8, 25))
    line = f"{FB}; push g1>0; push g0>0; pull w0<0; pull w1<0"
    made = schedule(["serve async; serve async", line], ((), (7,)), overlap)
    fault = first(made)
    assert (fault.rank, fault.position) == (1, 3)
    assert "these gradients have been pushed in this step already — push them once" in fault.message


def test_a_piece_that_is_served_nowhere():
    line = f"{FB}; push g1>0; pull w1<0"
    made = schedule(["serve sync; serve sync", line, line], ((), (4,), (3,)), chunks(TINY, 2))
    found = faults(made)
    assert [(fault.rank, fault.step) for fault in found] == [(1, 1), (2, 1)]
    assert "nobody updates the weights of fc1 to fc2: no U, no push to a server" in found[0].message


def test_a_piece_has_one_server():
    lines = [f"serve async; {FB}; push g0>{r}; pull w0<{r}" for r in range(2)]
    fault = first(schedule(lines))
    assert (fault.rank, fault.position) == (1, 3)
    assert (
        "g0 is also pushed to rank 0, and the two would keep weights that differ — push it to rank 0" in fault.message
    )


def test_updates_are_left_to_an_asynchronous_server():
    made = sharded_servers(2, "async")
    for rank in range(2):
        made = with_program(made, rank, [*made.ranks[rank], parse("wait"), parse(f"U0:{END}")])
    assert "the weights of fc1 to fc3 are kept by an asynchronous server — leave updates to it" in first(made).message


def test_an_asynchronous_worker_computes_both_passes_with_one_version():
    line = f"F0:{END}; F0:{END}#1; B0:{END}#1; push g0>0; pull w0<0; B0:{END}"
    made = schedule(["serve async", line], ((), (4, 3)))
    assert any("have changed since this micro-batch's FP" in fault.message for fault in faults(made))


def test_a_synchronous_server_that_gets_one_worker_twice():
    made = one_server()
    twice = program([f"{FB}; push g1>0; push g0>0; pull w0<0; pull w1<0"])
    shared = with_program(made, 1, [*twice[:2], parse("swap g0<>2 +"), *twice[2:]])
    shared = with_program(shared, 2, [*twice[:2], parse("swap g0<>1 +"), *twice[2:]])
    fault = first(shared)
    assert fault.rank == 0 and str(shared.ranks[0][fault.position]) == "serve sync"
    assert "contain the samples of ranks 1 and 2 twice" in fault.message


def test_a_synchronous_server_that_one_worker_does_not_push_to():
    line = f"{FB}; push g0>0; pull w0<0"
    made = schedule(["serve sync; serve sync; serve sync", f"{line}; push g1>0; pull w1<0", line],
                    ((), (4,), (3,)), chunks(TINY, 2))  # fmt: skip
    found = faults(made)
    assert found[0].rank == 0 and "contain the samples of rank 1" not in found[0].message
    assert "the gradients of fc2 to fc3 lack the samples of rank 2" in found[0].message
    assert (found[1].rank, found[1].step) == (2, 1) and "have seen 0 of 1 updates" in found[1].message


@pytest.mark.parametrize("mode", ["sync", "async", "ssp0"])
def test_weights_may_be_pulled_at_the_beginning_of_the_next_step(mode):
    """In the first step no answer is owed; what is owed at the end is taken then."""
    line = f"pull w0<0; pull w1<0; {FB}; push g1>0; push g0>0"
    made = schedule(["; ".join([f"serve {mode}"] * 4), line, line], ((), (4,), (3,)), chunks(TINY, 2))
    assert validate(made) == validate(made, 1) == ()
    assert outcomes(made) == {"right"}


def test_weights_that_are_pulled_a_step_too_late():
    line = f"{FB}; pull w0<0; push g0>0"
    late = schedule(["serve sync; serve sync", line, line], ((), (4,), (3,)))
    fault = first(late)
    assert (fault.rank, fault.step, fault.position) == (1, 1, 0)
    assert "the weights of fc1 to fc3 have seen 0 of 1 updates" in fault.message
    assert outcomes(late) == {"wrong"}
    assert validate(schedule(["serve async; serve async", line, line], ((), (4,), (3,)))) == ()
