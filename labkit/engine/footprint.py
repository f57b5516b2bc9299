"""How much memory a network really takes: one step in a process of its own, measured from outside the arithmetic.

A process's memory only ever shows its high-water mark, so every measurement starts a fresh one:
`python -m labkit.engine.footprint NETWORK BATCH BACKEND PHASE` prints one JSON line.
"""

import json
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import psutil

from labkit.errors import LabError
from labkit.machine.origin import MEASURED_HERE
from labkit.network import load
from labkit.network.sizes import check_batch

PHASES = ("training", "inference")


@dataclass(frozen=True)
class Footprint:
    """Memory of one process, in bytes.

    grown_bytes: by how much the process grew from before the model was made until after one step. held_bytes: what the
    model says it keeps, by kind (parameters, gradients, state, workspaces; no gradients in inference).
    """

    network: str
    batch: int
    phase: str
    grown_bytes: int
    held_bytes: dict[str, int]
    origin: str = MEASURED_HERE


def footprint(
    network: str, batch: int, phase: str = "training", backend: str = "cpu", timeout_s: float = 60.0
) -> Footprint:
    """Run one `phase` step of `network` (a name or a JSON file) on `batch` samples in a fresh process; measure it.

    Raises LabError for an unknown phase or network, if the process fails, or if it takes longer than `timeout_s`.
    """
    load(network)
    check_batch(batch)
    if phase not in PHASES:
        raise LabError(f"phase={phase!r}", f"choose one of: {', '.join(PHASES)}")
    command = [sys.executable, "-m", "labkit.engine.footprint", network, str(batch), backend, phase]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        what = f"measuring the memory of {network!r} at batch {batch} took longer than {timeout_s:g} s"
        raise LabError(what, "take a smaller batch or network, or give a larger timeout_s") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise LabError(f"measuring the memory of {network!r} at batch {batch} failed: {last}", "take a smaller batch")
    return Footprint(network, batch, phase, **json.loads(done.stdout))


def _measure(network: str, batch: int, backend: str, phase: str) -> dict:
    """What the child process does; a step on a tiny batch first, so that compiled code is not counted as data."""
    from labkit.engine.model import Model

    architecture = load(network)
    rng = np.random.default_rng(0)
    classes = architecture.output_shape[0]
    x = rng.random((batch, *architecture.input_shape), dtype=np.float32)
    labels = rng.integers(0, classes, batch)
    _step(Model(architecture, backend, batch=1, threads=1), x[:1], labels[:1], phase)
    before = psutil.Process().memory_info().rss
    model = Model(architecture, backend, batch=batch, threads=1)
    _step(model, x, labels, phase)
    held = model.bytes_held()
    if phase == "inference":  # allocated, but never touched, so that the system never gave it any memory
        held.pop("gradients")
    return {"grown_bytes": psutil.Process().memory_info().rss - before, "held_bytes": held}


def _step(model, x: np.ndarray, labels: np.ndarray, phase: str) -> None:
    if phase == "training":
        model.gradients_of(x, labels)
    else:
        model.forward(x)


if __name__ == "__main__":
    name, size, chosen, what = sys.argv[1:]
    print(json.dumps(_measure(name, int(size), chosen, what)))
