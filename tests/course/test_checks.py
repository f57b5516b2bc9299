"""check: statuses kept apart, the learner's own function on copies of the inputs, and no hang."""

import contextlib
import json
import linecache
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from labkit.course import bank, check, hint, record, solution
from labkit.course.bank.nb01_output_size import output_size
from labkit.course.checks import examine
from labkit.course.coarse_rows import PIXELS, ROW
from labkit.course.limited import OutOfTime, call_limited
from labkit.course.verdict import NOT_ATTEMPTED, RAISED, RIGHT, WRONG
from labkit.errors import LabError
from labkit.kernels.launch import MOST_THREADS
from labkit.kernels.source import cuda, float32
from labkit.schedule.collectives import Move

SIZE = bank.exercise("conv-output-size")
BACKWARD = bank.exercise("two-layer-backward")


def test_the_four_parts_of_a_wrong_answer():
    verdict = check(
        "conv-output-size", lambda H, W, R, S, stride, padding: ((H - R) // stride + 1, (W - S) // stride + 1)
    )
    assert verdict.status == WRONG
    assert [name for name, _ in verdict.parts()] == ["Expected", "What came", "Most likely", "Try next"]
    assert "28x31" in verdict.expected  # the first case on which it fails, not the first case
    assert "right for some inputs" in verdict.misconception
    page = verdict._repr_html_()
    assert all(text in page for text in ("Expected:", "What came:", "Most likely:", "Try next:"))


def test_an_error_shows_the_learners_own_line():
    def divides(H, W, R, S, stride, padding):
        room = H - R
        return helper(room)

    def helper(room):
        return room / (room - room)

    verdict = check("conv-output-size", divides)
    assert verdict.status == RAISED
    assert "ZeroDivisionError" in verdict.came
    assert "return room / (room - room)" in verdict.came


def test_an_error_inside_numpy_shows_the_line_that_called_it():
    def backward(X, T, W1, b1, W2, b2):
        return X @ W1, 1, 2, 3

    verdict = examine(BACKWARD, backward)
    assert verdict.status == RAISED
    assert "return X @ W1, 1, 2, 3" in verdict.came
    assert "sizes do not fit" in verdict.misconception


def test_a_name_that_nothing_defines_is_told_apart():
    def misspelt(H, W, R, S, stride, padding):
        return heigth  # noqa: F821

    assert "typing error" in check("conv-output-size", misspelt).misconception


def test_a_missing_return_is_told_apart():
    assert "returns nothing" in check("conv-output-size", lambda *sizes: None).misconception


def test_while_nbgrader_grades_only_a_right_answer_ends_without_an_error(ledger_file, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert check("conv-output-size", output_size).status == RIGHT
    for answer in (lambda *sizes: (1, 1), lambda *sizes: 1 / 0, lambda *sizes: ...):
        with pytest.raises(LabError, match="Size of a convolution's output"):
            check("conv-output-size", answer)
    assert not ledger_file.exists()


def test_wrong_parameters_are_named():
    assert "parameters of your function differ" in check("conv-output-size", lambda H: H).misconception


def test_a_missing_branch_is_not_a_stub():
    def half(H, W, R, S, stride, padding):
        if padding:
            raise NotImplementedError
        return output_size(H, W, R, S, stride, padding)

    verdict = check("conv-output-size", half)
    assert verdict.status == RAISED
    assert "still missing" in verdict.misconception


def test_the_result_instead_of_the_function():
    verdict = check("conv-output-size", (28, 28))
    assert verdict.status == WRONG
    assert "without parentheses" in verdict.next_step


def test_a_missing_return_is_named():
    assert "is a return missing?" in check("conv-output-size", lambda *sizes: None).came


def suppresses(*sizes):
    while True:
        with contextlib.suppress(Exception):
            time.sleep(0.001)


def swallows_everything(*sizes):
    while True:
        try:
            time.sleep(0.001)
        except:  # noqa: E722, learners write this
            continue


def swallows_from_inside(*sizes):
    n = 0
    while True:
        try:
            while True:
                n += 1
        except BaseException:
            n = 0


@pytest.mark.parametrize("endless", [suppresses, swallows_everything, swallows_from_inside])
def test_an_endless_loop_ends(endless):
    tracer = sys.gettrace()
    verdict = check("conv-output-size", endless, timeout_s=0.2)
    assert verdict.status == RAISED
    assert "no result within 0.2 s" in verdict.came
    assert sys.gettrace() is tracer


def test_an_endless_loop_ends_in_another_thread_too():
    def endless():
        while True:
            pass

    found = []

    def run():
        try:
            call_limited(endless, (), 0.2)
        except OutOfTime:
            found.append("ended")

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(timeout=60)
    assert found == ["ended"]


def test_a_function_that_ends_leaves_no_timer_behind():
    assert call_limited(lambda a: a + 1, (1,), 0.05) == 2
    time.sleep(0.1)  # a timer that had been left running would end the test here


def test_inputs_are_copies():
    """A learner's function that writes into its inputs spoils neither the expected values nor the next case."""

    def careless(X, T, W1, b1, W2, b2):
        result = tuple(a.copy() for a in BACKWARD.reference(X, T, W1, b1, W2, b2))
        for array in (X, T, W1, b1, W2, b2):
            array[:] = np.nan
        return result

    assert examine(BACKWARD, careless).status == RIGHT


def test_the_learners_function_is_what_runs():
    """The verdict changes with the function that is handed over, and with nothing else."""
    calls = []

    def counted(*sizes):
        calls.append(sizes)
        return output_size(*sizes)

    assert examine(SIZE, counted).status == RIGHT
    assert len(calls) == len(SIZE.cases(np.random.default_rng(0)))

    def output_size_of_learner(*sizes):
        return (0, 0)

    output_size_of_learner.__name__ = "output_size"
    assert examine(SIZE, output_size_of_learner).status == WRONG


def test_patterns_of_mistakes_that_no_wrong_solution_knows():
    plain = replace(BACKWARD, wrong=tuple(replace(wrong, function=lambda *args: None) for wrong in BACKWARD.wrong))

    def changed(change):
        return examine(plain, lambda *args: tuple(change(a) for a in BACKWARD.reference(*args))).misconception

    assert "sign is wrong" in changed(lambda a: -a)
    assert "constant factor of 3" in changed(lambda a: 3 * a)
    assert "transpose" in changed(lambda a: a.T)
    assert "not finite" in changed(lambda a: a * np.nan)
    assert "None of the mistakes" in changed(lambda a: np.sin(a) + 7)


def test_one_wrong_part_among_right_ones_is_recognised():
    def only_bias(*args):
        dW1, db1, dW2, db2 = BACKWARD.reference(*args)
        return dW1, db1, dW2, db2 / len(args[0])

    assert examine(BACKWARD, only_bias).mistake == "bias averaged twice"


def test_verdicts_are_recorded_and_logged(tmp_path, monkeypatch):
    log = tmp_path / "checks.jsonl"
    monkeypatch.setenv("LABKIT_CHECK_LOG", str(log))
    check("conv-output-size", ...)
    check("conv-output-size", output_size)
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(entry["exercise"], entry["status"]) for entry in entries] == [
        ("conv-output-size", NOT_ATTEMPTED),
        ("conv-output-size", RIGHT),
    ]
    assert [verdict.status for verdict in record()[-2:]] == [NOT_ATTEMPTED, RIGHT]


def test_a_solution_shows_after_an_attempt():
    assert "Try it first" in repr(solution("conv-output-size"))
    check("conv-output-size", ...)
    assert "Try it first" in solution("conv-output-size")._repr_html_()
    check("conv-output-size", lambda *sizes: (0, 0))
    assert "P = (H + 2 * padding - R) // stride + 1" in repr(solution("conv-output-size"))
    assert "<pre>" in solution("conv-output-size")._repr_html_()


def test_a_solution_shows_anyway():
    assert "def output_size" in repr(solution("conv-output-size", anyway=True))


@pytest.mark.parametrize("exercise", bank.exercises().values(), ids=lambda exercise: exercise.id)
def test_a_shown_solution_stands_alone(exercise):
    """What a learner copies from `solution` runs with NumPy, and what its notebook imports, alone, and is right."""
    space = {"np": np, "Move": Move}
    if exercise.run:
        space |= {"cuda": cuda, "float32": float32, "MOST_THREADS": MOST_THREADS, "PIXELS": PIXELS, "ROW": ROW}
    text, cell = repr(solution(exercise.id, anyway=True)), f"<cell of {exercise.id}>"
    linecache.cache[cell] = (len(text), None, text.splitlines(keepends=True), cell)  # as IPython keeps a cell's text
    exec(compile(text, cell, "exec"), space)
    assert examine(exercise, space[exercise.reference.__name__], 60).status == RIGHT


def test_hints_come_one_after_the_other():
    assert "hint 1 of 3" in repr(hint("conv-output-size"))
    assert "hint 2 of 3" not in repr(hint("conv-output-size"))
    assert "hint 3 of 3" in repr(hint("conv-output-size", 3))
    closed, two = hint("conv-output-size")._repr_html_(), hint("conv-output-size", 2)._repr_html_()
    assert (closed.count("<details"), closed.count("<details open")) == (3, 0)
    assert two.count("<details open") == 2
    assert closed.index("Hint 1") < closed.index("Hint 2") < closed.index("</details>")  # nested, in order
    with pytest.raises(LabError, match="it has 3"):
        hint("conv-output-size", 4)


def test_an_unknown_exercise_is_refused():
    with pytest.raises(LabError, match="did you mean 'conv-output-size'"):
        check("conv-output-sizes", ...)
