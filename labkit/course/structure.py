"""What every notebook of the course has to look like, as a list of complaints about one that does not.

- The first cell is prose: a title, `Time`, the routes of 20, 50 and 90 minutes, `Goals`, and links to the notebooks
  before and after it.
- Its last three headings are `## Takeaways`, `## Self-quiz` (with a call of `quiz`) and `## Claims`.
- A cell holds at most twelve lines of code, and no `def` or `class`, unless it is an exercise: nbgrader metadata with
  `"solution": true`, and `### BEGIN SOLUTION` inside a function, so that the stub raises only when it is called.
- A cell that calls `check` is marked `"grade": true` for nbgrader, and names an exercise of the bank.
- Every prediction is revealed.

The source is `notebooks/src/NN_name.py`, percent format. An exercise cell starts with the first of these lines, the
cell of its check with the second; the build adds the keys of nbgrader's schema 3 that are not written:

    # %% nbgrader={"grade_id": "size", "solution": true}
    # %% nbgrader={"grade_id": "size-check", "grade": true, "points": 1}

A notebook that needs more than 60 seconds says so in its header (`# jupyter:`, `labkit: time_limit_s: 120`).

The instructor's notes are `notebooks/instructor/NN_name.md`, with the headings of NOTES in this order.
"""

import ast
import re

from labkit.course import bank
from labkit.course.editions import has_solution
from labkit.errors import LabError

MOST_LINES = 12
ENDING = ("Takeaways", "Self-quiz", "Claims")
NOTES = {"Timing": 0, "Likely wrong predictions": 0, "Demo in three stops": 3, "Rubric": 3, "Without a GPU": 0}
CALL = re.compile(r"\b(predict|reveal|check|hint|solution|exercise|quiz)\(\s*[\"']([^\"']+)[\"']")


def problems(name: str, notebook: dict, names: list[str]) -> list[str]:
    """Complaints about notebook `name`, in its clean edition; `names` lists all notebooks of the course in order."""
    cells = notebook["cells"]
    if not cells:
        return [f"{name}: it has no cells"]
    found = [*_first(cells[0], name, names), *_ending(name, cells), *_ids(cells), *_predictions(cells)]
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            found += [f"cell {number}: {complaint}" for complaint in _code(cell)]
    return [f"{name}: {complaint}" for complaint in found]


def note_problems(name: str, text: str) -> list[str]:
    """Complaints about the instructor's notes: a part that is missing, empty, or has not three numbered points."""
    parts = dict(re.findall(r"^## (.+?)\s*\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    found = [] if tuple(parts) == tuple(NOTES) else [f"the headings are {tuple(parts)}, not {tuple(NOTES)}"]
    for part, points in NOTES.items():
        body = parts.get(part, "")
        numbered = len(re.findall(r"^\d+\. ", body, re.MULTILINE))
        if part in parts and not body.strip():
            found.append(f"{part!r} is empty")
        elif part in parts and points and numbered != points:
            found.append(f"{part!r} has {numbered} numbered points, not {points}")
    return [f"instructor/{name}.md: {complaint}" for complaint in found]


def code_lines(source: str) -> int:
    """Lines that are neither blank nor a comment."""
    return sum(1 for line in source.split("\n") if line.strip() and not line.strip().startswith("#"))


def _first(cell: dict, name: str, names: list[str]) -> list[str]:
    text = cell["source"]
    wanted = ["Time", "20 minutes", "50 minutes", "90 minutes", "Goals"]
    place = names.index(name)
    wanted += [f"]({other}.ipynb)" for other in (*names[max(0, place - 1) : place], *names[place + 1 : place + 2])]
    if cell["cell_type"] != "markdown" or not text.startswith("# "):
        return ["the first cell has to be prose that starts with a title ('# ...')"]
    return [f"the first cell lacks {part!r}" for part in wanted if part not in text]


def _ending(name: str, cells: list[dict]) -> list[str]:
    prose = "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "markdown")
    headings = tuple(re.findall(r"^## (.+?)\s*$", prose, re.MULTILINE))
    found = []
    if headings[-3:] != ENDING:
        found.append(f"the last three headings are {headings[-3:]}, not {ENDING}")
    if not any(call == ("quiz", name[:2]) for call in _calls(cells)):
        found.append(f'it never calls quiz("{name[:2]}")')
    return found


def _calls(cells: list[dict]) -> list[tuple[str, str]]:
    return [call for cell in cells if cell["cell_type"] == "code" for call in CALL.findall(cell["source"])]


def _ids(cells: list[dict]) -> list[str]:
    """Names of exercises and quizzes that the bank does not have, and grade ids that are used twice."""
    found = []
    for function, id in _calls(cells):
        try:
            if function in ("check", "hint", "solution", "exercise"):
                bank.exercise(id)
            elif function == "quiz":
                bank.quiz_of(id)
        except LabError as error:
            found.append(str(error))
    grade_ids = [cell["metadata"]["nbgrader"].get("grade_id") for cell in cells if "nbgrader" in cell["metadata"]]
    return found + [f"grade_id {id!r} is used twice" for id in sorted({x for x in grade_ids if grade_ids.count(x) > 1})]


def _predictions(cells: list[dict]) -> list[str]:
    calls = _calls(cells)
    asked = [id for function, id in calls if function == "predict"]
    shown = {id for function, id in calls if function == "reveal"}
    return [f"prediction {id!r} is never revealed" for id in dict.fromkeys(asked) if id not in shown]


def _code(cell: dict) -> list[str]:
    source, grader = cell["source"], cell["metadata"].get("nbgrader", {})
    exercise = bool(grader.get("solution"))
    found = []
    if grader and not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", str(grader["grade_id"])):
        found.append("nbgrader metadata needs a grade_id of letters, digits, - and _")
    if exercise != has_solution(source):
        found.append('"solution": true and ### BEGIN SOLUTION go together')
    if re.search(r"^### BEGIN SOLUTION", source, re.MULTILINE):
        found.append("### BEGIN SOLUTION has to stand inside a function, indented")
    if any(function == "check" for function, _ in CALL.findall(source)) and not (exercise or grader.get("grade")):
        found.append('a check needs nbgrader metadata with "grade": true')
    if not exercise:
        found += _plain(source)
    return found


def _plain(source: str) -> list[str]:
    """Complaints about a code cell that is no exercise."""
    found = []
    if code_lines(source) > MOST_LINES:
        found.append(f"{code_lines(source)} lines of code, at most {MOST_LINES} outside exercises")
    python = "\n".join("pass" if line.lstrip().startswith(("%", "!")) else line for line in source.split("\n"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    if any(isinstance(node, kinds) for node in ast.walk(ast.parse(python))):
        found.append("a def or class outside an exercise: put it into the package")
    return found
