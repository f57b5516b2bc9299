"""The build and its guard: committed notebooks are what their sources say, to the byte."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.course import release
from labkit.course.structure import code_lines, note_problems, problems

FIXTURE = Path(__file__).parent / "fixture"
pytest.importorskip("jupytext")


@pytest.fixture
def notebooks(tmp_path):
    """A folder of notebooks that is built and in order."""
    folder = tmp_path / "notebooks"
    shutil.copytree(FIXTURE, folder)
    assert release.main(["--notebooks", str(folder), "build"]) == 0
    return folder


def run(folder, *arguments):
    return release.main(["--notebooks", str(folder), *arguments])


def test_committed_notebooks_are_what_their_sources_say(root):
    assert release.drift(root / "notebooks") == []


def test_committed_notebooks_follow_the_rules(root):
    assert release.all_problems(root / "notebooks") == []


def test_two_builds_are_identical(notebooks):
    first = (notebooks / "01_fixture.ipynb").read_bytes()
    (notebooks / "01_fixture.ipynb").unlink()
    command = [sys.executable, "-m", "labkit.course.release", "--notebooks", str(notebooks), "build"]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    assert (notebooks / "01_fixture.ipynb").read_bytes() == first


def test_what_students_get_holds_no_solution_and_no_output(notebooks):
    text = (notebooks / "01_fixture.ipynb").read_text()
    assert "SOLUTION" not in text
    assert "HIDDEN" not in text
    assert "(W + 2 * padding - S)" not in text
    cells = json.loads(text)["cells"]
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells)
    assert len({cell["id"] for cell in cells}) == len(cells)


def test_nbgrader_metadata_is_complete(notebooks):
    cells = json.loads((notebooks / "01_fixture.ipynb").read_text())["cells"]
    graders = {cell["id"]: cell["metadata"]["nbgrader"] for cell in cells if "nbgrader" in cell["metadata"]}
    base = {"schema_version": 3, "task": False}
    exercise = {"grade_id": "fixture-exercise", "grade": False, "locked": False, "solution": True}
    graded = {"grade_id": "fixture-check", "grade": True, "locked": True, "solution": False, "points": 2}
    assert graders == {"fixture-exercise": base | exercise, "fixture-check": base | graded}


def edit(folder, change):
    path = folder / "01_fixture.ipynb"
    notebook = json.loads(path.read_text())
    change(notebook["cells"])
    path.write_text(json.dumps(notebook, indent=1) + "\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda cells: cells[3].update(source="x = 1"), "cell 3"),
        (lambda cells: cells.pop(), "cells instead of"),
        (lambda cells: cells[3].update(execution_count=7), "clear them"),
    ],
)
def test_drift_is_found_and_named(notebooks, capsys, change, said):
    assert run(notebooks, "build", "--check") == 0
    edit(notebooks, change)
    assert run(notebooks, "build", "--check") == 1
    assert said in capsys.readouterr().err
    assert run(notebooks, "build") == 0
    assert run(notebooks, "build", "--check") == 0


def test_missing_and_extra_notebooks_are_found(notebooks, capsys):
    (notebooks / "01_fixture.ipynb").rename(notebooks / "99_extra.ipynb")
    assert run(notebooks, "build", "--check") == 1
    said = capsys.readouterr().err
    assert "01_fixture.ipynb has not been built" in said
    assert "99_extra.ipynb has no source" in said


def test_editions_for_instructors(notebooks, tmp_path):
    out = tmp_path / "out"
    assert run(notebooks, "editions", str(out)) == 0
    text = {name: (out / name / "01_fixture.ipynb").read_text() for name in ("student", "solution", "clean")}
    assert text["student"] == (notebooks / "01_fixture.ipynb").read_text()
    assert "(W + 2 * padding - S)" in text["solution"]
    assert "SOLUTION" not in text["solution"]
    assert "### BEGIN SOLUTION" in text["clean"]
    assert (out / "instructor" / "01_fixture.md").is_file()


def test_it_says_what_to_type_where_it_cannot_run(tmp_path, capsys):
    assert run(tmp_path, "build") == 2
    assert "--notebooks DIR" in capsys.readouterr().err


SOURCE = (FIXTURE / "src" / "01_fixture.py").read_text()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("20 minutes", "soon", "lacks '20 minutes'"),
        ("Goals:", "Aims:", "lacks 'Goals'"),
        ("# # A notebook", "# A notebook", "starts with a title"),
        ("## Takeaways", "## Summary", "last three headings"),
        ('quiz("01")', "None", 'never calls quiz("01")'),
        ('quiz("01")', 'quiz("77")', "no quiz '77'"),
        ('reveal("fixture-size"', 'reveal("other-size"', "'fixture-size' is never revealed"),
        ('hint("conv-output-size")', 'hint("conv-output")', "no exercise 'conv-output'"),
        ("rows = (32 - 5) // 1 + 1", "def f():\n    return 1", "a def or class outside"),
        ("rows = (32 - 5) // 1 + 1", "x = 1\n" * 13, "lines of code"),
        ("    ### BEGIN SOLUTION", "### BEGIN SOLUTION", "inside a function"),
        (', "solution": true', "", "go together"),
        ('"grade_id": "fixture-check"', '"grade_id": "fixture-exercise"', "used twice"),
        (', "grade": true, "points": 2', "", "a check needs nbgrader metadata"),
        ('"grade_id": "fixture-check"', '"grade_id": "a b"', "needs a grade_id"),
        ("#   labkit:", "#   jupytext:\n#     formats: ipynb,py\n#   labkit:", "its header pairs it"),
    ],
)
def test_each_rule_is_enforced(notebooks, old, new, said):
    assert old in SOURCE
    (notebooks / "src" / "01_fixture.py").write_text(SOURCE.replace(old, new))
    assert any(said in complaint for complaint in release.all_problems(notebooks))


def test_links_to_the_neighbours_are_required(notebooks):
    shutil.copy(notebooks / "src" / "01_fixture.py", notebooks / "src" / "02_next.py")
    found = release.all_problems(notebooks)
    assert "01_fixture: the first cell lacks '](02_next.ipynb)'" in found
    assert "02_next: the first cell lacks '](01_fixture.ipynb)'" in found


def test_a_notebook_without_cells():
    assert problems("01_a", {"cells": [], "metadata": {}}, ["01_a"]) == ["01_a: it has no cells"]


def test_comments_and_blank_lines_are_no_code():
    assert code_lines("# a\n\nx = 1  # b\n") == 1


def test_notes_for_instructors_have_their_parts():
    notes = (FIXTURE / "instructor" / "01_fixture.md").read_text()
    assert note_problems("01_a", notes) == []
    assert "headings" in note_problems("01_a", notes.replace("## Rubric", "## Marks"))[0]
    assert "2 numbered points" in note_problems("01_a", notes.replace("3. Close it.", "Close it."))[0]
    assert "'Timing' is empty" in note_problems("01_a", notes.replace("No time at all.", ""))[0]
    assert "headings" in note_problems("01_a", "")[0]
