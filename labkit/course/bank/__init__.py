"""The bank: every exercise and quiz of the course, one file each, found by their place in this folder.

A module here defines `EXERCISE` (an Exercise) or `QUIZ` (a Quiz). Its name starts with the notebook's number, as in
`nb01_output_size.py`.
"""

import importlib
import pkgutil
from functools import cache

from labkit.course.exercise import Exercise
from labkit.course.quizzes import Quiz
from labkit.errors import LabError, suggest


@cache
def _modules() -> tuple:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(importlib.import_module(f"{__name__}.{name}") for name in names)


@cache
def exercises() -> dict[str, Exercise]:
    """All exercises by id, in the order of the notebooks."""
    return {module.EXERCISE.id: module.EXERCISE for module in _modules() if hasattr(module, "EXERCISE")}


@cache
def quizzes() -> dict[str, Quiz]:
    """All quizzes by id (the notebook's number, as in "01")."""
    return {module.QUIZ.id: module.QUIZ for module in _modules() if hasattr(module, "QUIZ")}


def exercise(id: str) -> Exercise:
    """The exercise of that id; raises LabError with the closest one if there is none."""
    if id not in exercises():
        raise LabError(f"there is no exercise {id!r}", suggest(id, exercises()))
    return exercises()[id]


def quiz_of(id: str) -> Quiz:
    """The quiz of that id; raises LabError with the closest one if there is none."""
    if id not in quizzes():
        raise LabError(f"there is no quiz {id!r}", suggest(id, quizzes()))
    return quizzes()[id]
