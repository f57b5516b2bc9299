"""From `notebooks/src/NN_name.py` to notebooks: `python -m labkit.course.release build [--check]` and `editions DIR`.

The source holds the solutions; the committed `notebooks/NN_name.ipynb` is what students open, with stubs in their
place. That is why the build goes one way only: jupytext's pairing (`--sync`) would carry the solutions into the
notebook, and a notebook's stubs back into the source. jupytext only parses here. A build has no outputs, no execution
counts, and cell ids made from the cell's name or place (jupytext draws random ones), so two builds are identical to the
byte. `build --check` writes nothing and lists what differs; the guard in tests/notebooks calls it.
"""

import argparse
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from labkit.course.editions import EDITIONS, edition
from labkit.course.structure import note_problems, problems
from labkit.errors import LabError

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
KEPT_METADATA = ("nbgrader", "tags")


def sources(notebooks: Path) -> list[Path]:
    """The sources of all notebooks in order; raises LabError where there are none."""
    found = sorted((notebooks / "src").glob("[0-9][0-9]_*.py"))
    if not found:
        raise LabError(f"no sources NN_name.py in {notebooks / 'src'}", "name the folder with --notebooks DIR")
    return found


def parse(source: Path) -> dict:
    """The clean edition: cells as written, markers included, with metadata that never varies."""
    jupytext = _tool("jupytext")
    try:
        parsed = jupytext.read(source, fmt="py:percent")
    except Exception as error:  # jupytext lets errors of its parsers through as they are
        raise LabError(f"{source} is not a notebook in percent format ({error})", "cells start with '# %%'") from error
    header = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    if "labkit" in parsed.metadata:
        header["labkit"] = parsed.metadata["labkit"]
    cells = [_cell(cell, number) for number, cell in enumerate(parsed.cells)]
    return {"cells": cells, "metadata": header, "nbformat": 4, "nbformat_minor": 5}


def _cell(cell: dict, number: int) -> dict:
    metadata = {key: cell["metadata"][key] for key in KEPT_METADATA if key in cell["metadata"]}
    name = f"cell-{number:02d}"
    if "nbgrader" in metadata:
        metadata["nbgrader"] = _graded(metadata["nbgrader"], name)
        name = metadata["nbgrader"]["grade_id"]
    made = {"cell_type": cell["cell_type"], "id": name, "metadata": metadata, "source": cell["source"]}
    return made | ({"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {})


def _graded(written: dict, name: str) -> dict:
    """nbgrader's schema 3, complete: a graded cell is locked, and counts one point unless it says otherwise."""
    graded = bool(written.get("grade"))
    base = {"grade": False, "grade_id": name, "locked": graded, "schema_version": 3, "solution": False, "task": False}
    return base | ({"points": 1} if graded else {}) | written


def render(notebook: dict) -> str:
    """The text of the .ipynb file. Raises LabError if it is no valid notebook."""
    nbformat = _tool("nbformat")
    node = nbformat.from_dict(notebook)
    try:
        nbformat.validate(node)
    except nbformat.ValidationError as error:
        raise LabError(f"the notebook would not be valid: {error.message}", "mend its source") from error
    return nbformat.writes(node).rstrip("\n") + "\n"


def build(notebooks: Path) -> dict[Path, str]:
    """The text of every committed notebook (the student edition), by the path where it belongs."""
    built = {}
    for source in sources(notebooks):
        try:
            built[notebooks / f"{source.stem}.ipynb"] = render(edition(parse(source), "student"))
        except LabError as error:
            raise LabError(f"{source.name}: {error.what}", error.instead) from error
    return built


def drift(notebooks: Path) -> list[str]:
    """What differs between the sources and the notebooks that are there: missing, extra or changed files, by cell."""
    nbformat = _tool("nbformat")
    built = build(notebooks)
    found = [f"{path.name} has no source" for path in sorted(notebooks.glob("*.ipynb")) if path not in built]
    for path, text in built.items():
        if not path.is_file():
            found.append(f"{path.name} has not been built")
        elif path.read_text(encoding="utf-8") != text:
            wanted, there = (nbformat.reads(t, as_version=4).cells for t in (text, path.read_text(encoding="utf-8")))
            found.append(f"{path.name} differs from its source: {_first_difference(there, wanted)}")
    return found


def _first_difference(there: list[dict], wanted: list[dict]) -> str:
    for number, (one, other) in enumerate(zip(there, wanted, strict=False)):
        if (one["cell_type"], one["source"]) != (other["cell_type"], other["source"]):
            return f"cell {number} ({other['cell_type']}) starts {one['source'][:60]!r}, not {other['source'][:60]!r}"
    if len(there) != len(wanted):
        return f"{len(there)} cells instead of {len(wanted)}"
    return "outputs, counts or metadata (clear them: build again)"


def write_editions(notebooks: Path, out: Path) -> list[Path]:
    """All editions of all notebooks under `out`/student, solution and clean, and the instructor's notes beside them."""
    written = []
    for source in sources(notebooks):
        parsed = parse(source)
        for name in EDITIONS:
            path = out / name / f"{source.stem}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(render(edition(parsed, name)), encoding="utf-8")
            written.append(path)
    for notes in sorted((notebooks / "instructor").glob("*.md")):
        (out / "instructor").mkdir(exist_ok=True)
        written.append(Path(shutil.copy(notes, out / "instructor" / notes.name)))
    return written


def all_problems(notebooks: Path) -> list[str]:
    """Complaints about every notebook and the instructor's notes: what labkit.course.structure says, and pairing."""
    paths = sources(notebooks)
    names = [path.stem for path in paths]
    paired = [path for path in paths if re.search(r"^#\s+formats:", path.read_text(encoding="utf-8"), re.MULTILINE)]
    found = [f"{path.stem}: its header pairs it; drop 'formats', or jupytext writes solutions out" for path in paired]
    for path in paths:
        found += problems(path.stem, parse(path), names)
        notes = notebooks / "instructor" / f"{path.stem}.md"
        found += note_problems(path.stem, notes.read_text(encoding="utf-8") if notes.is_file() else "")
    return found


def _tool(name: str) -> ModuleType:
    """A package that only those need who build notebooks."""
    try:
        return __import__(name)
    except ImportError:
        raise LabError(f"building notebooks needs {name}", 'type: pip install -e ".[dev]"') from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 notebooks and sources differ or break a rule, 2 it could not run as asked."""
    parser = argparse.ArgumentParser(prog="python -m labkit.course.release", description="Build the notebooks.")
    parser.add_argument("--notebooks", type=Path, default=Path("notebooks"), help="folder of the notebooks")
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser("build", help="write notebooks/*.ipynb (the student edition) from src/*.py")
    builder.add_argument("--check", action="store_true", help="write nothing; list what differs")
    commands.add_parser("editions", help="write all editions, for instructors").add_argument("out", type=Path)
    asked = parser.parse_args(arguments)
    try:
        return _run(asked)
    except LabError as error:
        print(f"labkit: {error}", file=sys.stderr)
        return 2


def _run(asked: argparse.Namespace) -> int:
    if asked.command == "editions":
        for path in write_editions(asked.notebooks, asked.out):
            print(path)
        return 0
    if not asked.check:
        for path, text in build(asked.notebooks).items():
            path.write_text(text, encoding="utf-8")
            print(path)
    found = (drift(asked.notebooks) if asked.check else []) + all_problems(asked.notebooks)
    for complaint in found:
        print(complaint, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
