"""predict, reveal and ledger, as calls: no widget is needed for any of them."""

import numpy as np
import pytest

from labkit.course import ledger, predict, reveal
from labkit.errors import LabError


def entry(id):
    return next(entry for entry in ledger().entries if entry.id == id)


def test_a_question_waits_for_its_answer():
    asked = predict("time", question="How long?", unit="ms")
    assert "How long?" in repr(asked)
    assert "predict('time', number)" in repr(asked)
    assert entry("time").state == "open"


def test_the_last_answer_before_the_reveal_counts():
    predict("time", question="How long?", unit="ms")
    predict("time", 120)
    shown = predict("time", 80)
    assert "80 ms" in repr(shown)
    assert "before: 120 ms" in repr(shown)
    reveal("time", measured=40)
    predict("time", 40)
    found = entry("time")
    assert found.committed.value == 80
    assert [commit.value for commit in found.after] == [40]
    assert found.state == "changed after the reveal"
    assert "does not count): 40 ms" in repr(reveal("time", measured=40))


def test_running_a_notebook_again_changes_nothing():
    for _ in range(3):
        predict("time", question="How long?", unit="ms")
        predict("time", 120, unit="ms")
        reveal("time", measured=100)
    found = entry("time")
    assert (len(found.commits), len(found.after), found.state) == (1, 0, "predicted")


def test_an_answer_may_have_another_unit_of_the_same_kind():
    predict("time", question="How long?", unit="ms")
    predict("time", 0.2, unit="s")
    text = repr(reveal("time", measured=100))
    assert "prediction 200 ms" in text
    assert "a factor of 2 above the measured value: close" in text
    with pytest.raises(LabError, match="ms"):
        predict("time", 3, unit="GB")


def test_binary_and_decimal_prefixes_are_kept_apart():
    predict("memory", 1, question="How much?", unit="MiB")
    assert "1.049 MB" in repr(reveal("memory", modelled=1.0, unit="MB"))


def test_choices():
    predict("more", question="Which is more?", choices=("weights", "activations"))
    with pytest.raises(LabError, match="weights, activations"):
        predict("more", "both")
    predict("more", "weights")
    assert "the measured answer is activations" in repr(reveal("more", measured="activations"))
    assert "You predicted weights: right" in repr(reveal("more", measured="weights"))


@pytest.mark.parametrize("value", ["abc", float("nan"), float("inf"), [1], True])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(LabError, match="type predict"):
        predict("time", value, question="How long?", unit="s")


@pytest.mark.parametrize(
    ("text", "value"), [("0,5", 0.5), ("12,5", 12.5), ("0,125", 0.125), ("1234,567", 1234.567), ("2,5e3", 2500)]
)
def test_a_decimal_comma_is_read_as_a_point(text, value):
    predict("time", text, question="How long?", unit="s")
    assert entry("time").committed.value == value


@pytest.mark.parametrize(
    ("text", "word"),
    [("1,000", "1000 or as 1.000"), ("-12,500", "-12500 or"), ("1,000,000", "too many"), ("1.000,5", "commas or")],
)
def test_a_comma_that_may_mean_thousands_is_refused(text, word):
    with pytest.raises(LabError, match=word):
        predict("time", text, question="How long?", unit="s")
    assert ledger().entries == ()


def test_a_number_of_numpy_is_a_number():
    predict("time", np.float32(2.5), question="How long?", unit="s")
    assert entry("time").committed.value == 2.5
    reveal("time", measured=np.float64(5))
    assert entry("time").results == {"measured": 5.0}


def test_skipped_and_answered_later():
    predict("time", question="How long?", unit="ms")
    predict("time", skip=True)
    assert entry("time").state == "skipped"
    assert "You skipped this prediction." in repr(reveal("time", measured=40))
    predict("time", 40)
    assert entry("time").state == "skipped, answered after the reveal"
    assert entry("time").committed is None


