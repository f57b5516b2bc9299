"""`check`: runs the learner's function on hostile inputs and answers in four parts; `record` lists what was checked.

The verdict is only ever about the function that was handed over: it gets its own copy of every input, under a time
limit, and the reference is called separately to say what was expected.
"""

import json
import linecache
import os
import traceback
import zlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np

from labkit.course import bank, store
from labkit.course.compare import difference
from labkit.course.diagnose import Trial, pattern, recognise
from labkit.course.exercise import Case, Exercise, is_stub_value
from labkit.course.limited import OutOfTime, call_limited
from labkit.course.records import Ledger, Progress
from labkit.course.units import spell
from labkit.course.verdict import NOT_ATTEMPTED, OVER_PAR, RAISED, RIGHT, WRONG, Verdict
from labkit.errors import LabError

_record: list[Verdict] = []


def check(id: str, answer: Callable, *, timeout_s: float | None = None) -> Verdict:
    """Check the learner's function `answer` for exercise `id`; each case may take `timeout_s` seconds (5 if not given,
    longer where kernels are compiled).

    The inputs are drawn from a seed that depends on the exercise only, so a check gives the same verdict every time.
    Never raises for anything the learner's code does, but for one case: while nbgrader grades or validates, every
    verdict short of right raises LabError, since nbgrader gives all points to a cell that ends without an error.
    Raises LabError for an exercise that is not known.
    """
    verdict = examine(bank.exercise(id), answer, timeout_s)
    _record.append(verdict)
    _log(verdict)
    if verdict.status != NOT_ATTEMPTED:
        store.update(lambda ledger: _with_attempt(ledger, verdict))
    if store.graded() and not verdict.passed:
        raise LabError(str(verdict))
    return verdict


def record() -> tuple[Verdict, ...]:
    """Every verdict of this session, in order."""
    return tuple(_record)


def examine(exercise: Exercise, answer: Any, timeout_s: float | None = None) -> Verdict:
    """The verdict on `answer`, with nothing recorded."""
    timeout_s = exercise.timeout_s if timeout_s is None else timeout_s
    verdict = Verdict(exercise.id, exercise.title, NOT_ATTEMPTED, next_step=_first_steps(exercise))
    if is_stub_value(answer):
        return verdict
    if not callable(answer):
        return replace(
            verdict,
            status=WRONG,
            expected="the function itself",
            came=f"a value of type {type(answer).__name__}",
            misconception="The function was called before it was handed over.",
            next_step=f"Hand over the name without parentheses: `check({exercise.id!r}, your_function)`.",
        )
    trials = []
    for case in exercise.cases(seeded(exercise)):
        if case.late and any(trial.difference for trial in trials):
            break
        outcome = _attempt(exercise, answer, case, timeout_s, first=not trials)
        if isinstance(outcome, Verdict):
            return outcome
        trials.append(outcome)
    if any(trial.difference for trial in trials):
        return _wrong(exercise, trials)
    return _par(exercise, answer, verdict, timeout_s)


def seeded(exercise: Exercise) -> np.random.Generator:
    """The random numbers of an exercise: the same on every machine and in every session."""
    return np.random.default_rng(zlib.crc32(exercise.id.encode()))


def _attempt(exercise: Exercise, answer: Callable, case: Case, timeout_s: float, first: bool) -> Trial | Verdict:
    """One case: a trial, or the verdict that ends the check at once."""
    expected = exercise.expected(deepcopy(case.args))
    verdict = Verdict(exercise.id, exercise.title, RAISED, expected=f"a result for {case.label}")
    try:
        got = call_limited(exercise.outcome, (answer, deepcopy(case.args)), timeout_s)
    except OutOfTime:
        return replace(
            verdict,
            came=f"no result within {timeout_s:g} s",
            misconception="A loop whose end is never reached, or far more work than is needed.",
            next_step="Look at what changes in each round of your loops, and whether it reaches the end.",
        )
    except Exception as error:
        if first and isinstance(error, NotImplementedError):
            return replace(verdict, status=NOT_ATTEMPTED, expected="", next_step=_first_steps(exercise))
        return replace(
            verdict,
            came=_own_line(answer, error),
            misconception=_about_error(error),
            next_step=f"Call your function on {case.label}, and look at the line that is named above.",
        )
    if first and is_stub_value(got):
        return replace(verdict, status=NOT_ATTEMPTED, expected="", next_step=_first_steps(exercise))
    return Trial(case, got, expected, difference(got, expected, exercise.tolerance, exercise.parts))


