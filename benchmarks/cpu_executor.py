"""Times the convolution kernels of the three mappings on the cores of this machine, and in Numba's CUDA simulator.

    python benchmarks/cpu_executor.py [--quick]

Multiply-accumulates per second of FP, BP and KU, each mapping, through `labkit.kernels.executors.cpu`; once with the
threads of a block that are needed (one) and, for FP, once with all of them, cut at the barriers; and of the tuned FP,
whose blocks always run with all their threads. The simulator takes minutes for a layer, so the two are compared on a
tiny one, in the same run. A first launch compiles, or fetches what an earlier process compiled: both are timed in
processes of their own. One core does all this, and what counts is its time (best of several runs), so that other work
on the machine matters little. All cores are timed by the clock, and only while the load average is low. Results go to
benchmarks/results/cpu_executor.json; --quick records nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from labkit.engine.threads import limit
from labkit.kernels.conv.backward_data import BACKWARD_DATA
from labkit.kernels.conv.backward_weights import BACKWARD_WEIGHTS
from labkit.kernels.conv.forward import FORWARD
from labkit.kernels.executors import Executor
from labkit.kernels.executors.cpu import Cpu
from labkit.kernels.launch import TEACHING, Launch
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.source import SIMULATED
from labkit.machine import recorded_on, this_machine
from labkit.machine.processor import load_average, usable_cores

RESULTS = Path(__file__).parent / "results" / "cpu_executor.json"
LAYER = ConvSizes(32, 64, 32, 32, 64, 3, 3, pad_h=1, pad_w=1)
SMALL = ConvSizes(4, 16, 16, 16, 32, 3, 3, pad_h=1, pad_w=1)
TINY = ConvSizes(2, 3, 8, 8, 4, 3, 3)
BLOCK = 32
QUIET_LOAD = 0.3  # load average per core up to which all cores are timed
ANSWER_S = 300.0  # longest wait for a process
PHASES = {"FP": FORWARD, "BP": BACKWARD_DATA, "KU": BACKWARD_WEIGHTS}


def arrays(z: ConvSizes) -> dict[str, np.ndarray]:
    """Random arrays of one layer, float32, by the names that the kernels' arguments have."""
    rng = np.random.default_rng(0)
    weight = (z.K, z.C // z.groups, z.R, z.S)
    shapes = {"x": (z.N, z.C, z.H, z.W), "weight": weight, "bias": (z.K,), "y": (z.N, z.K, z.P, z.Q)}
    shapes |= {"dy": shapes["y"], "dx": shapes["x"], "dweight": weight, "dbias": (z.K,)}
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def work(phase: str, mapping: str, z: ConvSizes) -> tuple[Launch, list[str], tuple[int, ...]]:
    """The launch of a kernel, the names of its arrays, and its numbers."""
    numbers = (z.stride_h, z.stride_w, z.pad_h, z.pad_w, z.groups)
    names, channels, shared, more = {
        "FP": (["x", "weight", "bias", "y"], z.K, z.C // z.groups * z.R * z.S, (0,)),
        "BP": (["dy", "weight", "dx"], z.C, z.K // z.groups * z.R * z.S, ()),
        "KU": (["x", "dy", "dweight", "dbias"], z.K, 0, ()),
    }[phase]
    grid = {"data": (z.N, 1, 1), "model": (channels, 1, 1), "hybrid": (z.N, channels, 1)}[mapping]
    return Launch(grid, BLOCK, 0 if mapping == "data" else 4 * shared), names, (*numbers, *more)


def macs_per_s(on: Executor, phase: str, mapping: str, z: ConvSizes, runs: int, clock=process_time) -> float:
    """The most that was reached in `runs` runs, by `clock`, after one that compiles."""
    launch, names, numbers = work(phase, mapping, z)
    made = arrays(z)
    given = [on.put(made[name]) for name in names]
    seconds = []
    for _ in range(runs + 1):
        start = clock()
        on.launch(PHASES[phase][mapping], launch, *given, *numbers)
        on.synchronize()
        seconds.append(clock() - start)
    return z.macs / min(seconds[1:])


def tuned_macs_per_s(z: ConvSizes, runs: int) -> float:
    """The tuned FP, planned for a large GPU."""
    from labkit.kernels.tuned import convolution, recipe

    steps, on = convolution.forward(z), Cpu()
    given = {name: array.reshape(-1) for name, array in arrays(z).items()}
    given |= {name: np.zeros(size, np.float32) for name, size in steps.workspace.items()}
    seconds = []
    for _ in range(runs + 1):
        start = process_time()
        recipe.run(steps, on, given)
        seconds.append(process_time() - start)
    return z.macs / min(seconds[1:])


def elsewhere(what: str, **environment: str) -> dict:
    """The answer of this script as another process, with `environment`."""
    command = [sys.executable, __file__, "--part", what]
    ran = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=ANSWER_S, check=True
    )
    return json.loads(ran.stdout.splitlines()[-1])


def simulated() -> dict:
    """In a process with NUMBA_ENABLE_CUDASIM=1: MAC/s of FP on the tiny layer."""
    from labkit.kernels.executors.gpu import Gpu

    assert SIMULATED
    return {mapping: macs_per_s(Gpu(), "FP", mapping, TINY, 1) for mapping in TEACHING}


def first_launches() -> dict:
    """Seconds of a core that each FP kernel's first launch takes; before it another one has started Numba."""
    macs_per_s(Cpu(), "KU", "data", TINY, 1)
    found = {}
    for mapping in TEACHING:
        start = process_time()
        macs_per_s(Cpu(), "FP", mapping, TINY, 1)
        found[mapping] = process_time() - start
    return found


def measure(z: ConvSizes, runs: int) -> dict:
    """All rows."""
    rows = []
    with limit(1):
        for mapping in TEACHING:
            row = {"mapping": mapping}
            row |= {f"{phase}_MAC_per_s": macs_per_s(Cpu(), phase, mapping, z, runs) for phase in PHASES}
            row["FP_all_threads_MAC_per_s"] = macs_per_s(Cpu(whole_blocks=True), "FP", mapping, z, runs)
            rows.append(row)
        tuned = tuned_macs_per_s(z, runs)
        tiny = {mapping: macs_per_s(Cpu(), "FP", mapping, TINY, 20) for mapping in TEACHING}
    there = elsewhere("simulator", NUMBA_ENABLE_CUDASIM="1")
    with tempfile.TemporaryDirectory() as folder:
        compiled = elsewhere("first", NUMBA_CACHE_DIR=folder)
        fetched = elsewhere("first", NUMBA_CACHE_DIR=folder)
    for row in rows:
        mapping = row["mapping"]
        row |= {"simulator_MAC_per_s": there[mapping], "times_the_simulator": tiny[mapping] / there[mapping]}
        row |= {"compiled_s": compiled[mapping], "fetched_s": fetched[mapping]}
    found = {"layer": str(z), "tiny_layer": str(TINY), "tuned_FP_MAC_per_s": tuned, "rows": rows}
    if load_average() < QUIET_LOAD * usable_cores():
        with limit() as cores:
            all_cores = {m: macs_per_s(Cpu(), "FP", m, z, runs, perf_counter) for m in TEACHING}
        found |= {"cores": cores, "all_cores_FP_MAC_per_s": all_cores}
    return found


def main() -> int:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small layer, one run each; record nothing")
    parser.add_argument("--part", choices=["simulator", "first"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(simulated() if options.part == "simulator" else first_launches()))
        return 0
    found = measure(SMALL, 1) if options.quick else measure(LAYER, 3)
    for row in found["rows"]:
        print({name: value if isinstance(value, str) else float(f"{value:.3g}") for name, value in row.items()})
    print(f"tuned FP: {found['tuned_FP_MAC_per_s']:.3g} MAC/s")
    print(f"all cores: {found.get('all_cores_FP_MAC_per_s', 'not timed, because of other work on this machine')}")
    if not options.quick:
        record(found)
    return 0


def record(found: dict) -> None:
    """Write the results file."""
    machine = this_machine()
    about = {"origin": recorded_on(machine), "machine": asdict(machine), "date": datetime.now(UTC).date().isoformat()}
    RESULTS.write_text(json.dumps(about | found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
