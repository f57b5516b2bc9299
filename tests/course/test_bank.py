"""The bank of wrong solutions: stubs, references, mistakes and noise, each has to get the verdict it deserves."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from labkit.course import bank
from labkit.course.checks import examine
from labkit.course.compare import Told, difference
from labkit.course.exercise import Exercise
from labkit.course.verdict import NOT_ATTEMPTED, OVER_PAR, RIGHT, WRONG
from labkit.errors import LabError

EXERCISES = tuple(bank.exercises().values())
each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.id)
TIMEOUT_S = 60.0  # nothing is timed here; only a hang has to end


def noisy(value, size):
    """`value` with its last number moved by `size` of its largest one, or by 1 if it is an integer; names lose one."""
    if isinstance(value, Told):
        return value
    if isinstance(value, tuple):
        return (*value[:-1], noisy(value[-1], size))
    if isinstance(value, set):
        return value ^ {"A"}
    if isinstance(value, dict):
        return value | {next(iter(value)): "another"}
    array = np.array(value)
    if array.dtype.kind in "iu":
        return type(value)(value + 1)
    array.flat[-1] += size * np.max(np.abs(array))
    return array if array.shape else float(array)


def changed(exercise: Exercise, change: Callable[[Any], Any]) -> tuple[Exercise, Callable]:
    """An exercise and an answer whose outcome is `change` of what the reference's is."""
    if exercise.run is None:
        return exercise, lambda *args: change(exercise.reference(*args))
    return replace(exercise, run=lambda answer, args: change(exercise.run(answer, args))), exercise.reference


def test_the_bank_covers_the_notebooks():
    assert {
        "weight-bytes",
        "conv-output-size",
        "two-layer-backward",
        "gradient-check",
        "largest-learning-rate",
        "grouped-conv-cost",
        "training-memory",
        "break-even-batch",
        "first-kernel",
        "data-mapping",
        "model-mapping",
        "hybrid-mapping",
        "mend-race",
        "mend-outside",
        "waves",
        "overtakes",
        "conv-loads",
        "best-mapping",
        "greedy-placement",
        "staleness-of",
        "ssp-bound",
        "net-pins",
        "plan-volume",
        "fm-gain",
        "layer-cuts",
        "residual-plan",
        "shard-gradient",
        "ring-allreduce",
        "overlap-buckets",
    } <= set(bank.exercises())
    assert {"00", "01", "02", "03", "04", "05", "06", "07", "11", "12"} <= set(bank.quizzes())


@each_exercise
def test_a_stub_is_not_attempted(exercise):
    def stub(*args):
        raise NotImplementedError("write this part")

    returning = () if exercise.run else (lambda *args: ..., lambda *args: (..., 1))  # a kernel returns nothing
    for blank in (stub, ..., *returning):
        verdict = examine(exercise, blank, TIMEOUT_S)
        assert verdict.status == NOT_ATTEMPTED
        assert not verdict


@each_exercise
def test_the_reference_is_right(exercise):
    verdict = examine(exercise, exercise.reference, TIMEOUT_S)
    assert verdict.status == RIGHT, repr(verdict)


@each_exercise
def test_the_reference_is_right_with_margin(exercise):
    """Rounding that a different order of additions leaves behind passes, and par is not reached by far."""

    def rounded(value):
        return value if _exact(value) else noisy(value, 0.1 * exercise.tolerance)

    assert examine(*changed(exercise, rounded), TIMEOUT_S).status == RIGHT
    if exercise.par:
        case = exercise.par.case(np.random.default_rng(0))
        limit = exercise.par.slack * exercise.par.bound(case.args)
        assert exercise.par.cost(exercise.reference, case.args) <= 0.8 * limit


def _exact(value):
    last = value[-1] if isinstance(value, tuple) else value
    return isinstance(last, set | dict) or np.asarray(last).dtype.kind in "iu"


@each_exercise
def test_noise_above_the_tolerance_is_caught(exercise):
    verdict = examine(*changed(exercise, lambda value: noisy(value, 10 * exercise.tolerance)), TIMEOUT_S)
    assert verdict.status == WRONG


@each_exercise
def test_noise_in_a_single_case_is_caught(exercise):
    """Every case counts, not only the first: wrong for the last one is wrong."""
    last = len(list(exercise.cases(np.random.default_rng(0))))
    calls = []

    def late(value):
        calls.append(1)
        return noisy(value, 10 * exercise.tolerance) if len(calls) == last else value

    assert examine(*changed(exercise, late), TIMEOUT_S).status == WRONG


def test_every_wrong_solution_is_rejected_and_named(capsys):
    survived, total = [], 0
    for exercise in EXERCISES:
        for wrong in exercise.wrong:
            total += 1
            verdict = examine(exercise, wrong.function, TIMEOUT_S)
            told = verdict.mistake == wrong.name and verdict.misconception == wrong.misconception
            if verdict.status != WRONG or not told or not verdict.next_step:
                survived.append((exercise.id, wrong.name, verdict.status, verdict.mistake))
    with capsys.disabled():
        print(f"\nkill rate: {total - len(survived)}/{total}")
    assert not survived
    assert total >= 3 * len(EXERCISES)


@each_exercise
def test_cases_are_the_same_every_time_and_differ_from_each_other(exercise):
    first, second = (exercise.cases(np.random.default_rng(3)) for _ in range(2))
    expected = [[exercise.expected(case.args) for case in cases] for cases in (first, second)]
    assert all(difference(a, b, 0.0) is None for a, b in zip(*expected, strict=True))
    assert len({case.label for case in first}) > 1


def test_two_layer_backward_over_par():
    """Keeping every sample's own gradient gives the right mean and far too much memory."""

    def per_sample(X, T, W1, b1, W2, b2):
        h = np.tanh(X @ W1.T + b1)
        dy = h @ W2.T + b2 - T
        dz = (dy @ W2) * (1 - h**2)
        dW1, dW2 = np.einsum("nk,nc->nkc", dz, X), np.einsum("nk,nc->nkc", dy, h)
        return dW1.mean(0), dz.mean(0), dW2.mean(0), dy.mean(0)

    verdict = examine(bank.exercise("two-layer-backward"), per_sample, TIMEOUT_S)
    assert verdict.status == OVER_PAR
    assert verdict.passed
    assert "peak memory" in verdict.expected
    assert "bytes" in verdict.came


def test_gradient_check_over_par():
    """Estimating the same gradient again for every candidate is right and wasteful."""
    exercise = bank.exercise("gradient-check")

    def again(loss, candidates, x, w, b):
        return {name for name in candidates if exercise.reference(loss, {name: candidates[name]}, x, w, b)}

    verdict = examine(exercise, again, TIMEOUT_S)
    assert verdict.status == OVER_PAR
    assert "MAC" in verdict.came


def test_an_unknown_id_names_the_closest_one():
    with pytest.raises(LabError, match="conv-output-size"):
        bank.exercise("conv-output-sise")
    with pytest.raises(LabError, match="01"):
        bank.quiz_of("99")
