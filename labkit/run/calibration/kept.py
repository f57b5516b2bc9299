"""Calibrations of this machine that are kept on disk, so that each kind of run is measured once.

A calibration holds for one network, backend, mapping and number of threads, for ranks of one kind, on one machine with
one set of libraries: all of these are in the name of its file. It is kept in the user's cache folder (`folder`), where
it can be deleted at any time.
"""

import hashlib
import json
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from labkit.errors import LabError
from labkit.machine.disk import appear
from labkit.machine.here import this_machine
from labkit.machine.links import Link
from labkit.machine.processor import usable_cores
from labkit.network import Network, to_document
from labkit.run.calibration.measure import calibrate, calibrate_on_mpi
from labkit.run.calibration.value import Calibration, load, save

ALONE, TOGETHER = "alone", "together"
PAIR = 2  # ranks that are measured together
LIBRARIES = ("labkit", "numpy", "numba")


class Kept:
    """The file of one calibration. kind: ALONE, a rank by itself and a link between threads; or TOGETHER, two processes
    that compute at the same time and the link between them, which is what ranks of a run under MPI do. link: an
    emulated one over it; what that costs by itself is taken to be the same for all of them.
    """

    def __init__(
        self, network: Network, backend: str, threads: int, mapping: object, kind: str, link: Link | None = None
    ):
        self.network, self.backend, self.threads, self.mapping, self.kind = network, backend, threads, mapping, kind
        self.link = link
        about = {
            "network": to_document(network),
            "mapping": mapping,
            "machine": [this_machine().name, platform.node()],
            "versions": [platform.python_version(), *map(version, LIBRARIES)],
        }
        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
        words = network.name, backend, str(threads), kind, "emulated" if link else "memory", digest
        self.path = folder() / f"{'-'.join(words)}.json"

    def read(self) -> Calibration | None:
        """What is there; None where nothing is, or something that cannot be read."""
        try:
            return load(self.path) if self.path.exists() else None
        except LabError:
            return None

    def measure(self, progress: Callable[[float, str], None] | None = None, communicator=None) -> Calibration:
        """Measure anew, and keep it. communicator: of ranks that all call this, instead of ranks started for it; one
        that is not rank 0 keeps nothing.
        """
        settings = {"mapping": self.mapping, "link": self.link}
        if communicator is not None:
            found = calibrate(self.network, self.backend, self.threads, communicator, progress, **settings)
        elif self.kind == TOGETHER:
            found = calibrate_on_mpi(self.network, self.backend, self.threads, PAIR, **settings)
        else:
            found = calibrate(self.network, self.backend, self.threads, progress=progress, **settings)
        if communicator is None or communicator.rank == 0:
            self._keep(found)
        return found

    def _keep(self, found: Calibration) -> None:
        """Write the file as a whole, or not at all where the folder cannot be written."""
        with suppress(LabError):
            appear(self.path, lambda part: save(found, part))


def kind_for(ranks: int, threads: int, processes: bool) -> str:
    """Which kind of calibration foretells a run best. Ranks that share cores are measured alone: what they cost each
    other is added in proportion (`value.costs_for`).
    """
    together = processes and ranks >= PAIR and usable_cores() >= PAIR * threads
    return TOGETHER if together else ALONE


def folder() -> Path:
    """Where calibrations are kept."""
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path("~/.cache").expanduser()
    return Path(home) / "labkit" / "calibrations"
