"""JupyterLab and Chromium for the browser tests: started with nothing of the user's, and always ended.

Nothing here waits without a limit. Playwright's own waits have one; what it cannot interrupt is ended by `watchdog`,
which kills the processes this harness started, so that the test fails with a sentence instead of hanging.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import sync_playwright

from labkit.machine.lab import SETTINGS

CHROMIUM_ARGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]
START_LIMIT_S = 90


@contextmanager
def watchdog(limit_s: float, what: str, kill):
    """Call `kill()` if the block takes longer than `limit_s`, and fail the test with `what` in the message."""
    fired = threading.Event()

    def bite():
        fired.set()
        kill()

    timer = threading.Timer(limit_s, bite)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if fired.is_set():
            pytest.fail(f"{what} took more than {limit_s:g} s; its processes were ended ({type(error).__name__})")
        raise
    finally:
        timer.cancel()


@dataclass(frozen=True)
class LabServer:
    """A running JupyterLab; `root` is the folder it serves."""

    url: str
    token: str
    root: Path
    process: subprocess.Popen = field(repr=False)
    log: Path

    def address(self, notebook: str) -> str:
        """Where `notebook` opens, in a workspace of its own: nothing that was open before comes back."""
        return f"{self.url}/lab/workspaces/{secrets.token_hex(4)}/tree/{notebook}?token={self.token}"

    def request(self, path: str, method: str = "GET") -> bytes:
        headers = {"Authorization": f"token {self.token}"}
        asked = urllib.request.Request(f"{self.url}{path}", method=method, headers=headers)
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.read()

    def kill(self) -> None:
        """End the server and the kernels it started."""
        for process in [*_children(self.process.pid), self.process.pid]:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait(timeout=10)


def _children(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _environment(home: Path) -> dict[str, str]:
    """The environment without the user's settings of Jupyter and IPython; all of that is fresh under `home`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER", "IPYTHON"))}
    names = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    fresh = {f"JUPYTER_{name}": str(home / name.lower()) for name in names}
    fresh["JUPYTERLAB_SETTINGS_DIR"] = str(home / "settings")
    fresh["JUPYTERLAB_WORKSPACES_DIR"] = str(home / "workspaces")
    fresh["IPYTHONDIR"] = str(home / "ipython")
    fresh["LABKIT_LEDGER"] = str(home / "ledger.json")
    # Every cell in the page: by default JupyterLab leaves cells out of the DOM until they are scrolled to.
    _setting(home, "notebook-extension/tracker", '{"windowingMode": "none"}')
    fresh["JUPYTER_CONFIG_PATH"] = str(SETTINGS)  # what `labkit lab` sets: no question about news over the page
    return kept | fresh


def _setting(home: Path, name: str, text: str) -> None:
    file = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@contextmanager
def lab_server(root: Path, home: Path):
    """JupyterLab on the folder `root`, bound to 127.0.0.1 with a random token; `home` gets its files and its log."""
    token, port, log = secrets.token_hex(16), _free_port(), home / "jupyterlab.log"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"]
    command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}"]
    command += [f"--IdentityProvider.token={token}", "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=_environment(home), start_new_session=True)
    server = LabServer(f"http://127.0.0.1:{port}", token, root, process, log)
    try:
        _wait_until_up(server)
        yield server
    finally:
        server.kill()


def _wait_until_up(server: LabServer) -> None:
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end:
        if server.process.poll() is not None:
            break
        with suppress(urllib.error.URLError, OSError):
            server.request("/api/status")
            return
        time.sleep(0.2)
    tail = "\n".join(server.log.read_text().splitlines()[-15:])
    pytest.fail(f"JupyterLab did not answer within {START_LIMIT_S} s. Its log ends with:\n{tail}")


class Chromium:
    """One headless Chromium through playwright; after a watchdog has killed it, the next page starts a new one."""

    def __init__(self, program: str):
        self.program = program
        self._playwright = sync_playwright().start()
        self._driver = set(_children(os.getpid()))
        self._browser = None

    def page(self, **options):
        """A page in a fresh context: `width`, `height`, and playwright's options (color_scheme, reduced_motion)."""
        if self._browser is None or not self._browser.is_connected():
            self._browser = self._playwright.chromium.launch(
                executable_path=self.program, args=CHROMIUM_ARGS, timeout=60_000
            )
        size = {"width": options.pop("width", 1280), "height": options.pop("height", 1500)}
        context = self._browser.new_context(viewport=size, **options)
        context.set_default_timeout(30_000)
        return context.new_page()

    def kill(self) -> None:
        """End the browser processes that this object started; safe to call from another thread."""
        for pid in set(_children(os.getpid())) - self._driver:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                if "chrom" in process.name():
                    process.kill()

    def close(self) -> None:
        if self._browser is not None and self._browser.is_connected():
            self._browser.close()
        self._playwright.stop()
