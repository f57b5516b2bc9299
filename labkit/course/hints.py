"""`hint` and `solution`: help in steps, and the reference for whoever has tried."""

import inspect
from dataclasses import dataclass, replace
from textwrap import dedent

from labkit.course import bank, html, store
from labkit.course.exercise import Exercise
from labkit.course.records import Progress
from labkit.errors import LabError


@dataclass(frozen=True)
class Hints:
    """The hints of an exercise, each inside the one before; the first `opened` of them are open."""

    exercise: Exercise
    opened: int

    def __repr__(self) -> str:
        hints = self.exercise.hints
        shown = [f"hint {i + 1} of {len(hints)}: {hints[i]}" for i in range(max(1, self.opened))]
        more = f"\nnext: hint({self.exercise.id!r}, {len(shown) + 1})" if len(shown) < len(hints) else ""
        return "\n".join(shown) + more

    def _repr_html_(self) -> str:
        hints, inner = self.exercise.hints, ""
        for i in reversed(range(len(hints))):
            inner = html.details(f"Hint {i + 1} of {len(hints)}", html.paragraph(hints[i]) + inner, i < self.opened)
        return inner


def hint(id: str, n: int = 0) -> Hints:
    """Hints for exercise `id`, closed one inside the other; `n` opens the first n of them.

    Raises LabError for an exercise that is not known and for an `n` beyond the last hint.
    """
    exercise = bank.exercise(id)
    if not 0 <= n <= len(exercise.hints):
        raise LabError(f"exercise {id!r} has no hint {n}", f"it has {len(exercise.hints)}: type hint({id!r}, 1)")
    return Hints(exercise, n)


@dataclass(frozen=True)
class Solution:
    """The reference of an exercise as text, or (with an empty `source`) what to do first."""

    exercise: Exercise
    source: str

    def __repr__(self) -> str:
        return self.source or _not_yet(self.exercise)

    def _repr_html_(self) -> str:
        if not self.source:
            return html.paragraph(_not_yet(self.exercise))
        return html.details(f"One solution of: {self.exercise.title}", html.code(self.source), opened=True)


def solution(id: str, *, anyway: bool = False) -> Solution:
    """One way to solve exercise `id`: after an attempt of your own, or at once with `anyway=True`.

    An attempt is a `check` of something that is not a stub. Raises LabError for an exercise that is not known.
    """
    exercise = bank.exercise(id)
    progress = store.load().exercises.get(id, Progress())
    if not (progress.attempts or anyway):
        return Solution(exercise, "")
    store.update(
        lambda ledger: ledger.with_progress(id, replace(ledger.exercises.get(id, Progress()), solution_shown=True))
    )
    return Solution(exercise, dedent(inspect.getsource(exercise.reference)))


def _not_yet(exercise: Exercise) -> str:
    return (
        f"Try it first: the solution shows after one check of your own attempt. `hint({exercise.id!r})` "
        f"helps; `solution({exercise.id!r}, anyway=True)` shows it now."
    )
