"""What the ledger remembers about a learner, as values: predictions, progress in exercises, answers in quizzes.

All are frozen; a change makes a new value. `Ledger.from_json` is strict, so that a damaged file is noticed where it is
read and not three notebooks later.
"""

import math
from dataclasses import asdict, dataclass, field, replace

VERSION = 1

Value = float | str


@dataclass(frozen=True)
class Commit:
    """One value that a learner committed to: a number with its unit, or the text of a choice; `at` is ISO 8601."""

    value: Value
    unit: str
    at: str

    def __post_init__(self) -> None:
        number = isinstance(self.value, int | float) and not isinstance(self.value, bool) and math.isfinite(self.value)
        if not (number or isinstance(self.value, str)):
            raise ValueError(f"not a prediction: {self.value!r}")


@dataclass(frozen=True)
class Prediction:
    """A question and what became of it.

    `commits` came before the reveal: the last of them counts. `after` came later and is kept, but does not count.
    `results` maps "measured", "modelled" and "claimed" to what the last reveal showed, in `result_unit`.
    """

    id: str
    question: str = ""
    unit: str = ""
    choices: tuple[str, ...] = ()
    within: float = 2.0
    commits: tuple[Commit, ...] = ()
    after: tuple[Commit, ...] = ()
    skipped: bool = False
    revealed_at: str = ""
    results: dict[str, Value] = field(default_factory=dict)
    result_unit: str = ""

    @property
    def committed(self) -> Commit | None:
        """The commitment that counts, or None."""
        return self.commits[-1] if self.commits else None

    @property
    def state(self) -> str:
        """`predicted`, `changed after the reveal`, `skipped` or `open`."""
        if self.committed:
            return "changed after the reveal" if self.after else "predicted"
        if self.after:
            return "skipped, answered after the reveal"
        return "skipped" if self.skipped else "open"

    def with_commit(self, commit: Commit) -> "Prediction":
        """This prediction with one more commitment; the same value again changes nothing."""
        latest = (self.after or self.commits)[-1:]
        if latest and (latest[0].value, latest[0].unit) == (commit.value, commit.unit):
            return self
        if self.revealed_at:
            return replace(self, after=(*self.after, commit))
        return replace(self, commits=(*self.commits, commit), skipped=False)


@dataclass(frozen=True)
class Progress:
    """How far a learner is with one exercise; `attempts` counts checks of something that was not a stub."""

    attempts: int = 0
    status: str = "not attempted"
    solution_shown: bool = False


@dataclass(frozen=True)
class Ledger:
    """Everything that is kept across notebooks."""

    predictions: dict[str, Prediction] = field(default_factory=dict)
    exercises: dict[str, Progress] = field(default_factory=dict)
    quizzes: dict[str, dict[str, str]] = field(default_factory=dict)

    def with_prediction(self, prediction: Prediction) -> "Ledger":
        return replace(self, predictions={**self.predictions, prediction.id: prediction})

    def with_progress(self, id: str, progress: Progress) -> "Ledger":
        return replace(self, exercises={**self.exercises, id: progress})

    def with_answer(self, id: str, number: int, letter: str) -> "Ledger":
        """The answers of quiz `id` with question `number` answered by `letter`."""
        answers = {**self.quizzes.get(id, {}), str(number): letter}
        return replace(self, quizzes={**self.quizzes, id: answers})

    def to_json(self) -> dict:
        """A document of plain dicts, lists, numbers and strings."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, document: object) -> "Ledger":
        """The ledger in `document`; raises ValueError, TypeError, KeyError or AttributeError for anything else."""
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']!r}, not {VERSION}")
        predictions = {id: _prediction(id, entry) for id, entry in document["predictions"].items()}
        exercises = {id: Progress(**entry) for id, entry in document["exercises"].items()}
        quizzes = {id: {str(n): str(a) for n, a in entry.items()} for id, entry in document["quizzes"].items()}
        return cls(predictions, exercises, quizzes)


def _prediction(id: str, entry: dict) -> Prediction:
    commits = {key: tuple(Commit(**commit) for commit in entry[key]) for key in ("commits", "after")}
    return Prediction(**{**entry, "id": id, "choices": tuple(entry["choices"]), **commits})
