"""An exercise as a value: what is asked, the reference, the inputs to try, and the wrong solutions to recognise.

A stub is what a learner has not written yet. One rule: a stub raises NotImplementedError, or it is (or returns) `...`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.random import Generator

from labkit.course import html
from labkit.errors import LabError


@dataclass(frozen=True)
class Case:
    """One input to try: the positional arguments, and a few words that describe them in a message.

    late: tried only if all cases before were right, because it takes longer.
    """

    args: tuple
    label: str
    late: bool = False


@dataclass(frozen=True)
class WrongSolution:
    """A plausible mistake: a function with the exercise's signature, and the belief that it probably comes from."""

    name: str
    function: Callable
    misconception: str
    next_step: str = ""


@dataclass(frozen=True)
class Par:
    """What a right solution should not exceed.

    `cost(function, args)` runs the learner's function and returns what it used; `bound(args)` is what is needed at
    least; a solution is over par beyond `slack` times the bound. `why` says where the bound comes from. `case(rng)`
    makes the input on which it is measured. `advice`: what to try next when over par.
    """

    what: str
    unit: str
    cost: Callable[[Callable, tuple], float]
    bound: Callable[[tuple], float]
    case: Callable[[Generator], Case]
    why: str
    slack: float = 2.0
    advice: str = "The result is right: now look for values that are computed or kept more often than they are needed."


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    `cases(rng)` makes ragged, non-symmetric inputs; `reference` computes what is expected of them. `parts` names the
    elements of a returned tuple, for messages. `tolerance` is relative to the largest entry; integers must be exact.

    Where the answer is no function of the case but something that has to be run in its own way (a kernel), `run(answer,
    args)` does that, for the reference and the wrong solutions as well, and `oracle(*args)` computes what is expected.
    `timeout_s`: for one case, unless the learner gives another.
    """

    id: str
    title: str
    prompt: str
    reference: Callable
    cases: Callable[[Generator], Sequence[Case]]
    wrong: tuple[WrongSolution, ...]
    hints: tuple[str, ...]
    next_step: str
    parts: tuple[str, ...] = ()
    par: Par | None = None
    tolerance: float = 1e-6
    run: Callable[[Callable, tuple], Any] | None = None
    oracle: Callable | None = None
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        names = [wrong.name for wrong in self.wrong]
        if len(names) < 3 or len(set(names)) < len(names):
            raise LabError(
                f"exercise {self.id!r} has wrong solutions {names}", "give at least three, each with its own name"
            )
        if not self.hints:
            raise LabError(f"exercise {self.id!r} has no hint", "give at least one")

    def outcome(self, answer: Callable, args: tuple) -> Any:
        """What `answer` makes of one case."""
        return self.run(answer, args) if self.run else answer(*args)

    def expected(self, args: tuple) -> Any:
        """What a right answer makes of it."""
        return self.oracle(*args) if self.oracle else self.outcome(self.reference, args)

    def __repr__(self) -> str:
        return f"{self.title}\n{self.prompt}"

    def _repr_html_(self) -> str:
        return html.paragraph(self.title, strong=True) + html.paragraph(self.prompt)


def is_stub_value(value: Any) -> bool:
    """Whether a value, or any element of a tuple, list or dict, is still `...`."""
    if value is ...:
        return True
    if isinstance(value, dict):
        return any(is_stub_value(item) for item in value.values())
    return isinstance(value, tuple | list) and any(is_stub_value(item) for item in value)
