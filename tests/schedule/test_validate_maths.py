"""Schedules that run but are not SGD on the global batch: what `validate` says of each."""

import pytest
from schedule_cases import (
    END,
    TINY,
    all_reduced,
    chunked,
    error_averaged,
    master,
    overlapped,
    schedule,
    single,
    star,
    with_program,
)

from labkit.network import Dense, Flatten, ReLU, Softmax, chain
from labkit.schedule import Fault, parse, validate
from labkit.schedule.pieces import arrays, chunks, whole
from labkit.schedule.schedule import program

FB = f"F0:{END}; B0:{END}"


def faults(made, steps: int = 2) -> list[Fault]:
    found = validate(made, steps)
    assert all(fault.kind == "maths" for fault in found), found
    return list(found)


def first(made) -> Fault:
    return faults(made)[0]


def on_all(made, text: str, *instead: str):
    """The same with one instruction of every rank replaced."""
    for rank in range(made.size):
        line = [new for i in made.ranks[rank] for new in (map(parse, instead) if str(i) == text else [i])]
        made = with_program(made, rank, line)
    return made


@pytest.mark.parametrize(
    ("line", "position", "message"),
    [
        (f"F0:2; F3:{END}; B0:{END}; U0:{END}", 1, "FP of micro-batch 0 skips the layers 2:3 — put 'F2:3' before it"),
        (f"F0:3; F2:{END}; B0:{END}; U0:{END}", 1, "FP of micro-batch 0 has come to layer 3, and goes back to layer 2"),
        (f"F0:{END}; F0:{END}; B0:{END}; U0:{END}", 1, "FP of micro-batch 0 is over, and goes back to layer 0"),
        (f"F0:{END}; B3:{END}; B0:2; U0:{END}", 2, "BP of micro-batch 0 skips the layers 2:3; it goes from the last"),
        (f"F0:{END}; B3:{END}; B0:4; U0:{END}", 2, "has gone down to layer 3, and goes back up to layer 3"),
        (f"F0:3; B0:{END}; U0:{END}", 1, "begins before its FP has done the layers 3:5 — put 'F3:5' before it"),
        (f"B0:{END}; F0:{END}; U0:{END}", 0, "begins before its FP has done the layers 0:5 — put 'F0:5' before it"),
        (f"F0:{END}; U0:{END}", 0, "micro-batch 0 is never back-propagated — add 'B0:5' after their FP"),
        (f"F0:{END}; B2:{END}; U0:{END}", 1, "BP of micro-batch 0 ends above the layers 0:2 — add 'B0:2'"),
        ("F0:3", 0, "micro-batch 0 never goes through the layers 3:5 — add 'F3:5', and BP"),
        ("", 0, "micro-batch 0 never goes through the layers 0:5 — add 'F0:5', and BP"),
    ],
)
def test_the_order_of_the_passes(line, position, message):
    found = [fault for fault in faults(schedule([line])) if message in fault.message]
    assert [(fault.rank, fault.position, fault.step) for fault in found] == [(0, position, 0)]


def test_micro_batches_are_told_apart():
    made = schedule([f"F0:{END}; F0:{END}#1; B0:{END}#1; U0:{END}"], micro_batches=2)
    found = faults(made)
    assert "micro-batch 0 is never back-propagated" in found[0].message
    assert "the gradients of fc1 to fc3 lack the samples of micro-batch 0 of rank 0 — put it after the last B" in (
        found[1].message
    )
    swapped = schedule([f"F0:{END}; F0:{END}#1; B0:{END}#1; B0:{END}; U0:{END}"], micro_batches=2)
    assert validate(swapped) == ()


def test_layers_below_the_first_weights_need_no_back_propagation():
    network = chain("late", (1, 2, 2), {"flat": Flatten(), "relu": ReLU(), "fc": Dense(3), "softmax": Softmax()})
    assert validate(schedule(["F0:4; B2:4; U0:4"], network=network)) == ()
    assert "ends above the layers 2:3" in first(schedule(["F0:4; B3:4; U0:4"], network=network)).message


def test_gradients_that_are_not_summed():
    fault = first(on_all(all_reduced(3), "allreduce g0 ring"))
    assert (fault.rank, fault.position, fault.step) == (0, 2, 0)
    assert fault.message == (
        "rank 0, step 0, instruction 2 (U0:5): the gradients of fc1 to fc3 contain the samples of rank 0 only and lack "
        "those of ranks 1 and 2 — sum the gradients of all ranks before it, as in 'allreduce g0 ring'"
    )
    assert len(faults(on_all(all_reduced(3), "allreduce g0 ring"))) == 3


