"""Editions: what students, solvers and instructors get of a cell."""

import pytest

from labkit.course.editions import edition, solved, student
from labkit.errors import LabError

CELL = """def f(x):
    y = x + 1
    ### BEGIN SOLUTION
    z = 2 * y
    if z > 3:
        z = 3
    ### END SOLUTION
    return z
### BEGIN HIDDEN TESTS
assert f(1) == 3
### END HIDDEN TESTS"""


def notebook(*sources):
    return {"cells": [{"cell_type": "code", "source": source, "metadata": {}} for source in sources], "metadata": {}}


def test_students_get_a_stub_in_place_and_no_hidden_test():
    lines = student(CELL).split("\n")
    assert lines[:2] == ["def f(x):", "    y = x + 1"]
    assert lines[2].startswith("    raise NotImplementedError(")
    assert lines[3:] == ["    return z"]


def test_solvers_get_all_of_it_without_markers():
    assert solved(CELL) == "\n".join(line for line in CELL.split("\n") if "###" not in line)


def test_instructors_get_it_as_written():
    made = notebook(CELL)
    assert edition(made, "clean") == made


def test_the_argument_is_left_as_it_was():
    made = notebook(CELL)
    assert edition(made, "student") != made
    assert made == notebook(CELL)


def test_prose_is_never_touched():
    made = {"cells": [{"cell_type": "markdown", "source": CELL, "metadata": {}}], "metadata": {}}
    assert edition(made, "student") == made


def test_two_regions_give_two_stubs():
    second = "def g(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION"
    assert student(f"{CELL}\n{second}").count("raise NotImplementedError") == 2


@pytest.mark.parametrize(
    "source",
    [
        "### BEGIN SOLUTION\nx = 1",
        "x = 1\n### END SOLUTION",
        "### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION",
        "### BEGIN HIDDEN TESTS\nx = 1",
    ],
)
def test_markers_that_do_not_pair_up_are_refused(source):
    with pytest.raises(LabError, match=r"BEGIN|END"):
        edition(notebook(source), "student")


def test_an_unknown_edition_is_refused():
    with pytest.raises(LabError, match="student, solution, clean"):
        edition(notebook("x"), "teacher")