def _wrong(exercise: Exercise, trials: list[Trial]) -> Verdict:
    first = next(trial for trial in trials if trial.difference)
    known = recognise(exercise, trials)
    return Verdict(
        exercise.id,
        exercise.title,
        WRONG,
        expected=f"{first.difference.where} = {first.difference.expected}, for {first.case.label}",
        came=f"{first.difference.where} = {first.difference.came}",
        misconception=known.misconception if known else pattern(trials),
        next_step=(known.next_step if known else "") or exercise.next_step,
        mistake=known.name if known else "",
    )


def _par(exercise: Exercise, answer: Callable, verdict: Verdict, timeout_s: float) -> Verdict:
    """Right, or right but over par. A function that is too slow to be measured is over par as well."""
    right = replace(verdict, status=RIGHT, next_step="")
    if exercise.par is None:
        return right
    par = exercise.par
    case = par.case(seeded(exercise))
    limit = par.slack * par.bound(case.args)
    try:
        cost = call_limited(par.cost, (answer, deepcopy(case.args)), timeout_s)
        spent = spell(cost, par.unit)
    except OutOfTime:
        cost, spent = float("inf"), f"not measured: no result within {timeout_s:g} s"
    bound = f"{par.what}: at most {spell(limit, par.unit)} for {case.label} ({par.why})"
    if cost <= limit:
        return replace(right, expected=bound, came=f"{par.what}: {spent}")
    return replace(right, status=OVER_PAR, expected=bound, came=f"{par.what}: {spent}", next_step=par.advice)


def _first_steps(exercise: Exercise) -> str:
    return f"Write the missing part, then run this cell again; `hint({exercise.id!r})` helps with the start."


def _own_line(answer: Callable, error: Exception) -> str:
    """The error, with the last line of the learner's own file or cell that led to it."""
    said = str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
    own = getattr(getattr(answer, "__code__", None), "co_filename", None)
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == own]
    if not lines:
        return said
    source = (lines[-1].line or linecache.getline(own, lines[-1].lineno or 0)).strip()
    return f"{said}, in line {lines[-1].lineno} of your cell: `{source}`"


def _about_error(error: Exception) -> str:
    if isinstance(error, LabError):
        return "This cannot run as it is; the message says why, and what to do instead."
    if isinstance(error, TypeError) and "argument" in str(error):
        return "The parameters of your function differ from the ones that the exercise names."
    if isinstance(error, NameError):
        return "A name is used that nothing defines: look for a typing error, or a cell above that has not been run."
    if isinstance(error, IndexError) and "list index" in str(error):
        return (
            "An index goes past the end of a list: a loop makes one round too many, or two indices have changed places."
        )
    sizes = ("shape", "index", "dimension", "size", "broadcast")
    if isinstance(error, ValueError | IndexError) and any(word in str(error) for word in sizes):
        return "Two sizes do not fit: the inputs of this check are not square, and no two of their sizes are equal."
    if isinstance(error, NotImplementedError):
        return "One branch of your function is still missing."
    return "The code cannot handle this input."


def _with_attempt(ledger: Ledger, verdict: Verdict) -> Ledger:
    old = ledger.exercises.get(verdict.exercise, Progress())
    return ledger.with_progress(verdict.exercise, replace(old, attempts=old.attempts + 1, status=verdict.status))


def _log(verdict: Verdict) -> None:
    """One line of JSON per check for whoever asked for it with LABKIT_CHECK_LOG (tests and graders do)."""
    path = os.environ.get("LABKIT_CHECK_LOG")
    if path:
        entry = {"exercise": verdict.exercise, "status": verdict.status, "mistake": verdict.mistake}
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
