"""Right schedules with one or two mistakes in them: `validate` finds each, or numbers show that it is none."""

from dataclasses import replace

import pytest
from float_execution import Run, outcomes
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from schedule_cases import END, error_averaged, right_schedules

from labkit.errors import LabError
from labkit.schedule import Schedule
from labkit.schedule.validate import validate

RIGHT = right_schedules()
HOWS = ("", "+", "ring", "tree", "linear", "mpi", "sync", "async", "ssp1")
# Of work that is done again for nothing, or for no samples, the weights are right all the same.
WASTE = ("goes back", "before its FP", "never goes through", "already", "are kept by", "no gradients")


@pytest.mark.parametrize("name", RIGHT)
def test_right_schedules_are_right(name):
    assert validate(RIGHT[name]) == ()
    assert outcomes(RIGHT[name]) == {"right"}


def test_the_shortcut_ends_in_other_weights():
    assert outcomes(error_averaged()) == {"wrong"}


@st.composite
def mutants(draw, schedule: Schedule) -> Schedule:
    """One instruction of one rank, or of all, that is removed, doubled, moved, swapped with another or changed."""
    ranks = [list(program) for program in schedule.ranks]
    rank = draw(st.sampled_from([r for r, program in enumerate(ranks) if program]))
    n, m = (draw(st.integers(0, len(ranks[rank]) - 1)) for _ in range(2))
    old, other = ranks[rank][n], draw(variants(schedule, ranks[rank][n]))
    what = draw(st.sampled_from(["remove", "double", "move", "swap", "change"]))
    everywhere = draw(st.booleans())
    event(f"{what} {'on all ranks' if everywhere else 'on one rank'}")
    for program in ranks if everywhere else [ranks[rank]]:
        if max(n, m) >= len(program) or program[n] != old:
            continue
        if what == "swap":
            program[n], program[m] = program[m], program[n]
        elif what == "change":
            program[n] = other
        else:
            program.pop(n) if what != "double" else None
            program[m:m] = [] if what == "remove" else [old]
    return Schedule(schedule.scheme, schedule.network, schedule.shares, schedule.pieces, tuple(map(tuple, ranks)))


@st.composite
def variants(draw, schedule: Schedule, i):
    """An instruction that differs from i in one field; i itself where it cannot."""
    first = draw(st.integers(0, END - 1))
    field, value = draw(
        st.sampled_from(
            [
                ("layers", (first, draw(st.integers(first + 1, END)))),
                ("micro", draw(st.integers(0, 2))),
                ("piece", draw(st.integers(0, len(schedule.pieces) - 1))),
                ("peer", draw(st.integers(0, schedule.size - 1))),
                ("how", draw(st.sampled_from(HOWS))),
                ("item", "w" if i.item == "g" else "g"),
                ("background", not i.background),
            ]
        )
    )
    try:
        return replace(i, **{field: value})
    except LabError:
        return i


@pytest.mark.parametrize("name", RIGHT)
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.data())
def test_every_mistake_is_found_or_is_none(name, data):
    try:
        mutant = data.draw(mutants(RIGHT[name]))
        mutant = data.draw(mutants(mutant)) if data.draw(st.booleans()) else mutant
    except LabError:  # a schedule that cannot even be written down
        return
    faults = validate(mutant)
    if not faults:
        assert outcomes(mutant) == {"right"}, str(mutant)
    elif faults[0].kind == "maths" and not any(word in f.message for f in faults for word in WASTE):
        assert "right" not in outcomes(mutant), f"{mutant}\n{faults[0]}"


def test_the_second_opinion_sees_hangs_and_races():
    ring = RIGHT["overlapped"]
    without_wait = tuple(tuple(i for i in program if i.op != "wait") for program in ring.ranks)
    raced = Schedule(ring.scheme, ring.network, ring.shares, ring.pieces, without_wait)
    assert "wrong" in {Run(raced, 2, seed).outcome for seed in range(5)}
    alone = Schedule(ring.scheme, ring.network, ring.shares, ring.pieces, (ring.ranks[0][:3], *ring.ranks[1:]))
    assert outcomes(alone) == {"hang"}
