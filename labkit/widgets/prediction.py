"""The form in which a learner commits to a prediction: a number with its unit, or one of a few choices.

The form keeps nothing itself: what is typed goes to the two functions it is made with, and their answer is the line
that it shows. (`labkit.course.predict` makes it; where no widget can be drawn the same answer is typed as a call.)
"""

from collections.abc import Callable, Sequence

import anywidget
import traitlets

from labkit.widgets._base import css, esm


class PredictionForm(anywidget.AnyWidget):
    """One question. `request` comes from the browser: {action: "commit" or "skip", value: str, count: int}."""

    _esm = esm("prediction.js")
    _css = css()
    question = traitlets.Unicode().tag(sync=True)
    unit = traitlets.Unicode().tag(sync=True)
    choices = traitlets.List(traitlets.Unicode()).tag(sync=True)
    value = traitlets.Unicode().tag(sync=True)
    status = traitlets.Unicode().tag(sync=True)
    request = traitlets.Dict().tag(sync=True)


def form(
    question: str,
    unit: str,
    choices: Sequence[str],
    value: str,
    status: str,
    commit: Callable[[str], str],
    skip: Callable[[], str],
) -> PredictionForm:
    """A form for one question.

    unit: the unit of the number, may be empty. choices: the answers to choose from; empty for a number.
    value: what was committed before, as text. status: the line shown at first. commit(text) and skip() are called in
    the kernel when a button is pressed; each returns the new line, and must not raise.
    """
    widget = PredictionForm(question=question, unit=unit, choices=list(choices), value=value, status=status)

    def act(change: dict) -> None:
        asked = change["new"]
        widget.status = commit(str(asked.get("value", ""))) if asked.get("action") == "commit" else skip()

    widget.observe(act, names="request")
    return widget
