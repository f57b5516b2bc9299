"""Collectives over an emulated network, predicted and measured; and labkit's ring against the library's all-reduce.

    python benchmarks/parallel_parts/collectives.py [--quick]        # prints a summary; recorded by parallel.py

Predicted: `simulate` with the nominal figures of the link, nothing fitted. Measured: the interpreter with real data, on
threads and under MPI: all ranks begin at one moment, and do the collective `steps` times without meeting in between,
after a first time that nobody counts;
the median of several such runs. `regret` is what choosing the algorithm by the prediction costs against the best one
measured. Adding received values is work that the link's figures do not hold: a few percent of the largest messages.
"""

import argparse
import json
import os
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parent.parent), str(HERE.parent)]

import numpy as np  # noqa: E402 (found through the line above)

from labkit.machine.links import Link, parse_link  # noqa: E402
from labkit.machine.processor import load_average, usable_cores  # noqa: E402
from labkit.network import Dense, Network, chain  # noqa: E402
from labkit.run.calibration.cpu_use import CpuUse, Meter, cpu_share  # noqa: E402
from labkit.run.calibration.ping_pong import arrive  # noqa: E402
from labkit.run.communicators.emulated import Emulated  # noqa: E402
from labkit.run.communicators.protocol import Communicator  # noqa: E402
from labkit.run.communicators.threads import connect  # noqa: E402
from labkit.run.job import Job  # noqa: E402
from labkit.run.mpi.launch import call_on_ranks  # noqa: E402
from labkit.run.rank.clock import now_ns, sleep_until  # noqa: E402
from labkit.run.rank.hooks import Hooks  # noqa: E402
from labkit.run.rank.interpreter import Interpreter  # noqa: E402
from labkit.run.tags import CONTROL  # noqa: E402
from labkit.schedule import Piece, Schedule  # noqa: E402
from labkit.schedule.costs import Costs, no_compute  # noqa: E402
from labkit.schedule.schedule import program  # noqa: E402
from labkit.schedule.simulate import simulate  # noqa: E402

LINK = "emulated:500,100"
PROGRAMS = {
    "ring": "allreduce g0 ring",
    "doubling": "allreduce g0 doubling",
    "halving": "allreduce g0 halving",
    "tree": "allreduce g0 tree",
    "linear": "reduce g0>0 linear; bcast w0<0 linear",
    "mpi": "allreduce g0 mpi",
}
ALGORITHMS = tuple(name for name in PROGRAMS if name != "mpi")
SIZES = tuple(4**k for k in range(5, 12))  # 1 KiB to 4 MiB
LIBRARY_SIZES = (2**20, 2**22, 2**24)
LARGE_BYTES = 2**14  # the target is for messages from here up
IN_A_MOMENT_NS = 5_000_000
RUNS, STEP_S = 5, 0.02  # runs of each case; steps of a run: as many as take so long, from 1 to 8


def collectives(
    backends: tuple[str, ...] = ("threads", "mpi"),
    ranks: tuple[int, ...] = tuple(range(2, 9)),
    sizes: tuple[int, ...] = SIZES,
    runs: int = RUNS,
    link: str = LINK,
) -> Iterator[dict]:
    """A row for each backend, number of ranks, size and algorithm."""
    for backend in backends:
        for size in ranks:
            cases = [case(name, size, bytes_, link) for bytes_ in sizes for name in ALGORITHMS]
            for one, found in zip(cases, measured(backend, size, cases, runs, link), strict=True):
                seconds = median(found["seconds"])
                yield one | {
                    "backend": backend,
                    "link": link,
                    "measured_s": seconds,
                    "fastest_s": min(found["seconds"]),
                    "error": one["predicted_s"] / seconds - 1,
                    "cpu_share": found["cpu_share"],
                    "load_average": load_average(),
                }


