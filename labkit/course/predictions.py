"""`predict` and `ledger`: a learner commits to a value before the result shows, and sees all of them in one table."""

import re
from dataclasses import dataclass, replace

from labkit.course import html, store
from labkit.course.records import Commit, Ledger, Prediction, Value
from labkit.course.units import convert, kind_of, spell
from labkit.errors import LabError


def predict(
    id: str,
    value: Value | None = None,
    *,
    question: str = "",
    unit: str = "",
    choices: tuple[str, ...] | None = None,
    within: float = 2.0,
    skip: bool = False,
) -> "Asked":
    """Ask a question, or commit to an answer, or both.

    `predict("epoch-time", question="How long does one epoch take?", unit="s")` shows a small form in JupyterLab;
    `predict("epoch-time", 12)` or `predict("epoch-time", 0.2, unit="min")` answers without one; `skip=True` passes on.
    With `choices` the answer is one of these words. `within` is the factor up to which a number counts as close.
    The last answer before `reveal` counts; later ones are kept and marked. Raises LabError for an answer that is no
    finite number, is not among the choices, or has a unit of another kind than the question.
    """
    committed = None if value is None else _checked(id, value, unit, choices)

    def change(ledger: Ledger) -> Ledger:
        old = ledger.predictions.get(id, Prediction(id))
        asked = replace(
            old,
            question=question or old.question,
            unit=(unit or old.unit) if question or not old.question else old.unit,
            choices=tuple(choices) if choices else old.choices,
            within=within if question else old.within,
        )
        if committed is not None:
            asked = asked.with_commit(committed)
        elif skip and not asked.committed:
            asked = replace(asked, skipped=True)
        return ledger.with_prediction(asked)

    return Asked(store.update(change).predictions[id])


def _checked(id: str, value: Value, unit: str, choices: tuple[str, ...] | None) -> Commit:
    """The answer as a commitment in the unit that was typed (or else the question's)."""
    old = store.load().predictions.get(id, Prediction(id))
    options = tuple(choices or old.choices)
    if options:
        if value not in options:
            raise LabError(
                f"prediction {id!r}: {value!r} is not one of the choices", f"choose one of: {', '.join(options)}"
            )
        return Commit(str(value), "", store.now())
    number = _with_point(id, value)
    try:
        if isinstance(value, bool):
            raise TypeError
        commit = Commit(float(number), unit or old.unit, store.now())
    except (TypeError, ValueError):
        raise LabError(f"prediction {id!r}: {value!r} is no finite number", f"type predict({id!r}, 120)") from None
    if commit.value < 0 and kind_of(commit.unit) in ("time", "size", "rate", "work"):
        raise LabError(f"prediction {id!r}: {spelled(commit)} is below zero", "type a number that can come out")
    if old.unit:
        convert(commit.value, commit.unit, old.unit)
    return commit


def _with_point(id: str, value: Value) -> Value:
    """`value`; a text such as "0,5" with a decimal point instead of its comma.

    Raises LabError for a comma that may stand between thousands ("1,000"), and for several.
    """
    text = str(value).strip()
    if "," not in text or not isinstance(value, str):
        return value
    if re.fullmatch(r"[-+]?[1-9]\d{0,2},\d{3}", text):
        whole, point = text.replace(",", ""), text.replace(",", ".")
        raise LabError(f"prediction {id!r}: {text!r} can be read as {whole} or as {point}", "type it without a comma")
    if text.count(",") > 1 or "." in text:
        raise LabError(f"prediction {id!r}: {text!r} has too many commas or points", "type one decimal point at most")
    return text.replace(",", ".")


@dataclass(frozen=True)
class Asked:
    """What `predict` returns: a form where one can be drawn, else text that says what is committed or what to type."""

    prediction: Prediction

    def __repr__(self) -> str:
        return f"{self.prediction.question or self.prediction.id}\n  {self.status()}"

    def status(self) -> str:
        """One line: what is committed, or what to type."""
        p = self.prediction
        if p.after:
            return f"{spelled(p.after[-1])}: noted, but the result was known already ({p.state})"
        if p.commits:
            before = f" (before: {spelled(p.commits[-2])})" if len(p.commits) > 1 else ""
            return f"your prediction: {spelled(p.commits[-1])}{before}"
        example = repr(p.choices[0]) if p.choices else "number"
        asked = f"one of {', '.join(p.choices)}" if p.choices else f"a number in {p.unit}" if p.unit else "a number"
        passed = "skipped, but you can still answer with " if p.skipped else ""
        return f"{passed}{asked}: predict({p.id!r}, {example}), or predict({p.id!r}, skip=True)"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict:
        """The form for a front end that draws widgets, and the plain lines for one that does not."""
        bundle = {"text/plain": repr(self)}
        try:
            from labkit.widgets.prediction import form
        except ImportError:
            return bundle
        p = self.prediction
        kept = str(p.committed.value).removesuffix(".0") if p.committed else ""
        said = self.status() if p.committed or p.after or p.skipped else "not committed yet"

        def commit(text: str) -> str:
            try:
                return predict(p.id, text).status()
            except LabError as error:
                return str(error)

        def skip() -> str:
            return predict(p.id, skip=True).status()

        return drawn(form(p.question or p.id, p.unit, p.choices, kept, said, commit, skip)) | bundle


def drawn(widget: object) -> dict:
    """The MIME bundle of a widget, which is a dict or a pair of data and metadata."""
    bundle = widget._repr_mimebundle_()
    return (bundle[0] if isinstance(bundle, tuple) else bundle) or {}


def spelled(commit: Commit) -> str:
    """A commitment as people write it."""
    return spell(commit.value, commit.unit)


@dataclass(frozen=True)
class LedgerTable:
    """What `ledger()` returns: every prediction with its outcome, as a table in a notebook and as text elsewhere."""

    entries: tuple[Prediction, ...]

    HEAD = ("question", "you predicted", "modelled", "measured", "claimed", "state")

    def rows(self) -> list[tuple[str, ...]]:
        return [_row(entry) for entry in self.entries]

    def __repr__(self) -> str:
        lines = [" | ".join(row) for row in (self.HEAD, *self.rows())]
        return "\n".join(lines) if self.entries else "no predictions yet"

    def _repr_html_(self) -> str:
        if not self.entries:
            return html.paragraph("No predictions yet.")
        return html.table("Your predictions", self.HEAD, self.rows())


def _row(entry: Prediction) -> tuple[str, ...]:
    shown = entry.results if entry.revealed_at else {}  # what a reveal keeps folded stays hidden here
    results = [spell(shown[key], entry.result_unit) if key in shown else "" for key in LedgerTable.HEAD[2:5]]
    latest = (entry.commits or entry.after)[-1:]
    return (entry.question or entry.id, spelled(latest[0]) if latest else "", *results, entry.state)


def ledger() -> LedgerTable:
    """All predictions so far, across notebooks, in the order in which they were first asked."""
    return LedgerTable(tuple(store.load().predictions.values()))
