"""What a rank tells while it runs: lines of JSON in a file of its own, which the launcher reads as they come."""

import json
import os
import threading
import time
from pathlib import Path

FLUSH_EVERY_S = 0.1


class Stream:
    """The writing end; lanes may share it. Lines reach the file FLUSH_EVERY_S later, with the next `tell` or `look`."""

    def __init__(self, path: Path):
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._lock = threading.Lock()
        self._waiting: list[str] = []
        self._flushed_s = 0.0

    def tell(self, kind: str, payload: object) -> None:
        """Add a line: what kind of news, and the news, which must be JSON."""
        line = json.dumps([kind, payload], separators=(",", ":"))
        with self._lock:
            self._waiting.append(line)
            if time.monotonic() - self._flushed_s >= FLUSH_EVERY_S:
                self._flush()

    def look(self) -> None:
        """Write what has waited for long enough; to be called now and then. Cheap if nothing has."""
        if self._waiting and time.monotonic() - self._flushed_s >= FLUSH_EVERY_S:
            with self._lock:
                self._flush()

    def close(self) -> None:
        """Write the rest and close the file."""
        with self._lock:
            self._flush()
        os.close(self._file)

    def _flush(self) -> None:
        text = "".join(f"{line}\n" for line in self._waiting).encode()
        while text:
            text = text[os.write(self._file, text) :]
        self._waiting.clear()
        self._flushed_s = time.monotonic()


class Tail:
    """The reading end: `new` gives what was told since it was last asked. A line half written waits for its end."""

    def __init__(self, path: Path):
        self._path, self._file, self._rest = path, None, b""

    def new(self) -> list[tuple[str, object]]:
        """(kind, payload) of every line that is new, in order; none while there is no file yet."""
        if self._file is None:
            if not self._path.exists():
                return []
            self._file = self._path.open("rb")
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        return [tuple(json.loads(line)) for line in lines]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
