"""Every notebook runs twice, each time in a fresh kernel: as students open it, and solved."""

import re
from pathlib import Path

import pytest

from labkit.course.editions import edition
from labkit.course.release import parse
from labkit.course.verdict import NOT_ATTEMPTED, RIGHT

HERE = Path(__file__).parent
SOURCES = sorted((HERE.parents[1] / "notebooks" / "src").glob("[0-9][0-9]_*.py"))
SOURCES += sorted((HERE / "fixture" / "src").glob("*.py"))
pytestmark = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


def asked(notebook):
    """Ids of the exercises that the notebook checks, in order."""
    code = "\n".join(cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code")
    return re.findall(r"\bcheck\(\s*[\"']([^\"']+)", code)


def complaints(executed):
    """What cells wrote to stderr (warnings, messages about a broken ledger)."""
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    return [output["text"] for output in outputs if output.get("name") == "stderr"]


def test_released(source, run_headless):
    notebook = edition(parse(source), "student")
    executed, checks, requests = run_headless(notebook)
    assert [(check["exercise"], check["status"]) for check in checks] == [(id, NOT_ATTEMPTED) for id in asked(notebook)]
    assert not requests
    assert not complaints(executed)


def test_solved(source, run_headless):
    notebook = edition(parse(source), "solution")
    executed, checks, requests = run_headless(notebook)
    assert [(check["exercise"], check["status"]) for check in checks] == [(id, RIGHT) for id in asked(notebook)]
    assert not requests
    assert not complaints(executed)
