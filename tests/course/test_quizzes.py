"""Quizzes: five questions, an explanation for every choice, answers kept."""

import pytest

from labkit.course import bank, quiz, store
from labkit.course.quizzes import LETTERS, Choice, Question, Quiz
from labkit.errors import LabError

each_quiz = pytest.mark.parametrize("asked", bank.quizzes().values(), ids=lambda asked: asked.id)


@each_quiz
def test_every_choice_is_explained(asked):
    for question in asked.questions:
        texts = [choice.text for choice in question.choices]
        told = [choice.explanation for choice in question.choices]
        assert all(told)
        assert len(set(texts)) == len(texts)
        assert len(set(told)) == len(told)


@each_quiz
def test_the_right_letter_cannot_be_guessed_from_the_others(asked):
    letters = [question.answer for question in asked.questions]
    assert len(set(letters)) == 3
    assert max(letters.count(letter) for letter in letters) <= 2


@each_quiz
def test_the_right_choice_is_not_the_longest_one(asked):
    lengths = [{letter: len(choice.text) for letter, choice in one.lettered().items()} for one in asked.questions]
    longest = [
        all(n < size[one.answer] for letter, n in size.items() if letter != one.answer)
        for one, size in zip(asked.questions, lengths, strict=True)
    ]
    assert sum(longest) <= 1


@each_quiz
def test_it_shows_all_choices_closed(asked):
    page, text = quiz(asked.id)._repr_html_(), repr(quiz(asked.id))
    count = sum(len(question.choices) for question in asked.questions)
    assert (page.count("<details"), page.count("<details open")) == (count, 0)
    assert all(question.text in text for question in asked.questions)
    assert "Right." not in text


def test_answers_are_told_and_kept():
    right = bank.quiz_of("01").questions[0].answer
    wrong = next(letter for letter in LETTERS if letter != right)
    assert quiz("01", 1, right).right
    assert "Right." in repr(quiz("01", 1, right.upper()))
    given = quiz("01", 1, wrong)
    assert not given.right
    assert "Not this one." in given._repr_html_()
    assert store.load().quizzes == {"01": {"1": wrong}}
    assert quiz("01")._repr_html_().count("<details open") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("77",), "no quiz '77'"),
        (("01", 0, "a"), "no question 0"),
        (("01", 6, "a"), "no question 6"),
        (("01", "1", "a"), "no question '1'"),
        (("01", 1, "z"), "choose from a, b, c"),
        (("01", 1), "no choice None"),
    ],
)
def test_what_does_not_exist_is_refused(arguments, said):
    with pytest.raises(LabError, match=said):
        quiz(*arguments)


def test_a_quiz_has_five_questions_with_an_answer_among_the_choices():
    good = Question("q", (Choice("x", "y"), Choice("z", "w")), "b")
    with pytest.raises(LabError, match="give five"):
        Quiz("09", (good,) * 4)
    with pytest.raises(LabError, match="mend it"):
        Question("q", (Choice("x", "y"), Choice("z", "w")), "c")
