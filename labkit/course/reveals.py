"""`reveal`: prediction, model, measurement and claim in one picture and one table, and the factor between them."""

import math
from dataclasses import dataclass, replace

from labkit.course import html, store
from labkit.course.records import Commit, Ledger, Prediction, Value
from labkit.course.units import convert, spell
from labkit.errors import LabError

KINDS = ("measured", "modelled", "claimed")
LOG_SPAN = 50.0  # bars of values further apart than this factor are drawn on a logarithmic scale


def reveal(
    id: str,
    *,
    measured: Value | None = None,
    modelled: Value | None = None,
    claimed: Value | None = None,
    unit: str | None = None,
    origin: str = "measured here",
    source: str = "",
    note: str = "",
) -> "Reveal":
    """Show what came of prediction `id`; from here on it can no longer be changed.

    Values are numbers in `unit` (by default the unit of the question), or words where the question had choices.
    `origin` says where the measurement was made ("recorded on <machine>" if not here); `source` names paper and table
    of the claim; `note` is one sentence of explanation. A learner who has neither predicted nor skipped sees the result
    only after opening it (that alone fixes nothing: the answer still counts). Raises LabError without any value.
    """
    given = {"measured": measured, "modelled": modelled, "claimed": claimed}
    results = {kind: _plain(id, value) for kind, value in given.items() if value is not None}
    if not results:
        raise LabError(f"reveal({id!r}) has nothing to show", "give measured=, modelled= or claimed=")
    if "claimed" in results and not source:
        raise LabError(f"reveal({id!r}) shows a claim without its source", 'give source="paper, table"')

    def change(ledger: Ledger) -> Ledger:
        old = ledger.predictions.get(id, Prediction(id))
        said = bool(old.commits or old.skipped)
        shown = replace(old, results=results, result_unit=old.unit if unit is None else unit)
        return ledger.with_prediction(replace(shown, revealed_at=old.revealed_at or (store.now() if said else "")))

    prediction = store.update(change).predictions[id]
    return Reveal(prediction, {"measured": origin, "modelled": "modelled", "claimed": f"claimed by {source}"}, note)


def _plain(id: str, value: Value) -> Value:
    """A str or a Python float; NumPy scalars become floats. Raises LabError for what is neither."""
    if isinstance(value, str):
        return value
    number = float(value)
    if not math.isfinite(number):
        raise LabError(f"reveal({id!r}): {value!r} is not a finite number", "reveal a result that was reached")
    return number


@dataclass(frozen=True)
class Reveal:
    """One revealed prediction. `origins` maps each kind of value to the words that say where it comes from."""

    prediction: Prediction
    origins: dict[str, str]
    note: str = ""

    @property
    def answered(self) -> bool:
        """Whether the learner has said something, be it "skip"; until then the result stays folded."""
        return bool(self.prediction.revealed_at)

    def values(self) -> dict[str, Value]:
        """`prediction` (if there is a comparable one) and the results, all in the unit of the reveal."""
        own = _comparable(self.prediction.committed, self.prediction.result_unit)
        return ({} if own is None else {"prediction": own}) | self.prediction.results

    def sentences(self) -> list[str]:
        """What to read off: the factor between prediction and result, then between the results themselves."""
        p, values = self.prediction, self.values()
        truth = next(kind for kind in KINDS if kind in values)
        lines = [_about_prediction(p, values, truth)]
        for kind in KINDS[KINDS.index(truth) + 1 :]:
            if kind in values and not isinstance(values[kind], str):
                lines.append(f"The {kind} value is {factor(values[kind], values[truth])} the {truth} one.")
        if p.after:
            later = ", ".join(spell(commit.value, commit.unit) for commit in p.after)
            lines.append(f"Changed after the reveal (does not count): {later}.")
        return [*lines, self.note] if self.note else lines

    def _rows(self) -> list[tuple[str, str, str]]:
        origins = {"prediction": "you, before the result"} | self.origins
        return [
            (kind, spell(value, self.prediction.result_unit), origins[kind]) for kind, value in self.values().items()
        ]

    def __repr__(self) -> str:
        p = self.prediction
        if not self.answered:
            first = f"no prediction yet: predict({p.id!r}, ...) or predict({p.id!r}, skip=True) first"
            return f"{p.question or p.id}\n  {first}"
        rows = [f"  {kind:<10} {value}  ({origin})" for kind, value, origin in self._rows()]
        return "\n".join([p.question or p.id, *rows, *(f"  {line}" for line in self.sentences())])

    def _repr_html_(self) -> str:
        p = self.prediction
        inner = html.paragraph(p.question or p.id, strong=True) + self._picture()
        inner += html.table("Values and where they come from", ("", "value", "origin"), self._rows())
        inner += "".join(html.paragraph(line) for line in self.sentences())
        if not self.answered:
            told = "Not predicted yet: answer or skip it above, then run this cell again; or open the result here"
            inner = html.details(told, inner)
        return html.box(inner, html.COLOURS["measured"], f"result of the prediction: {p.question or p.id}")

    def _picture(self) -> str:
        """Bars of the numbers; nothing where the answer is a word or a number is not positive."""
        numbers = {kind: v for kind, v in self.values().items() if not isinstance(v, str)}
        if len(numbers) < 2 or min(numbers.values()) <= 0:
            return ""
        low, high = min(numbers.values()), max(numbers.values())
        wide = high / low > LOG_SPAN
        lengths = {kind: _length(v, low, high) if wide else v / high for kind, v in numbers.items()}
        unit = self.prediction.result_unit
        rows = [(kind, lengths[kind], spell(v, unit), html.COLOURS[kind]) for kind, v in numbers.items()]
        return html.bars(self.prediction.question or self.prediction.id, rows, wide)


def _length(value: float, low: float, high: float) -> float:
    """Length of a bar on a logarithmic scale that starts at half the lowest value, as a part of the longest bar."""
    return math.log(2 * value / low) / math.log(2 * high / low)


def _comparable(commit: Commit | None, unit: str) -> Value | None:
    """The committed value in `unit`, or None where there is none or its unit is of another kind."""
    if commit is None or isinstance(commit.value, str):
        return commit.value if commit else None
    try:
        return convert(commit.value, commit.unit, unit) if commit.unit else commit.value
    except LabError:
        return None


def _about_prediction(p: Prediction, values: dict[str, Value], truth: str) -> str:
    if "prediction" not in values:
        if p.commits:
            return "Your prediction has a unit of another kind."
        return "You skipped this prediction." if p.skipped else "You have made no prediction."
    own, true = values["prediction"], values[truth]
    if isinstance(own, str) or isinstance(true, str):
        return f"You predicted {own}: {'right' if own == true else f'the {truth} answer is {true}'}."
    close = own > 0 and true > 0 and max(own / true, true / own) <= p.within
    verdict = f"close (within a factor of {spell(p.within)})" if close or own == true else "worth asking why"
    return f"Your prediction is {factor(own, true)} the {truth} value: {verdict}."


def factor(value: float, reference: float) -> str:
    """How `value` compares with `reference`, in words that end before "the ... value"."""
    if value == reference:
        return "equal to"
    if value <= 0 or reference <= 0:
        return f"{spell(abs(value - reference))} {'above' if value > reference else 'below'}"
    ratio = max(value / reference, reference / value)
    if ratio < 1.005:
        return "within 0.5 % of"
    return f"a factor of {ratio:,.3g} {'above' if value > reference else 'below'}"
