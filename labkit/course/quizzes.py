"""`quiz`: five questions at the end of a notebook, with an explanation for every choice, right or wrong."""

from dataclasses import dataclass

from labkit.course import html, store
from labkit.errors import LabError

LETTERS = "abcd"


@dataclass(frozen=True)
class Choice:
    """One answer that can be chosen, and what is to be learned from choosing it."""

    text: str
    explanation: str


@dataclass(frozen=True)
class Question:
    """A question with two to four choices; `answer` is the letter of the right one."""

    text: str
    choices: tuple[Choice, ...]
    answer: str

    def __post_init__(self) -> None:
        if not 2 <= len(self.choices) <= len(LETTERS) or self.answer not in LETTERS[: len(self.choices)]:
            raise LabError(f"question {self.text!r} has {len(self.choices)} choices, answer {self.answer!r}", "mend it")

    def lettered(self) -> dict[str, Choice]:
        return dict(zip(LETTERS, self.choices, strict=False))


@dataclass(frozen=True)
class Quiz:
    """The five questions of one notebook; `id` is the notebook's number."""

    id: str
    questions: tuple[Question, ...]

    def __post_init__(self) -> None:
        if len(self.questions) != 5:
            raise LabError(f"quiz {self.id!r} has {len(self.questions)} questions", "give five")


@dataclass(frozen=True)
class Asking:
    """A quiz on show: in a notebook every choice opens (by click or keyboard) to what it means."""

    quiz: Quiz
    answers: dict[str, str]

    def __repr__(self) -> str:
        lines = []
        for number, question in enumerate(self.quiz.questions, start=1):
            lines.append(f"{number}. {question.text}")
            lines += [f"   {letter}) {choice.text}" for letter, choice in question.lettered().items()]
        return "\n".join([*lines, f"answer with quiz({self.quiz.id!r}, 1, 'a')"])

    def _repr_html_(self) -> str:
        parts = []
        for number, question in enumerate(self.quiz.questions, start=1):
            chosen = self.answers.get(str(number))
            inner = html.paragraph(f"{number}. {question.text}", strong=True)
            for letter, choice in question.lettered().items():
                told = html.paragraph(_told(question, letter))
                inner += html.details(f"{letter}) {choice.text}", told, opened=letter == chosen)
            parts.append(inner)
        return html.box("".join(parts), "#0072B2", f"self-quiz of notebook {self.quiz.id}")


@dataclass(frozen=True)
class Answered:
    """The answer to one question: right or not, and why."""

    question: Question
    letter: str

    @property
    def right(self) -> bool:
        return self.letter == self.question.answer

    def __repr__(self) -> str:
        choice = self.question.lettered()[self.letter]
        told = _told(self.question, self.letter)
        return f"{self.question.text}\n  {self.letter}) {choice.text}\n  {told}"

    def _repr_html_(self) -> str:
        return html.box(html.paragraph(repr(self)), "#009E73" if self.right else "#E69F00", "answer to a quiz question")


def quiz(id: str, number: int | None = None, letter: str | None = None) -> Asking | Answered:
    """Show quiz `id` (a notebook's number, as in "01"), or answer question `number` with `letter`.

    Answers are kept in the ledger. Raises LabError for a quiz, question or letter that does not exist.
    """
    from labkit.course import bank  # the bank is made of this module's values

    asked = bank.quiz_of(id)
    if number is None:
        return Asking(asked, store.load().quizzes.get(id, {}))
    if not isinstance(number, int) or not 1 <= number <= len(asked.questions):
        raise LabError(f"quiz {id!r} has no question {number!r}", "questions are numbered from 1 to 5")
    question = asked.questions[number - 1]
    chosen = str(letter).lower()
    if chosen not in question.lettered():
        raise LabError(
            f"question {number} of quiz {id!r} has no choice {letter!r}",
            f"choose from {', '.join(question.lettered())}",
        )
    store.update(lambda ledger: ledger.with_answer(id, number, chosen))
    return Answered(question, chosen)


def _told(question: Question, letter: str) -> str:
    head = "Right. " if letter == question.answer else "Not this one. "
    return head + question.lettered()[letter].explanation
