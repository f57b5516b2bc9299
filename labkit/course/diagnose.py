"""The likeliest misconception behind a wrong answer: a known wrong solution that agrees, or a telling pattern."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from labkit.course.compare import Difference, Told, difference
from labkit.course.exercise import Case, Exercise, WrongSolution


@dataclass(frozen=True)
class Trial:
    """One case with what came, what was expected, and the first difference (None where they agree)."""

    case: Case
    got: Any
    expected: Any
    difference: Difference | None


def recognise(exercise: Exercise, trials: Sequence[Trial]) -> WrongSolution | None:
    """The wrong solution that explains every failing trial; of several, the one that agrees with most of the answers.

    A wrong solution explains a trial if it gives the learner's value in the part that first differs, so that a mistake
    in one of several returned values is recognised although the others are right.
    """
    failing = [trial for trial in trials if trial.difference]
    scored = []
    for wrong in exercise.wrong:
        if all(_explains(exercise, wrong, trial) for trial in failing):
            agreeing = sum(_agrees(exercise, wrong, trial, None) for trial in trials)
            scored.append((agreeing, wrong))
    return max(scored, key=lambda pair: pair[0])[1] if scored else None


def _explains(exercise: Exercise, wrong: WrongSolution, trial: Trial) -> bool:
    return _agrees(exercise, wrong, trial, trial.difference.part if trial.difference else None)


def _agrees(exercise: Exercise, wrong: WrongSolution, trial: Trial, part: int | str | None) -> bool:
    try:
        predicted = exercise.outcome(wrong.function, deepcopy(trial.case.args))
    except Exception:  # a wrong solution may fail on an input that the learner's survives: then it is not the same
        return False
    got = trial.got
    if part is not None:
        try:
            predicted, got = predicted[part], got[part]
        except (TypeError, KeyError, IndexError):
            return False
    return difference(got, predicted, exercise.tolerance) is None


def pattern(trials: Sequence[Trial]) -> str:
    """A sentence on a pattern that all failing numbers share (sign, constant factor, transposition), or a plain one."""
    if all(trial.got is None for trial in trials):
        return "The function returns nothing. `print` only shows a value; `return` hands it over."
    if all(isinstance(trial.got, str) and not isinstance(trial.expected, str) for trial in trials):
        return "The result is text. A number in quotes is no number: leave out `str` and the quotes."
    advice = next((_advice(trial) for trial in trials if trial.difference), "")
    if advice:
        return advice
    pairs = [_numbers(trial) for trial in trials if trial.difference]
    if all(pair is not None for pair in pairs):
        if all(np.all(~np.isfinite(got)) for got, _ in pairs):
            return (
                "The result is not finite: look for a division by zero, or a logarithm or power of a negative number."
            )
        if all(got.ndim == 2 and got.shape == want.T.shape and np.allclose(got, want.T) for got, want in pairs):
            return "The result is the transpose of the expected one: rows and columns have changed places."
        if all(got.shape == want.shape for got, want in pairs):
            ratio = _common_ratio(pairs)
            if ratio is not None:
                sign = (
                    "the sign is wrong" if np.isclose(ratio, -1) else f"it is off by a constant factor of {ratio:.4g}"
                )
                return f"The result has the right pattern, but {sign}."
    if sum(trial.difference is None for trial in trials):
        right = next(trial for trial in trials if trial.difference is None)
        return f"It is right for some inputs ({right.case.label}), so the idea may stand and a special case be missing."
    return "None of the mistakes that this check knows gives the same answer."


def _advice(trial: Trial) -> str:
    """What the part that first differs says about itself, if it does."""
    try:
        value = trial.got if trial.difference.part is None else trial.got[trial.difference.part]
    except (TypeError, KeyError, IndexError):
        return ""
    return value.advice if isinstance(value, Told) else ""


def _numbers(trial: Trial) -> tuple[np.ndarray, np.ndarray] | None:
    """Learner's and expected array of the part that first differs, as floats; None if they are no numbers."""
    got, want, part = trial.got, trial.expected, trial.difference.part
    try:
        if part is not None:
            got, want = got[part], want[part]
        return np.asarray(got, dtype=float), np.asarray(want, dtype=float)
    except (TypeError, ValueError, KeyError, IndexError):
        return None


def _common_ratio(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> float | None:
    got = np.concatenate([pair[0].ravel() for pair in pairs])
    want = np.concatenate([pair[1].ravel() for pair in pairs])
    norm = float(want @ want)
    if norm == 0 or not np.all(np.isfinite(got)):
        return None
    ratio = float(got @ want) / norm
    return ratio if ratio != 0 and np.allclose(got, ratio * want, rtol=1e-5) else None
