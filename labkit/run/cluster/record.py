"""What is known of the cluster of this user: a small JSON file beside the connection files of ipyparallel."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from labkit.machine.disk import appear
from labkit.run.cluster.processes import Stamp

FILE = "labkit-cluster.json"


@dataclass(frozen=True)
class Engine:
    """One warm process. id: ipyparallel's number; rank: MPI's. threads: of BLAS, as it was told (None: not told)."""

    id: int
    rank: int
    pid: int
    born: float
    host: str
    threads: int | None


@dataclass(frozen=True)
class Record:
    """ranks: how many were asked for. profile: whose settings, '' for this machine. host: of the controller and the
    launcher, processes there. owner: the process whose end takes the cluster down, None: `labkit cluster down` does.
    guard: the process that sees to it. scratch: folder of the launcher's own files, removed at the end. engines: none
    until all have answered. started: seconds since 1970. broken: why it can no longer be used, or ''.
    """

    ranks: int
    profile: str
    host: str
    controller: Stamp | None = None
    launcher: Stamp | None = None
    owner: Stamp | None = None
    guard: Stamp | None = None
    scratch: str = ""
    engines: tuple[Engine, ...] = ()
    started: float = 0.0
    seconds_to_start: float = 0.0
    broken: str = ""


def read(folder: Path) -> Record | None:
    """The record in `folder`; None where there is none, or none that can be read."""
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
        stamps = {
            name: tuple(found[name]) if found[name] else None for name in ("controller", "launcher", "owner", "guard")
        }
        return Record(**(found | stamps | {"engines": tuple(Engine(**engine) for engine in found["engines"])}))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(folder: Path, record: Record) -> Record:
    """Keep the record, so that it appears complete or not at all; returns it. LabError where it cannot be written."""
    text = json.dumps(asdict(record), indent=1)
    appear(folder / FILE, lambda part: part.write_text(text, encoding="utf-8"))
    return record


def remove(folder: Path) -> None:
    """Forget it."""
    (folder / FILE).unlink(missing_ok=True)
