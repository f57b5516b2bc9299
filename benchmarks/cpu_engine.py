"""Times one training step (FP, BP, KU and the update) of labkit's cpu backend against PyTorch on the CPU.

    python benchmarks/cpu_engine.py [--python PYTHON_WITH_TORCH] [--quick] [--networks lenet5 ...] [--batches 8 32 128]
                                    [--threads 1 all]

Same architecture, batch, float32, SGD with momentum 0.9, softmax cross-entropy, same number of threads. Each side runs
in a process of its own; bursts of steps alternate (A B A B), the one that is not running sleeps, and what counts is the
median over the rounds of PyTorch's time divided by labkit's: above 1, labkit is faster. Peak memory is that of the
whole process. One thread each is the figure to trust on a machine that others use, too; all cores are measured only
while the load average is low. Results go to benchmarks/results/cpu_engine.json.

PyTorch is no dependency of labkit: install it into an environment of its own and name its interpreter with --python.
"""

import argparse
import json
import os
import queue
import statistics
import subprocess
import sys
import threading
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from labkit.machine import recorded_on, this_machine
from labkit.network import zoo

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "cpu_engine.json"
NETWORKS = ("lenet5", "alexnet_star", "resnet18_32")
BATCHES = (8, 32, 128)
ROUNDS, QUICK_ROUNDS = 9, 3
BURST_S = 0.4  # of steps between two changes of side; at least one step
ANSWER_S = 180.0  # longest wait for a worker
QUIET_LOAD = 0.3  # load average per core up to which all cores are measured


class Worker:
    """A process that does training steps when told to; see `cpu_workers/protocol.py`."""

    def __init__(self, python: str, script: str, network: str, batch: int, threads: int):
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(HERE.parent)}
        command = [python, str(HERE / "cpu_workers" / script), network, str(batch), str(threads)]
        self.name = script
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        ready = self._answer()
        self.first_step_s, self.versions = ready["first_step_s"], ready["versions"]

    def steps(self, count: int) -> list[float]:
        """Seconds of each of `count` steps, done now."""
        return self._ask(count)["seconds"]

    def end(self) -> int:
        """End the process; returns the most memory it ever had, in bytes."""
        peak = self._ask(0)["peak_bytes"]
        self.process.wait(timeout=30)
        return peak

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()

    def _ask(self, count: int) -> dict:
        self.process.stdin.write(json.dumps({"steps": count}) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _listen(self) -> None:
        for line in self.process.stdout:
            self._answers.put(line)
        self._answers.put("")

    def _answer(self) -> dict:
        try:
            line = self._answers.get(timeout=ANSWER_S)
        except queue.Empty:
            raise SystemExit(f"{self.name} did not answer within {ANSWER_S:g} s") from None
        if not line:
            raise SystemExit(f"{self.name} ended with status {self.process.wait()}; its message stands above")
        return json.loads(line)


def main() -> int:
    options = parse()
    check_torch(options.python)
    results = []
    for threads in options.threads:
        if threads > 1 and (load := os.getloadavg()[0]) > QUIET_LOAD * threads:
            print(f"{threads} threads left out: the load average is {load:.2f}")
            continue
        for network in options.networks:
            for batch in options.batches:
                row = compare(options.python, network, batch, threads, QUICK_ROUNDS if options.quick else ROUNDS)
                print(line(row), flush=True)
                results.append(row)
    if not options.quick:
        record(results)
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="interpreter that has torch (default: this one)")
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=zoo.names(), metavar="NETWORK")
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES, metavar="BATCH")
    parser.add_argument("--threads", nargs="+", default=["1", "all"], help="numbers of threads, or 'all'")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds; nothing is recorded")
    options = parser.parse_args()
    cores = this_machine().usable_cores
    options.threads = list(dict.fromkeys(cores if t == "all" else int(t) for t in options.threads))
    return options


def check_torch(python: str) -> None:
    tried = subprocess.run([python, "-c", "import torch"], capture_output=True, timeout=120)
    if tried.returncode:
        raise SystemExit(
            f"{python} has no torch. Type: python -m venv torch-venv && torch-venv/bin/pip install torch numpy\n"
            "and give --python torch-venv/bin/python"
        )


def compare(python: str, network: str, batch: int, threads: int, rounds: int) -> dict:
    """One case: both workers alive, bursts in turn; times are medians over all steps of the rounds."""
    workers = []
    try:
        for interpreter, script in ((sys.executable, "labkit_worker.py"), (python, "torch_worker.py")):
            workers.append(Worker(interpreter, script, network, batch, threads))
        counts = [max(1, round(BURST_S / statistics.median(w.steps(3)))) for w in workers]
        seconds: list[list[float]] = [[], []]
        for _ in range(rounds):
            for side, worker in enumerate(workers):
                seconds[side].append(statistics.median(worker.steps(counts[side])))
        peaks = [worker.end() for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    return row_of(network, batch, threads, workers, seconds, peaks)


def row_of(network: str, batch: int, threads: int, workers: list[Worker], seconds: list, peaks: list[int]) -> dict:
    ratios = sorted(theirs / ours for ours, theirs in zip(*seconds, strict=True))
    quarter = len(ratios) // 4
    return {
        "network": network,
        "batch": batch,
        "threads": threads,
        "labkit_step_s": statistics.median(seconds[0]),
        "torch_step_s": statistics.median(seconds[1]),
        "ratio": statistics.median(ratios),
        "ratio_quartiles": [ratios[quarter], ratios[-1 - quarter]],
        "rounds": len(ratios),
        "labkit_first_step_s": workers[0].first_step_s,
        "torch_first_step_s": workers[1].first_step_s,
        "labkit_peak_bytes": peaks[0],
        "torch_peak_bytes": peaks[1],
        "load_average": round(os.getloadavg()[0], 2),
        "versions": workers[0].versions | workers[1].versions,
        "date": datetime.now(UTC).date().isoformat(),
    }


def line(row: dict) -> str:
    low, high = row["ratio_quartiles"]
    return (
        f"{row['network']:13s} batch {row['batch']:4d}, {row['threads']} thread(s): "
        f"labkit {row['labkit_step_s'] * 1e3:8.2f} ms, torch {row['torch_step_s'] * 1e3:8.2f} ms, "
        f"ratio {row['ratio']:.2f} ({low:.2f}-{high:.2f}), "
        f"peak {row['labkit_peak_bytes'] / 2**20:.0f} / {row['torch_peak_bytes'] / 2**20:.0f} MiB, "
        f"first step {row['labkit_first_step_s']:.1f} s, load {row['load_average']}"
    )


def record(rows: list[dict]) -> None:
    """Put the rows into the results file; a row replaces the older one of the same case."""
    old = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []
    case = ("network", "batch", "threads")
    measured = {tuple(row[key] for key in case) for row in rows}
    kept = [row for row in old if tuple(row[key] for key in case) not in measured]
    machine = this_machine()
    document = {
        "origin": recorded_on(machine),
        "machine": asdict(machine),
        "rows": sorted(kept + rows, key=lambda r: (r["threads"], NETWORKS.index(r["network"]), r["batch"])),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