def test_a_reveal_without_an_answer_stays_folded_and_fixes_nothing():
    predict("time", question="How long?", unit="ms")
    shown = reveal("time", measured=40)
    assert "40" not in repr(shown)
    assert "<details" in shown._repr_html_()
    assert "40" not in repr(ledger())
    predict("time", 20)
    opened = reveal("time", measured=40)
    assert "a factor of 2 below" in repr(opened)
    assert "<details" not in opened._repr_html_()
    assert entry("time").committed.value == 20


def test_a_reveal_names_every_factor_and_origin():
    predict("memory", 100, question="How much?", unit="MB")
    shown = reveal(
        "memory", measured=50, modelled=25, claimed=5000, origin="recorded on a K40", source="a paper, table 2"
    )
    text = repr(shown)
    for part in (
        "a factor of 2 above the measured value",
        "The modelled value is a factor of 2 below the measured one.",
        "The claimed value is a factor of 100 above the measured one.",
        "recorded on a K40",
        "claimed by a paper, table 2",
    ):
        assert part in text
    page = shown._repr_html_()
    assert page.count("<rect") == 4
    assert 'role="img" aria-label="How much?: prediction 100 MB; measured 50 MB' in page
    assert "logarithmic scale" in page


def test_bars_start_at_zero_where_values_are_near():
    predict("memory", 100, question="How much?", unit="MB")
    page = reveal("memory", measured=50)._repr_html_()
    assert "bars start at zero" in page
    assert 'width="300.0"' in page
    assert 'width="150.0"' in page


@pytest.mark.parametrize(
    ("measured", "said"), [(0, "5 above"), (-3, "8 above"), (5, "equal to"), (5.01, "within 0.5 %")]
)
def test_values_without_a_factor(measured, said):
    predict("change", 5, question="By how much?", unit="points")
    shown = reveal("change", measured=measured)
    assert said in repr(shown)
    assert shown._repr_html_()


def test_a_reveal_needs_a_value_and_a_claim_its_source():
    with pytest.raises(LabError, match="nothing to show"):
        reveal("time")
    with pytest.raises(LabError, match="source"):
        reveal("time", claimed=3)
    with pytest.raises(LabError, match="finite"):
        reveal("time", measured=float("nan"))


def test_what_is_typed_cannot_become_markup():
    predict("q", question="<script>alert(1)</script>", choices=("<b>", "c"))
    predict("q", "<b>")
    pages = reveal("q", measured="<b>", note="<i>note</i>")._repr_html_() + ledger()._repr_html_()
    assert not any(tag in pages for tag in ("<script", "<b>", "<i>"))


def test_the_ledger_lists_questions_in_the_order_of_asking():
    predict("b", 2, question="second?", unit="s")
    predict("a", 1, question="first?", unit="s")
    reveal("b", measured=4)
    text = repr(ledger())
    assert text.index("second?") < text.index("first?")
    assert "4 s" in text
    assert '<th scope="row"' in ledger()._repr_html_()


def test_the_form_commits_skips_and_explains():
    form = pytest.importorskip("labkit.widgets.prediction").form
    from labkit.course.predictions import Asked

    said = []
    widget = form(
        "How long?", "ms", (), "", "not committed yet", lambda text: said.append(text) or "kept", lambda: "skipped"
    )
    widget.request = {"action": "commit", "value": "12", "count": 1}
    assert (said, widget.status) == (["12"], "kept")
    widget.request = {"action": "skip", "value": "", "count": 2}
    assert widget.status == "skipped"
    bundle = predict("time", question="How long?", unit="ms")._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"] == repr(Asked(entry("time")))


def test_what_cannot_be_below_zero_is_refused():
    predict("time", question="How long?", unit="ms")
    with pytest.raises(LabError, match="-3 ms is below zero"):
        predict("time", -3)
    predict("slope", -3, question="Which slope?")  # no unit of time, size or work: any number
