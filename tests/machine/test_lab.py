"""Opening JupyterLab: which folder, which notebook, which port, with what on the command line, and how it ends."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.errors import LabError
from labkit.machine import lab
from labkit.machine.lab import LabServer, checkout, choose_port, find_notebook, port_is_free


@pytest.fixture
def clone(tmp_path, monkeypatch) -> Path:
    """A folder that looks like a checkout with two notebooks; the current folder is inside it."""
    for name in ("notebooks/00_start_here.ipynb", "notebooks/01_training_math.ipynb", "labkit/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    monkeypatch.chdir(tmp_path / "notebooks")
    return tmp_path.resolve()


def test_the_checkout_is_found_from_inside(clone):
    assert checkout() == clone


def test_elsewhere_it_is_labkits_own(tmp_path, root):
    assert checkout(tmp_path) == root


def test_without_notebooks_it_says_what_to_type(tmp_path, monkeypatch):
    monkeypatch.setattr(lab, "__file__", str(tmp_path / "site-packages/labkit/machine/lab.py"))
    with pytest.raises(LabError, match=r"no notebooks folder in .* — change into the folder .*cd "):
        checkout(tmp_path)


@pytest.mark.parametrize("name", [None, "", "00_start_here", "00_start_here.ipynb"])
def test_the_first_notebook(clone, name):
    assert find_notebook(clone, name) == "notebooks/00_start_here.ipynb"


def test_a_notebook_is_found_from_the_top_as_well(clone, monkeypatch):
    monkeypatch.chdir(clone)
    assert find_notebook(clone, "notebooks/01_training_math.ipynb") == "notebooks/01_training_math.ipynb"


def test_a_path_from_the_top_is_found_from_below(clone):
    assert find_notebook(clone, "notebooks/01_training_math.ipynb") == "notebooks/01_training_math.ipynb"


def test_a_wrong_name_gets_the_closest(clone):
    with pytest.raises(LabError, match="did you mean '01_training_math'"):
        find_notebook(clone, "01_training")


def test_an_empty_folder_says_how_to_fill_it(clone):
    for path in (clone / "notebooks").glob("*.ipynb"):
        path.unlink()
    with pytest.raises(LabError, match="git checkout -- notebooks"):
        find_notebook(clone, None)


def test_the_first_free_port_is_taken():
    assert choose_port(is_free=lambda port: port == 8890) == 8890


def test_a_named_port_must_be_free():
    assert choose_port(9000, is_free=lambda port: True) == 9000
    with pytest.raises(LabError, match="port 9000 is taken"):
        choose_port(9000, is_free=lambda port: False)


def test_no_port_at_all():
    with pytest.raises(LabError, match="8888 to 8987 are all taken"):
        choose_port(is_free=lambda port: False)


def test_a_port_with_a_listener_is_not_free():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert not port_is_free(listener.getsockname()[1])


def test_command_binds_to_this_machine_and_asks_nothing_outside(tmp_path):
    server = LabServer(tmp_path, "notebooks/x.ipynb", 8899, browser=False)
    words = server.command
    for option in (
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port=8899",
        "--ServerApp.port_retries=0",
        "--ServerApp.open_browser=False",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.default_url=/lab/tree/notebooks/x.ipynb",
    ):
        assert option in words


def test_token_is_random_and_neither_printed_nor_on_the_command_line(tmp_path):
    one, two = (LabServer(tmp_path, "x.ipynb", 8899) for _ in range(2))
    assert one.token != two.token and len(one.token) >= 32
    assert one.url.endswith(f"/lab/tree/x.ipynb?token={one.token}")
    assert one.token not in " ".join(one.command) and one.token not in repr(one)


def start(monkeypatch, tmp_path, code: str) -> LabServer:
    """A server whose command is a small Python program instead of JupyterLab."""
    monkeypatch.setattr(LabServer, "command", [sys.executable, "-c", code])
    return LabServer(tmp_path, "x.ipynb", choose_port())


ANSWERING = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path.endswith("token=" + os.environ["JUPYTER_TOKEN"]) else 403)
        self.end_headers()
    def log_message(self, *words):
        pass
http.server.HTTPServer(("127.0.0.1", {port}), Handler).serve_forever()
"""


def test_it_is_ready_once_it_answers_and_nothing_is_left_over(monkeypatch, tmp_path):
    server = LabServer(tmp_path, "x.ipynb", choose_port())
    monkeypatch.setattr(LabServer, "command", [sys.executable, "-c", ANSWERING.format(port=server.port)])
    seen = []

    def ready(s):
        seen.append(lab.answers(s))
        raise KeyboardInterrupt

    assert lab.serve(server, ready) == 0
    assert seen == [True]
    assert port_is_free(server.port) and not lab.answers(server)


def test_a_server_that_ends_at_once_is_an_error(monkeypatch, tmp_path):
    server = start(monkeypatch, tmp_path, "raise SystemExit(7)")
    with pytest.raises(LabError, match=r"ended with status 7 — .*labkit doctor"):
        lab.serve(server, lambda s: pytest.fail("it never was ready"))


def test_a_silent_server_is_given_up(monkeypatch, tmp_path):
    server = start(monkeypatch, tmp_path, "import time; time.sleep(60)")
    process = subprocess.Popen(server.command)
    try:
        with pytest.raises(LabError, match="did not answer within 0 s"):
            lab.wait_until_ready(process, server, timeout_s=0.3)
    finally:
        lab.stop(process)
    assert process.poll() is not None


def test_a_terminal_in_the_lab_finds_labkit(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", os.defpath)
    environment = LabServer(tmp_path, "x.ipynb", 8899).environment
    assert environment["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert environment["PATH"].endswith(os.defpath)


def test_the_labs_settings_come_before_the_users_own(monkeypatch, tmp_path):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/their/own")
    environment = LabServer(tmp_path, "x.ipynb", 8899).environment
    first, *others = environment["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert others == ["/their/own"]
    switched_off = json.loads((Path(first) / "labconfig" / "page_config.json").read_text())["disabledExtensions"]
    assert switched_off == {"@jupyterlab/apputils-extension:announcements": True}
