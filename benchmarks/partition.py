"""Measures the partitioners, and remakes the tables of eserol-2019 with each of them, on one core.

    python benchmarks/partition.py [--parts NAME ...] [--core NUMBER] [--out FOLDER]
    python benchmarks/report.py                                             # writes the tables of the pages
    python benchmarks/partition.py --quick                                  # one small case of each part: a rehearsal

Parts: hypergraphs (sizes, seconds to build), naive (tables 5.1 to 5.8, 5.13, 5.14), speed (the engine 'counts' on VGG16
in 128 parts), multilevel (against mtkahypar), targets (VGG16 with FLOPs as weights), coarse and fine (the other tables,
line by line, by every engine), networks (beyond the thesis). Every case runs in a process of its own, whose peak memory
is that of interpreter, libraries and data; when its time is up it is ended, and what it had found is kept. Writes
results/partition-<machine>-<date>.json; --quick writes to a temporary folder. A second run on the same day, with other
--parts, adds them to that file; two may run at the same time, each on a core of its own:

    python benchmarks/partition.py --core 0 --parts coarse multilevel networks
    python benchmarks/partition.py --core 1 --parts hypergraphs naive speed targets fine
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from partition_parts.cases import Case, full, quick  # noqa: E402 (found through the line above)
from partition_parts.document import Document  # noqa: E402

from labkit.errors import LabError  # noqa: E402

PACKAGES = ("labkit", "numpy", "numba", "scipy", "mtkahypar")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
PARTS = tuple(dict.fromkeys(case.part for case in full()))


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
    print(f"{len(cases)} cases, about {about:.0f} minutes on a quiet core, {most:.0f} at most", flush=True)
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
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, metavar="NAME", help=", ".join(PARTS))
    parser.add_argument("--core", type=int, help="number of the core to run on (default: the first)")
    parser.add_argument("--quick", action="store_true", help="one small case of every part; recorded nowhere")
    parser.add_argument("--out", type=Path, help="folder of the results file (default: benchmarks/results)")
    parser.add_argument("--case", help=argparse.SUPPRESS)  # what a process of this script is to do
    options = parser.parse_args()
    if options.core is not None:
        if not hasattr(os, "sched_setaffinity"):
            parser.error("--core: this system does not let a program choose")
        if options.core not in os.sched_getaffinity(0):
            parser.error(f"--core: {options.core} is none of {sorted(os.sched_getaffinity(0))}")
        os.sched_setaffinity(0, {options.core})  # the processes of the cases inherit it
    return options


def begin(options: argparse.Namespace) -> Document:
    """A results file with what stands at its top."""
    from labkit.machine import recorded_on, this_machine

    machine, date = this_machine(), datetime.now(UTC).date().isoformat()
    folder = options.out or (Path(tempfile.mkdtemp()) if options.quick else HERE / "results")
    name = re.sub(r"[^a-z0-9]+", "-", machine.cpu.lower()).strip("-")
    header = {
        "origin": recorded_on(machine),
        "machine": asdict(machine),
        "date": date,
        "versions": versions(PACKAGES),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "quick": options.quick,
    }
    return Document(folder / f"partition-{name}-{date}.json", header)


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of the packages that are here."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def run(case: Case) -> tuple[list[dict], float, str | None]:
    """Rows of one case, how long its process took, and what went wrong."""
    start = perf_counter()
    command = [sys.executable, str(Path(__file__).resolve()), "--case", json.dumps(asdict(case))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | ONE_THREAD)
    error = None
    try:
        said, _ = process.communicate(timeout=case.limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        error = f"{case.work} {case.arguments}: stopped after {case.limit_s:.0f} s"
    except BaseException:
        process.kill()
        raise
    rows = [json.loads(line) for line in said.splitlines() if line.startswith("{") and line.endswith("}")]
    if rows and "failure" in rows[-1]:
        error = f"{case.work} {case.arguments}: {rows.pop()['failure']}"
    elif process.returncode and error is None:
        error = f"{case.work} {case.arguments}: ended with status {process.returncode}"
    return rows, perf_counter() - start, error


def work(case: dict) -> int:
    """In a process of its own: do what the case says, and print its rows as they are found."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    from partition_parts.work import WORK

    try:
        for row in WORK[case["work"]](**case["arguments"]):
            print(json.dumps(row | {"peak_bytes": peak_bytes()}, allow_nan=False), flush=True)
    except Exception as failure:  # recorded by the process that waits
        print(json.dumps({"failure": f"{type(failure).__name__}: {failure}"[:500]}), flush=True)
        return 1
    return 0


def peak_bytes() -> int | None:
    """The most memory that this process ever had; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # kilobytes on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    sys.exit(main())