def test_gradients_that_are_summed_twice():
    fault = first(on_all(all_reduced(4), "allreduce g0 ring", "allreduce g0 ring", "allreduce g0 ring"))
    assert "contain the samples of ranks 0 to 3 4 times — sum the gradients of all ranks once" in fault.message


def test_gradients_of_one_rank_that_come_twice_and_of_another_that_never_come():
    line = program([f"{FB}; recv g0<1 +; recv g0<1 +; U0:{END}; send w0>1; send w0>2"])
    made = with_program(star(), 0, line)
    made = with_program(made, 1, program([f"{FB}; send g0>0; send g0>0; recv w0<0"]))
    made = with_program(made, 2, program([f"{FB}; recv w0<0"]))
    assert "contain the samples of rank 1 twice and lack those of rank 2" in first(made).message


def test_gradients_that_replace_those_there():
    fault = first(on_all(star(), "recv g0<1 +", "recv g0<1"))
    assert "lack the samples of rank 0 — put it after the last B of these layers" in fault.message


def test_one_bucket_that_does_not_travel():
    fault = first(on_all(overlapped(), "allreduce g1 ring &"))
    assert str(overlapped().ranks[0][fault.position + 1]) == "U w1"
    assert "the gradients of fc2 contain the samples of rank 0 only" in fault.message


def test_an_update_before_the_last_micro_batch():
    made = schedule([f"{FB}; U0:{END}; F0:{END}#1; B0:{END}#1"], micro_batches=2)
    assert "lack the samples of micro-batch 1 of rank 0 — put it after the last B" in first(made).message


def test_an_update_before_anything():
    early, late = faults(schedule([f"U0:{END}; {FB}"]))
    assert "there are no gradients of fc1 to fc3 yet — put B, and what sums" in early.message
    assert "the weights of fc1 to fc3 are already those of step 1 — let them come after this step's FP" in late.message


def test_gradients_of_the_step_before():
    made = schedule([f"{FB}; recv g0<1 +; U0:{END}; send w0>1", "send g0>0; recv w0<0"], ((7,), ()))
    assert validate(made) == ()  # rank 1 has none: it gives zeros
    kept = schedule([f"{FB}; allreduce g0 ring; U0:{END}; send w0>1", "allreduce g0 ring; recv w0<0"], ((7,), ()))
    fault = first(kept)
    assert (fault.rank, fault.step) == (0, 1)
    assert "still contain samples of step 0 — let B of these layers begin anew in every step" in fault.message


def test_what_a_reduce_leaves_behind_is_of_no_use():
    made = schedule([f"{FB}; reduce g0>0 tree; U0:{END}"] * 3)
    fault = first(made)
    assert fault.rank == 1 and "contain what a reduce leaves on ranks other than its root" in fault.message


def test_an_update_that_is_done_twice():
    fault = first(on_all(all_reduced(2), f"U0:{END}", f"U0:{END}", f"U0:{END}"))
    assert (fault.rank, fault.position) == (0, 4)
    assert "the weights of fc1 to fc3 have been updated in this step already — leave it out" in fault.message


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_layers_that_nobody_updates(steps):
    (fault, *_) = faults(on_all(all_reduced(2), f"U0:{END}", "U0:2"), steps)
    assert (fault.rank, fault.step) == (0, min(steps, 2) - 1)
    assert "nobody updates the weights of fc2 to fc3: no U, no push to a server — update every layer" in fault.message


def test_a_rank_that_does_not_get_the_new_weights():
    made = master(4, "linear")
    kept = with_program(made, 3, made.ranks[3][:-1])
    lines = [[i for i in program if i.op != "bcast"] for program in kept.ranks]
    for rank in range(4):
        kept = with_program(kept, rank, lines[rank] + list(map(parse, ("send w0>1", "send w0>2") if rank == 0 else ())))
        kept = with_program(kept, rank, [*kept.ranks[rank], *map(parse, ("recv w0<0",) if rank in (1, 2) else ())])
    fault = first(kept)
    assert (fault.rank, fault.step, fault.position) == (3, 1, 0)
    assert "the weights of fc1 to fc3 have seen 0 of 1 updates: other ranks are ahead of this one" in fault.message


