"""The answer of a check: one of five statuses, and four parts that say what to do about it."""

from dataclasses import dataclass

from labkit.course import html

NOT_ATTEMPTED = "not attempted"
RAISED = "raised"
WRONG = "wrong"
RIGHT = "right"
OVER_PAR = "right but over par"
STATUSES = (NOT_ATTEMPTED, RAISED, WRONG, RIGHT, OVER_PAR)

HEADLINES = {
    NOT_ATTEMPTED: "Not attempted yet",
    RAISED: "Your code raised an error",
    WRONG: "Not right yet",
    RIGHT: "Right",
    OVER_PAR: "Right, but over par",
}
COLOURS = {NOT_ATTEMPTED: "#56B4E9", RAISED: "#D55E00", WRONG: "#E69F00", RIGHT: "#009E73", OVER_PAR: "#0072B2"}


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    `expected`, `came`, `misconception` and `next_step` are sentences; `mistake` is the name of the wrong solution that
    was recognised, or empty. `bool(verdict)` is whether the answer is right, over par or not.
    """

    exercise: str
    title: str
    status: str
    expected: str = ""
    came: str = ""
    misconception: str = ""
    next_step: str = ""
    mistake: str = ""

    @property
    def passed(self) -> bool:
        return self.status in (RIGHT, OVER_PAR)

    def __bool__(self) -> bool:
        return self.passed

    def parts(self) -> list[tuple[str, str]]:
        """The four parts that are not empty, with their names."""
        named = [
            ("Expected", self.expected),
            ("What came", self.came),
            ("Most likely", self.misconception),
            ("Try next", self.next_step),
        ]
        return [(name, text) for name, text in named if text]

    def __repr__(self) -> str:
        lines = [f"{self.title}: {HEADLINES[self.status].lower()}"]
        return "\n".join(lines + [f"  {name}: {text}" for name, text in self.parts()])

    def _repr_html_(self) -> str:
        headline = f"{self.title}: {HEADLINES[self.status].lower()}"
        inner = html.paragraph(headline, strong=True)
        inner += "".join(html.paragraph(text, label=name) for name, text in self.parts())
        return html.box(inner, COLOURS[self.status], f"check of {self.title}")
