"""Runs all of labkit's GPU experiments on the GPU of this machine, in under 9 minutes, and records them.

    python benchmarks/gpu.py [--parts NAME ...] [--budget SECONDS] [--out FOLDER]
    python benchmarks/gpu.py --executor cpu --quick        # the same code on the cores: a rehearsal, recorded nowhere

Needs the checkout, numpy, numba, numba-cuda and nvidia-ml-py; with torch it also compares with cuDNN and PyTorch. Every
part has a time budget and is saved as soon as it is there; one that fails is recorded with its error, and the others
go on (in a new process where the GPU can no longer be used by this one). The recording is
benchmarks/results/<gpu>-<date>.json; `labkit kernels ... --recorded newest` shows it on any machine.
"""

import argparse
import faulthandler
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from gpu_parts import stand_ins  # noqa: E402, I001 (found through the line above; comes before labkit)
from gpu_parts import correctness, environment, ranks, speed, teaching  # noqa: E402

from labkit.kernels.executors import Executor  # noqa: E402
from labkit.kernels.executors.here import executor  # noqa: E402
from labkit.kernels.experiments.recording import Writer, read  # noqa: E402
from labkit.machine import this_machine  # noqa: E402
from labkit.machine.gpu import first_gpu  # noqa: E402
from labkit.machine.gpus import this_gpu  # noqa: E402
from labkit.machine.processor import cpu_name  # noqa: E402

MARGIN_S = 20.0  # after the whole budget, the process is ended whatever it does
SAVE_EVERY_S = 2.0


@dataclass(frozen=True)
class Part:
    """One table. share: of the whole budget, at most, and never more than what is left. gpu: whether it needs one."""

    name: str
    share: float
    rows: Callable[[Executor, bool], Iterator[dict]]
    gpu: bool = False


PARTS = (  # what notebooks show comes first: if time runs out, the end is missing
    Part("checks", 0.08, lambda on, quick: environment.checks(on.name == "gpu")),
    Part("correctness", 0.16, correctness.rows),
    Part("copies", 0.02, ranks.copies),
    Part("ranks", 0.14, ranks.rows),
    Part("launch_costs", 0.02, lambda on, quick: environment.launch_costs(), gpu=True),
    Part("occupancy", 0.02, speed.occupancy, gpu=True),
    Part("forward_vs_batch", 0.04, teaching.forward_vs_batch),
    Part("forward_vs_channels", 0.04, teaching.forward_vs_channels),
    Part("batch_sweep", 0.18, teaching.batch_sweep),
    Part("profile", 0.03, teaching.profile),
    Part("image_size", 0.03, teaching.image_size),
    Part("footprint", 0.01, teaching.footprint),
    Part("energy", 0.14, teaching.energy, gpu=True),
    Part("tuned", 0.25, speed.tuned),
    Part("steps", 0.14, speed.steps),
    Part("bandwidth", 0.04, speed.bandwidth),
    Part("loads", 0.05, speed.loads),
)


def main() -> int:
    options = parse()
    options.end = perf_counter() + options.budget
    faulthandler.dump_traceback_later(options.budget + MARGIN_S, exit=True)
    writer = open_recording(options)
    on = executor(options.executor)
    failed = 0
    for number, part in enumerate(options.parts):
        if part.gpu and on.name != "gpu":
            continue
        failed += not run(part, on, options, writer)
        if on.name == "gpu" and not usable(on):
            print("the GPU cannot be used by this process any more: the rest runs in a new one", flush=True)
            rest = [later.name for later in options.parts[number + 1 :]]
            return go_on(writer.path, rest, options) if rest else 1
    writer.end()
    size = writer.path.stat().st_size
    print(f"{writer.path}: {size:,} bytes, {failed} part(s) failed", flush=True)
    return 1 if failed else 0


def parse() -> argparse.Namespace:
    names = {part.name: part for part in PARTS}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--executor", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--quick", action="store_true", help="the smallest sizes of everything; recorded nowhere")
    parser.add_argument("--parts", nargs="+", choices=names, default=list(names), metavar="NAME")
    parser.add_argument("--budget", type=float, default=500.0, help="seconds for all parts together (default: 500)")
    parser.add_argument("--out", type=Path, help="folder of the recording (default: benchmarks/results)")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)  # the recording that another process began
    options = parser.parse_args()
    if options.executor == "gpu" and first_gpu() is None:
        parser.error("there is no NVIDIA GPU here; to try the same code: --executor cpu --quick")
    options.parts = [names[name] for name in options.parts]
    return options


def open_recording(options: argparse.Namespace) -> Writer:
    """The recording to write: a new one with a header of this machine, or the one that --into names."""
    if options.into:
        document = read(options.into).document
        writer = Writer(options.into, {key: value for key, value in document.items() if key != "parts"})
        writer.document["parts"] = document["parts"]
        return writer
    gpu = this_gpu() if options.executor == "gpu" else None
    date = datetime.now(UTC).date().isoformat()
    name = f"{gpu.key if gpu else 'cpu'}-{date}"
    scratch = options.quick or options.executor == "cpu"
    folder = options.out or (Path(tempfile.mkdtemp()) if scratch else ROOT / "benchmarks" / "results")
    described = asdict(gpu) if gpu else {"name": "no GPU: the kernels ran on the cores", "key": "cpu"}
    header = {"date": date, "gpu": described, "machine": machine(), "versions": environment.versions()}
    print(f"{described['name']}: {header['versions']}", flush=True)
    return Writer(folder / f"{name}.json", header | {"quick": options.quick})


def machine() -> dict:
    """What the machine is, as far as it can be told with the packages that are here."""
    card = first_gpu()
    found = {"driver": card.driver, "cuda": card.cuda} if card else {}
    if stand_ins.MISSING:
        return found | {"cpu": cpu_name(), "not installed": stand_ins.MISSING}
    return found | asdict(this_machine())


def run(part: Part, on: Executor, options: argparse.Namespace, writer: Writer) -> bool:
    """Collect the rows of one part until its time is up; whether it ended without an error."""
    start, rows, error, saved = perf_counter(), [], None, 0.0
    limit = min(part.share * options.budget, options.end - start)
    try:
        for row in part.rows(on, options.quick):
            rows.append(row)
            now = perf_counter() - start
            if now > limit:
                error = f"stopped after {now:.0f} s of {max(0, limit):.0f}"
                break
            if now - saved > SAVE_EVERY_S:
                writer.add(part.name, rows, now, error="not finished")
                saved = now
    except Exception as failure:  # recorded, and the next part begins
        error = f"{type(failure).__name__}: {failure}"[:500]
        traceback.print_exc()
    writer.add(part.name, rows, perf_counter() - start, error)
    print(f"{part.name:20s} {perf_counter() - start:6.1f} s, {len(rows):4d} rows {error or ''}", flush=True)
    return error is None or error.startswith("stopped after")


def usable(on: Executor) -> bool:
    """Whether this process can still use the GPU: after a kernel that read outside of an array it cannot."""
    try:
        on.synchronize()
        return True
    except Exception:  # any answer but silence means no
        return False


def go_on(path: Path, rest: list[str], options: argparse.Namespace) -> int:
    """Run the remaining parts in a new process, into the same recording, in the time that is left."""
    left = max(1.0, options.end - perf_counter())
    command = [sys.executable, __file__, "--into", str(path), "--parts", *rest, "--budget", str(left)]
    return subprocess.run(command + (["--quick"] if options.quick else []), timeout=left + MARGIN_S).returncode


if __name__ == "__main__":
    sys.exit(main())
