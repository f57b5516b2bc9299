"""Notebook 04: the batch from which on one mapping is faster than another."""

import numpy as np

from labkit.course.exercise import Case, Exercise, WrongSolution


def overtakes(a, b):
    """The smallest batch from which on `a` takes less time than `b` at every batch of the table; 0 if never."""
    found = 0
    for batch in sorted(a, reverse=True):
        if a[batch] >= b[batch]:
            break
        found = batch
    return found


def cases(rng: np.random.Generator) -> list[Case]:
    """Curves that cross once, never, at the first batch, or several times; tables in any order."""
    made = []
    for signs, label in (
        ("----++++", "curves that cross once"),
        ("++++++++", "a curve that is always below"),
        ("--------", "a curve that is never below"),
        ("--+-++-+", "curves that cross several times"),
        ("++++---+", "curves that cross back at the last batch"),
        ("-+++++--", "a lead that is lost again"),
        ("--0+++++", "curves that touch"),
    ):
        batches = [1, 2, 4, 8, 16, 32, 64, 128]
        b = {batch: float(rng.uniform(5, 9)) for batch in batches}
        step = {"+": -1.0, "-": 1.0, "0": 0.0}
        a = {n: b[n] + step[sign] * float(rng.uniform(0.1, 4)) for n, sign in zip(batches, signs, strict=True)}
        order = [int(n) for n in rng.permutation(batches)]
        made.append(Case(({n: a[n] for n in order}, {n: b[n] for n in order[::-1]}), label))
    return made


def _first_time_below(a, b):
    return next((batch for batch in sorted(a) if a[batch] < b[batch]), 0)


def _order_of_the_table(a, b):
    found = 0
    for batch in reversed(list(a)):
        if a[batch] >= b[batch]:
            break
        found = batch
    return found


def _last_time_above(a, b):
    above = [batch for batch in a if a[batch] >= b[batch]]
    return max(above, default=0)


def _other_way_round(a, b):
    return overtakes(b, a)


def _any_lead(a, b):
    return min((batch for batch in a if a[batch] < b[batch]), default=0) if a[max(a)] < b[max(a)] else 0


def _largest_when_never(a, b):
    return overtakes(a, b) or max(a)


EXERCISE = Exercise(
    id="overtakes",
    title="Where one curve overtakes another",
    prompt=(
        "Write `overtakes(a, b)`: a and b map batch sizes to seconds (the same batches, in any order). Return the "
        "smallest batch from which on `a` takes less time than `b`, at this and at every larger batch of the table. "
        "Return 0 if `a` is not ahead at the end."
    ),
    reference=overtakes,
    cases=cases,
    wrong=(
        WrongSolution(
            "first time below",
            _first_time_below,
            "You return the first batch at which `a` is ahead. Curves may cross again: from there on it has to stay "
            "ahead.",
            "Look from the largest batch downwards.",
        ),
        WrongSolution(
            "order of the table",
            _order_of_the_table,
            "You take the batches in the order of the table, which may be any.",
            "Sort them first.",
        ),
        WrongSolution(
            "last batch behind",
            _last_time_above,
            "You return the last batch at which `a` is behind. Asked is the one after it.",
            "Which batch comes next?",
        ),
        WrongSolution(
            "the other way round",
            _other_way_round,
            "You return where b overtakes a.",
            "Less time is faster: a[batch] < b[batch].",
        ),
        WrongSolution(
            "ahead at the end and once before",
            _any_lead,
            "You look at the first lead and at the end. In between `a` may have fallen behind again.",
            "Look from the largest batch downwards until `a` is not ahead any more.",
        ),
        WrongSolution(
            "largest batch for never",
            _largest_when_never,
            "Where `a` is never ahead to the end you return the largest batch. Return 0.",
            "Begin with 0, and replace it while `a` is ahead.",
        ),
    ),
    hints=(
        "Sort the batches and go from the largest to the smallest.",
        "As long as a[batch] < b[batch] that batch is a candidate; stop at the first where it is not.",
    ),
    next_step="Draw two curves that cross three times, and mark the batch that is asked for.",
)