def against_library(sizes: tuple[int, ...] = LIBRARY_SIZES, runs: int = 2 * RUNS) -> Iterator[dict]:
    """Labkit's ring and the library's all-reduce on 2 ranks under MPI, through memory as fast as it goes."""
    for bytes_ in sizes:
        cases = [{"algorithm": name, "ranks": 2, "bytes": bytes_, "steps": 8} for name in ("ring", "mpi")]
        ours, theirs = (median(found["seconds"]) for found in measured("mpi", 2, cases, runs, None))
        yield {"bytes": bytes_, "ring_s": ours, "library_s": theirs, "ratio": theirs / ours}


def case(algorithm: str, ranks: int, bytes_: int, link: str) -> dict:
    """What is to be measured, and how long it should take."""
    schedule = collective(algorithm, ranks, bytes_)
    costs = Costs(no_compute(schedule.network), parse_link(link))
    steps = max(1, min(8, round(STEP_S / simulate(schedule, costs, events=False).seconds)))
    predicted_s = simulate(schedule, costs, steps, events=False).seconds / steps
    return {"algorithm": algorithm, "ranks": ranks, "bytes": bytes_, "steps": steps, "predicted_s": predicted_s}


def collective(algorithm: str, ranks: int, bytes_: int) -> Schedule:
    """A schedule that does nothing else."""
    values = bytes_ // 4
    lines = program([PROGRAMS[algorithm]])
    return Schedule(algorithm, nothing(values), ((),) * ranks, (Piece(0, values),), (lines,) * ranks)


def nothing(values: int) -> Network:
    """A network of so many weights, which nobody trains."""
    return chain("weights only", (values,), {"weights": Dense(1, bias=False)})


def measured(backend: str, ranks: int, cases: list[dict], runs: int, link: str | None) -> list[dict]:
    """For each case {'seconds': of each run, 'cpu_share': of this machine's cores}."""
    arguments = {"cases": cases, "runs": runs, "link": link}
    told = _on_threads(arguments, ranks) if backend == "threads" else _on_mpi(arguments, ranks)
    return [_together(parts, one["steps"], runs) for one, *parts in zip(cases, *told, strict=True)]


def on_rank(seat) -> None:
    """What a rank does under MPI; it tells the results of `run_cases`."""
    seat.stream.tell("cases", run_cases(seat.communicator, seat.arguments))


def run_cases(communicator: Communicator, arguments: dict) -> list[list]:
    """[cases][runs] of [seconds, CPU seconds, process, seconds that the CPU was watched], as this rank saw them."""
    link: Link | None = parse_link(arguments["link"]) if arguments["link"] else None
    communicator = Emulated(communicator, link) if link else communicator
    found = []
    for one in arguments["cases"]:
        schedule = collective(one["algorithm"], communicator.size, one["bytes"])
        job, rows = Job(steps=1 + one["steps"], record=False, timeout_s=120.0), []
        for _ in range(arguments["runs"]):
            timer = Timer(communicator, job.steps)
            ranked = Interpreter(schedule, job, communicator.rank, communicator, hooks=timer.hooks)
            ranked.run()
            rows.append([(timer.ended_ns - timer.began_ns) / 1e9, timer.use.cpu_s, timer.use.process, timer.use.wall_s])
            check(one, ranked.state.model.gradients.flat)
        found.append(rows)
    communicator.close()
    return found


class Timer:
    """Lets all ranks begin their second step at one moment, and keep quiet after the last one until all are through.

    The first step touches memory that is new. began_ns, ended_ns: of the other steps, on the clock of all ranks.
    """

    def __init__(self, communicator: Communicator, steps: int):
        self.communicator, self.steps = communicator, steps
        self.began_ns = self.ended_ns = 0
        self.use: CpuUse | None = None
        self.hooks = Hooks(may_begin=self.may_begin, at_step_end=self.at_step_end)

    def may_begin(self, lane: str, step: int) -> bool:
        if step == 1:
            self.began_ns, self._meter = self._meet(), Meter()
            sleep_until(self.began_ns)
            if isinstance(self.communicator, Emulated):
                self.communicator.go_on_from(self.began_ns)
        return True

    def at_step_end(self, step: int, state: object) -> None:
        if step == self.steps - 1:
            self.ended_ns, self.use = now_ns(), self._meter.read()
            self._meet()

    def _meet(self) -> int:
        """All tell rank 0 that they are here; it decides on a moment soon after, and tells them."""
        one = self.communicator
        others = range(1, one.size) if one.rank == 0 else [0]
        ways = (one.receive, one.send) if one.rank == 0 else (one.send, one.receive)
        for way in ways:
            moment = np.array([now_ns() + IN_A_MOMENT_NS])
            arrive(one, [way(moment if one.rank or way == one.send else moment.copy(), o, CONTROL) for o in others])
        return int(moment[0])


