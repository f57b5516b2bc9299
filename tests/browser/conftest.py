"""Fixtures that open notebooks of this course in JupyterLab, in a real Chromium, and never leave either running."""

import shutil
import sys
from pathlib import Path

import nbformat
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode keeps test folders off the path; helpers live here

INSTALL = "no Chromium found: install it with `apt-get install chromium` (or your system's package)"


@pytest.fixture(scope="session")
def artifacts(root):
    """Folder for screenshots; git ignores it, and CI keeps it."""
    folder = root / "artifacts"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def _chromium():
    from lab_harness import Chromium

    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    browser = Chromium(program) if program else None
    yield browser
    if browser:
        browser.close()


@pytest.fixture
def chromium(require, _chromium):
    """One browser for the session."""
    require(_chromium, INSTALL)
    return _chromium


@pytest.fixture(scope="session")
def _server(root, tmp_path_factory):
    from lab_harness import lab_server

    served = tmp_path_factory.mktemp("served")
    for notebook in (root / "notebooks").glob("*.ipynb"):
        shutil.copy(notebook, served)
    with lab_server(served, tmp_path_factory.mktemp("jupyter")) as server:
        yield server


@pytest.fixture
def lab(chromium, request):
    """A JupyterLab that serves a copy of notebooks/ for the whole session."""
    return request.getfixturevalue("_server")


@pytest.fixture
def write_notebook(lab):
    """`write_notebook(name, source, ...)`: a notebook of code cells in the served folder; returns its file name."""

    def write(name: str, *cells: str) -> str:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, lab.root / f"{name}.ipynb")
        return f"{name}.ipynb"

    return write
