"""Notebooks run headless: each in a fresh kernel, offline, in a folder of its own, under a time limit."""

import json
import os
import time
from pathlib import Path

import pytest

FIXTURE = Path(__file__).parent / "fixture"
SECONDS = 60

# Read by every Python process that a notebook starts: connections that leave the machine fail, and are written down.
OFFLINE = """
import os, socket

def _stay(host):
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost", "::1", "0.0.0.0", socket.gethostname()) or name.startswith("127."):
        return
    with open(os.environ["LABKIT_REQUESTS_LOG"], "a") as log:
        log.write(f"{name}\\n")
    raise OSError(f"this notebook wanted to reach {name}")

def _guarded(owner, name, host_of):
    original = getattr(owner, name)
    def call(*args, **keywords):
        _stay(host_of(args))
        return original(*args, **keywords)
    setattr(owner, name, call)

for name in ("connect", "connect_ex"):
    _guarded(socket.socket, name, lambda args: args[1][0] if isinstance(args[1], tuple) else None)
_guarded(socket, "getaddrinfo", lambda args: args[0])
"""


def time_limit_s(notebook: dict) -> float:
    """What the notebook asks for (60 s if nothing), longer where other work shares the cores."""
    asked = notebook["metadata"].get("labkit", {}).get("time_limit_s", SECONDS)
    return asked * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@pytest.fixture
def run_headless(tmp_path):
    """`run_headless(notebook)`: (executed notebook, entries of the check log, requests that wanted to leave)."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")

    def run(notebook: dict):
        guard = tmp_path / "guard"
        guard.mkdir()
        (guard / "sitecustomize.py").write_text(OFFLINE)
        checks, requests = tmp_path / "checks.jsonl", tmp_path / "requests"
        env = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, (str(guard), os.environ.get("PYTHONPATH")))),
            "LABKIT_LEDGER": str(tmp_path / "ledger.json"),
            "LABKIT_CHECK_LOG": str(checks),
            "LABKIT_REQUESTS_LOG": str(requests),
            "IPYTHONDIR": str(tmp_path / "ipython"),
        }
        deadline = time.monotonic() + time_limit_s(notebook)
        work = tmp_path / "notebooks"
        work.mkdir()
        client = nbclient.NotebookClient(
            nbformat.from_dict(notebook),
            timeout_func=lambda cell: max(1, int(deadline - time.monotonic())),
            kernel_name="python3",
            resources={"metadata": {"path": str(work)}},
        )
        executed = client.execute(env=env)
        entries = [json.loads(line) for line in checks.read_text().splitlines()] if checks.exists() else []
        return executed, entries, requests.read_text() if requests.exists() else ""

    return run