def check(one: dict, sums: np.ndarray) -> None:
    """Gradients begin at 0, so all that can be told is that nothing else came; the tests check sums bit by bit."""
    if np.any(sums[: one["bytes"] // 4]):
        raise ValueError(f"{one['algorithm']} left values that nobody sent")


def _on_threads(arguments: dict, ranks: int) -> list[list]:
    told: list = [None] * ranks

    def work(communicator: Communicator) -> None:
        told[communicator.rank] = run_cases(communicator, arguments)

    threads = [threading.Thread(target=work, args=(each,), daemon=True) for each in connect(ranks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def _on_mpi(arguments: dict, ranks: int) -> list[list]:
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    told = call_on_ranks("parallel_parts.collectives:on_rank", arguments, ranks, timeout_s=1800.0)
    return [next(payload for kind, payload in lines if kind == "cases") for lines in told]


def _together(parts: list[list], steps: int, runs: int) -> dict:
    """Of what all ranks saw: until the last that ended."""
    seconds, shares = [], []
    for n in range(runs):
        rows = [part[n] for part in parts]
        seconds.append(max(row[0] for row in rows) / steps)
        shares.append(cpu_share([CpuUse(process, cpu_s, wall_s) for _, cpu_s, process, wall_s in rows], usable_cores()))
    return {"seconds": seconds, "cpu_share": median(shares)}


def summary(rows: list[dict]) -> list[dict]:
    """For each backend: errors of the predictions, of all messages and of large ones, and the regret of choosing."""
    found = []
    for backend in dict.fromkeys(row["backend"] for row in rows):
        for least in (0, LARGE_BYTES):
            mine = [row for row in rows if row["backend"] == backend and row["bytes"] >= least]
            errors, regrets = [abs(row["error"]) for row in mine], regret(mine)
            found.append(
                {
                    "backend": backend,
                    "from_bytes": least,
                    "cases": len(mine),
                    "mean_error": mean(errors),
                    "p95_error": float(np.quantile(errors, 0.95)),
                    "mean_regret": mean(regrets),
                    "max_regret": max(regrets),
                    "most_cpu_share": max(row["cpu_share"] for row in mine),
                }
            )
    return found


def regret(rows: list[dict]) -> list[float]:
    """For each number of ranks and size: how much longer the predicted best takes than the measured best."""
    groups = defaultdict(list)
    for row in rows:
        groups[row["ranks"], row["bytes"]].append(row)
    return [
        min(group, key=lambda row: row["predicted_s"])["measured_s"] / min(row["measured_s"] for row in group) - 1
        for group in groups.values()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2 and 3 ranks, four sizes")
    parser.add_argument("--backends", nargs="+", default=("threads", "mpi"), choices=("threads", "mpi"))
    parser.add_argument("--ranks", nargs="+", type=int, help="numbers of ranks")
    options = parser.parse_args()
    sizes = SIZES[::2] if options.quick else SIZES
    ranks = tuple(options.ranks or ((2, 3) if options.quick else range(2, 9)))
    rows = []
    for row in collectives(tuple(options.backends), ranks, sizes, 3 if options.quick else RUNS):
        rows.append(row)
        print(json.dumps({k: float(f"{v:.3g}") if isinstance(v, float) else v for k, v in row.items()}), flush=True)
    for row in [*summary(rows), *(against_library() if "mpi" in options.backends else ())]:
        print(json.dumps({k: float(f"{v:.3g}") if isinstance(v, float) else v for k, v in row.items()}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
