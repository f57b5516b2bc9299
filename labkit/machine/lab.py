"""Opens JupyterLab on a notebook of the checkout: bound to this machine, behind a random token, quiet.

The token travels in the environment of the server, never on its command line, which every user of a shared machine
can read.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from labkit.errors import LabError, suggest

FIRST_NOTEBOOK = "00_start_here"
FIRST_PORT, PORTS = 8888, 100
SETTINGS = Path(__file__).parent / "jupyter"  # switches off the question about news, which covers a corner of the page
START_TIMEOUT_S = 90.0  # JupyterLab answers after 2-3 s; a laptop that is waking its disk may need far longer
STOP_TIMEOUT_S = 10.0
TERMINATED = 143  # 128 + SIGTERM


@dataclass(frozen=True)
class LabServer:
    """What one run of JupyterLab is started with. `notebook` is relative to `root`, with forward slashes."""

    root: Path
    notebook: str
    port: int
    browser: bool = True
    token: str = field(default_factory=lambda: secrets.token_hex(24), repr=False)

    @property
    def base(self) -> str:
        """Address of the server, without the token."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """What a browser opens."""
        return f"{self.base}/lab/tree/{self.notebook}?token={self.token}"

    @property
    def environment(self) -> dict[str, str]:
        """Environment of the server: this process's own, with the token and the lab's settings of JupyterLab.

        The folder of this Python's programs comes first on the PATH, so that a terminal in the lab finds `labkit` also
        where nobody has activated the virtual environment.
        """
        first = {"JUPYTER_CONFIG_PATH": SETTINGS, "PATH": Path(sys.executable).parent}
        paths = {name: os.pathsep.join(filter(None, [str(p), os.environ.get(name)])) for name, p in first.items()}
        return os.environ | paths | {"JUPYTER_TOKEN": self.token}

    @property
    def command(self) -> list[str]:
        """The command line, with this Python's JupyterLab; no request of it leaves the machine."""
        options = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": self.port,
            "ServerApp.port_retries": 0,
            "ServerApp.open_browser": self.browser,
            "ServerApp.root_dir": self.root,
            "ServerApp.answer_yes": True,  # one Ctrl-C is enough
            "ServerApp.allow_root": True,  # containers run as root, and the server listens to this machine only
            "LabApp.default_url": f"/lab/tree/{self.notebook}",
            "LabApp.news_url": None,
            "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
            "Application.log_level": "ERROR",
        }
        return [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())]


def checkout(start: Path | None = None) -> Path:
    """The folder that holds `notebooks/`: `start` (default: the current folder), one above it, or labkit's own.

    Raises `LabError` where none of them does, for instance when labkit was installed without its checkout.
    """
    here = (start or Path.cwd()).resolve()
    candidates = [here, *here.parents, Path(__file__).resolve().parents[2]]
    for folder in candidates:
        if (folder / "notebooks").is_dir() and (folder / "labkit").is_dir():
            return folder
    raise LabError(f"no notebooks folder in {here}", "change into the folder that `git clone` made: cd <that folder>")


def find_notebook(root: Path, name: str | None) -> str:
    """Path of a notebook relative to `root`; `name` is a path, or a file name in notebooks/ with or without .ipynb.

    Raises `LabError` for a name that is not there, with the closest one.
    """
    stem = (name or FIRST_NOTEBOOK).removesuffix(".ipynb")
    for folder in (Path.cwd(), root, root / "notebooks"):
        candidate = folder / f"{stem}.ipynb"
        if candidate.is_file() and candidate.resolve().is_relative_to(root):
            return candidate.resolve().relative_to(root).as_posix()
    known = sorted(path.stem for path in (root / "notebooks").glob("*.ipynb"))
    instead = suggest(stem, known) if known else "get them back: git checkout -- notebooks"
    raise LabError(f"no notebook {name or FIRST_NOTEBOOK!r} in {root / 'notebooks'}", instead)


def port_is_free(port: int) -> bool:
    """True if a server can listen on 127.0.0.1 at `port`."""
    with socket.socket() as probe:
        if os.name != "nt":  # as the server itself does: a port that was closed a moment ago counts as free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose_port(wanted: int | None = None, is_free: Callable[[int], bool] = port_is_free) -> int:
    """`wanted` if it is given and free, else the first free port from 8888 on. Raises `LabError` if there is none."""
    if wanted is not None:
        if not is_free(wanted):
            raise LabError(f"port {wanted} is taken or not allowed", "leave --port out, and a free one is found")
        return wanted
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        if is_free(port):
            return port
    raise LabError(f"ports {FIRST_PORT} to {FIRST_PORT + PORTS - 1} are all taken", "name another: labkit lab --port P")


def answers(server: LabServer) -> bool:
    """True once the server's /api/status is there."""
    try:
        with urlopen(f"{server.base}/api/status?token={server.token}", timeout=2) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


def wait_until_ready(process: subprocess.Popen, server: LabServer, timeout_s: float = START_TIMEOUT_S) -> None:
    """Return once the server answers. Raises `LabError` if it ends or stays silent for `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not answers(server):
        if process.poll() is not None:
            raise LabError(f"JupyterLab ended with status {process.returncode}", "see above; type: labkit doctor")
        if time.monotonic() > deadline:
            raise LabError(f"JupyterLab did not answer within {timeout_s:.0f} s", "type: labkit doctor")
        time.sleep(0.2)


def stop(process: subprocess.Popen) -> None:
    """End the server, gently first."""
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_TIMEOUT_S)


def serve(server: LabServer, ready: Callable[[LabServer], None]) -> int:
    """Run JupyterLab until it ends or Ctrl-C; `ready(server)` is called once it answers. Returns its exit status."""
    process = subprocess.Popen(server.command, env=server.environment)
    # A plain SIGTERM would end this process at once and leave the server behind; `sys.exit` runs `finally`.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        wait_until_ready(process, server)
        ready(server)
        return process.wait()
    except KeyboardInterrupt:
        return 0  # the usual way to close the lab
    finally:
        if process.poll() is None:
            stop(process)
        signal.signal(signal.SIGTERM, before)