def test_weights_that_change_between_fp_and_bp():
    made = schedule([f"F0:{END}; B3:{END}; U3:{END}; B0:3; U0:3"])
    assert validate(made) == ()  # each layer is updated after its own BP
    made = schedule([f"F0:{END}#1; {FB}; U0:{END}; B0:{END}#1"], micro_batches=2)
    assert any("have changed since this micro-batch's FP — let them change" in fault.message for fault in faults(made))


def test_an_update_of_weights_that_are_too_old():
    made = schedule([f"{FB}; recv w0<1; U0:{END}", "send w0>0"], ((7,), ()))
    (fault,) = faults(made)
    assert (fault.rank, fault.position, fault.step) == (0, 3, 1)
    assert "the weights of fc1 to fc3 here have seen 0 of 1 updates — give this rank the weights of the step" in (
        fault.message
    )


def test_weights_that_come_too_early():
    made = schedule([f"F0:2; U0:2; F2:{END}; B0:{END}; U2:{END}"])
    assert "there are no gradients of fc1 yet" in first(made).message
    lines = [f"{FB}; swap g0<>1 +; U0:{END}; send w0>1", f"recv w0<0; {FB}; swap g0<>0 +; U0:{END}"]
    assert {fault.kind for fault in validate(schedule(lines))} == {"hang"}


def test_two_ranks_may_update_a_half_each():
    half = f"{FB}; allreduce g0 ring; "
    swapped = "; bcast w1<0 tree; bcast w2<1 tree"
    pieces = (*whole(TINY), *chunks(TINY, 2))
    assert validate(schedule([f"{half}U w{1 + rank}{swapped}" for rank in range(2)], pieces=pieces)) == ()


def test_weights_are_never_added():
    fault = first(on_all(star(), "recv w0<0", "recv w0<0 +"))
    assert "weights are added up — add up gradients; weights only replace weights" in fault.message
    made = schedule([f"{FB}; allreduce g0 ring; U0:{END}; allreduce w0 ring"] * 2)
    assert [fault.position for fault in faults(made)] == [4, 4]


@pytest.mark.parametrize("ranks", [2, 5])
def test_the_shortcut_of_averaged_errors_is_not_sgd(ranks):
    found = faults(error_averaged(ranks))
    assert (found[0].rank, found[0].position, found[0].step) == (0, 2, 0)
    assert "the gradients contain the activations of rank 0 only" in found[0].message
    assert "let every rank do its own BP, and sum gradients, as in 'reduce g0>0 linear'" in found[0].message
    assert [fault.rank for fault in found if "never back-propagated" in fault.message] == [*range(1, ranks)]
    lacking = [fault for fault in found if f"U0:{END}" in fault.message]
    assert len(lacking) == 1
    assert all("contain the samples of rank 0 only and lack those of rank" in fault.message for fault in lacking)


def test_errors_may_be_collected_once_they_have_done_their_work():
    line = f"{FB}; reduce e>0 tree; allreduce g0 ring; U0:{END}"
    assert validate(schedule([line] * 3)) == ()
    assert validate(error_averaged(1)) == ()  # no message, no mixing
    sent = schedule([f"F0:{END}; recv e<1; B0:{END}; swap g0<>1 +; U0:{END}",
                     f"F0:{END}; send e>0; B0:{END}; swap g0<>0 +; U0:{END}"])  # fmt: skip
    assert [(fault.rank, fault.position) for fault in faults(sent)] == [(0, 2), (1, 2)]


def test_ranks_without_samples_give_zeros():
    assert validate(all_reduced(5, "ring", batch=2)) == ()
    assert validate(chunked(4, batch=1)) == ()
    idle = with_program(all_reduced(3, batch=2), 0, program([f"allreduce g0 ring; U0:{END}"]))
    assert idle.shares[0] == (0,)
    assert "still contain samples of step 0" in first(idle).message  # B would have made its gradients zero again


def test_names_of_layers_in_messages():
    pieces = arrays(TINY)
    made = schedule([f"{FB}; allreduce g0 ring; allreduce g1 ring; allreduce g4 ring; allreduce g5 ring; U0:{END}"] * 2,
                    pieces=pieces)  # fmt: skip
    assert "the gradients of fc2 contain the samples" in first(made).message
    made = schedule([f"{FB}; allreduce g2 ring; allreduce g3 ring; U0:{END}"] * 2, pieces=pieces)
    assert "the gradients of fc1 and fc3 contain the samples" in first(made).message


def test_one_mistake_is_named_once_whatever_the_number_of_steps():
    made = on_all(all_reduced(3), "allreduce g0 ring")
    assert len(validate(made, 2)) == len(validate(made, 7)) == 3
    assert validate(single(2), 7) == ()
