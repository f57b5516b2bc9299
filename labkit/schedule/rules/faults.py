"""What `validate` finds, and the words that its messages are made of."""

from collections.abc import Iterable
from dataclasses import dataclass

from labkit.schedule.schedule import Schedule

KINDS = ("hang", "maths")


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake of a schedule, and the instruction that it shows at.

    kind: 'hang' where the schedule cannot run: a rank would wait for ever, or read what another lane is still writing.
    'maths' where it runs, but is not stochastic gradient descent (SGD) on the global batch. rank, step, position: of
    the instruction. message: rank, step, position, instruction, what is wrong, and what to type instead.
    """

    kind: str
    rank: int
    position: int
    step: int
    message: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


def fault(schedule: Schedule, kind: str, rank: int, position: int, step: int, what: str, instead: str) -> Fault:
    """A fault whose message begins with its place."""
    return Fault(kind, rank, position, step, f"{place(schedule, rank, position, step)}: {what} — {instead}")


def place(schedule: Schedule, rank: int, position: int, step: int | None = None) -> str:
    """An instruction in words: 'rank 2, step 0, instruction 5 (allreduce g0 ring)'."""
    program = schedule.ranks[rank]
    spelled = f" ({program[position]})" if position < len(program) else ""
    when = "" if step is None else f"step {step}, "
    return f"rank {rank}, {when}instruction {position}{spelled}"


def listed(words: Iterable[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    words = list(words)
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def ranks(numbers: Iterable[int]) -> str:
    """Ranks in words: 'rank 2', 'ranks 0, 2 and 5', 'ranks 0 to 7'."""
    numbers = sorted(numbers)
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"ranks {numbers[0]} to {numbers[-1]}"
    return f"rank{'s' * (len(numbers) != 1)} {listed(map(str, numbers))}"


def times(count: int) -> str:
    """'never', 'once', 'twice', '3 times'."""
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")
