"""The course's answers in JupyterLab: the form of a prediction, reveals, verdicts, hints and quizzes, by keyboard."""

import pytest
from notebook_page import open_notebook, run_all, settle, unnamed_controls, use_theme

pytestmark = pytest.mark.browser

START = "from labkit.course import check, exercise, hint, ledger, predict, quiz, reveal"
NUMBER = 'predict("browser-time", question="How long does one step take?", unit="ms")'
CHOICE = 'predict("browser-more", question="Which is more?", choices=("weights", "activations"))'
SHOWN = """predict("browser-known", 120, question="How much memory?", unit="MB")
reveal("browser-known", measured=61, modelled=60.2, claimed=93, source="a paper, table 2")"""
WRONG = 'check("conv-output-size", lambda H, W, R, S, stride, padding: (H - R, W - S))'


def test_the_form_of_a_prediction(chromium, lab, write_notebook, artifacts):
    later = "print(ledger())"
    name = write_notebook("prediction", START, NUMBER, CHOICE)
    with open_notebook(chromium, lab, name) as (page, problems):
        assert run_all(page) == []
        forms = page.locator(".labkit-prediction")
        forms.nth(1).wait_for()
        settle(page)
        assert [unnamed_controls(forms.nth(i)) for i in range(2)] == [[], []]
        forms.nth(0).get_by_role("textbox", name="Your prediction in ms").focus()
        page.keyboard.type("1,000")
        page.keyboard.press("Enter")
        forms.nth(0).get_by_text("'1,000' can be read as 1000 or as 1.000").wait_for()
        page.keyboard.press("Control+A")
        page.keyboard.type("12,5")
        page.keyboard.press("Enter")
        forms.nth(0).get_by_text("your prediction: 12.5 ms").wait_for()
        forms.nth(0).get_by_role("button", name="Skip this prediction").press("Enter")
        forms.nth(1).get_by_role("button", name="Commit this prediction").press("Enter")
        forms.nth(1).get_by_text("Choose an answer first.").wait_for()
        forms.nth(1).get_by_role("radio", name="weights").press("Space")
        page.keyboard.press("Enter")
        forms.nth(1).get_by_text("your prediction: weights").wait_for()
        page.screenshot(path=artifacts / "prediction_light.png")
        use_theme(page, "JupyterLab Dark")
        settle(page)
        page.screenshot(path=artifacts / "prediction_dark.png")
        assert problems == []
    again = write_notebook("prediction_again", START, later)
    with open_notebook(chromium, lab, again) as (page, problems):
        assert run_all(page) == []
        page.get_by_text("How long does one step take? | 12.5 ms").wait_for()
        assert problems == []


def test_answers_in_prose_and_pictures(chromium, lab, write_notebook, artifacts):
    cells = (START, SHOWN, 'exercise("conv-output-size")', WRONG, 'hint("conv-output-size")', 'quiz("01")', "ledger()")
    name = write_notebook("answers", *cells)
    with open_notebook(chromium, lab, name, height=2400) as (page, problems):
        assert run_all(page) == []
        assert page.get_by_role("img", name="How much memory?: prediction 120 MB; measured 61 MB").count() == 1
        hints = page.get_by_role("group").filter(has_text="Hint 1 of 3")
        page.get_by_text("Hint 1 of 3").focus()
        page.keyboard.press("Enter")
        page.get_by_text("Put the filter at the far left.").wait_for()
        assert hints.count() >= 1
        page.get_by_text("b) 13", exact=True).focus()
        page.keyboard.press("Enter")
        page.get_by_text("Right. Room for moves is 25").wait_for()
        page.screenshot(path=artifacts / "answers_light.png")
        use_theme(page, "JupyterLab Dark")
        settle(page)
        page.screenshot(path=artifacts / "answers_dark.png")
        assert problems == []
