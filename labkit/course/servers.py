"""Experiments of notebook 07 on parameter servers: how long steps take, how soon workers learn, a rank that dies."""

import os
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from labkit.course.retrace import Learned, retrace
from labkit.engine.background import BackgroundRun
from labkit.errors import LabError
from labkit.machine.links import Link
from labkit.network import Network
from labkit.run.failure import RankError
from labkit.run.job import Job
from labkit.run.mpi.run import StepLoss
from labkit.run.result import RunResult
from labkit.schedule import Schedule
from labkit.schedule.costs import Costs, no_compute
from labkit.schedule.simulate import simulate, simulated_staleness
from labkit.schemes import build
from labkit.widgets.tables import Table

SEEDS = (0, 1, 2)
KILL_S = 60.0
LOOK_EVERY_S = 0.002


def costs_of(network: Network, job: Job) -> Costs:
    """What the simulation of a job of slowed ranks takes: its link, the seconds that they sleep, and nothing else."""
    return Costs(no_compute(network), job.link, slowed_s=tuple(job.slowed_s))


def sleeping(*seconds: float) -> tuple[float, ...]:
    """`slowed_s` of one server and workers that each take so many seconds to compute a step."""
    return (0.0, *seconds)


def step_seconds(schedule: Schedule, costs: Costs, steps: int = 6) -> float:
    """Simulated seconds of a step, when what the first one hands to the next has settled."""
    whole, half = (simulate(schedule, costs, n, events=False).seconds for n in (2 * steps, steps))
    return (whole - half) / steps


def more_workers(network: Network, link: Link, workers: Iterable[int], compute_s: float, each: int) -> dict:
    """Name -> {workers: seconds of a step}, simulated: one synchronous server, and a ring all-reduce of the workers.

    compute_s: of a worker's step, whatever its share; each: samples of a worker.
    """
    found: dict[str, dict[int, float]] = {"one server": {}, "ring all-reduce": {}}
    for count in workers:
        served = build("parameter-server", network, count + 1, each * count)
        ring = build("allreduce", network, count, each * count, algorithm="ring", overlap=False)
        for name, schedule in (("one server", served), ("ring all-reduce", ring)):
            slowed_s = (0.0,) * (schedule.size - count) + (compute_s,) * count
            found[name][count] = step_seconds(schedule, Costs(no_compute(network), link, slowed_s=slowed_s))
    return found


def placed_step(network: Network, ranks: int, each: int, compute_s: float, link: Link) -> dict[str, float]:
    """Name -> seconds of a synchronous step of `ranks` workers, simulated: one more device as the server, or arrays on
    the workers by either placement, or cut into equal parts (as a ring all-reduce does it).
    """
    ways = {
        "one server": ("parameter-server", 1, {"servers": "1"}),
        "round-robin": ("parameter-server", 0, {"servers": "sharded", "placement": "round-robin"}),
        "greedy": ("parameter-server", 0, {"servers": "sharded", "placement": "greedy"}),
        "cut into equal parts": ("allreduce", 0, {"algorithm": "ring"}),
    }
    found = {}
    for name, (scheme, more, options) in ways.items():
        schedule = build(scheme, network, ranks + more, each * ranks, **options)
        slowed_s = (0.0,) * more + (compute_s,) * ranks
        found[name] = step_seconds(schedule, Costs(no_compute(network), link, slowed_s=slowed_s), 3)
    return found


def modes_table(schedules: Mapping[str, Schedule], results: Mapping[str, RunResult], costs: Costs) -> Table:
    """Milliseconds of a step, simulated and measured, and the staleness of each run."""
    rows = []
    for name, result in results.items():
        ages = [stale.staleness for stale in result.staleness]
        predicted = simulate(schedules[name], costs, result.steps, events=False).seconds / result.steps
        steps = (f"{1e3 * seconds:.1f}" for seconds in (predicted, result.seconds / result.steps))
        rows.append((name, *steps, f"{sum(ages) / len(ages):.2f}", max(ages)))
    one = next(iter(results.values())).timeline
    head = ("", "a step, ms: simulated", "measured", "mean staleness", "largest")
    return Table(f"Three modes ({one.regime}, {one.origin}, link {one.link})", head, tuple(rows))


def race(
    schedules: Mapping[str, Schedule],
    job: Job,
    target: float,
    rates: Iterable[float],
    seeds: Iterable[int] = SEEDS,
) -> dict[tuple[str, float], float | None]:
    """(name, learning rate) -> simulated seconds until `target` is reached, the mean of all seeds; None where one of
    them never gets there.
    """
    found = {}
    for name, schedule in schedules.items():
        costs = costs_of(schedule.network, job)  # neither learning rate nor seed changes who comes when
        seen = simulated_staleness(schedule, costs, job.steps), simulate(schedule, costs, job.steps)
        for rate in rates:
            optimizer = replace(job.optimizer, lr=rate)
            jobs = [replace(job, seed=seed, optimizer=optimizer) for seed in seeds]
            times = [retrace(schedule, one, *seen).reaches(target) for one in jobs]
            found[name, rate] = None if None in times else sum(times) / len(times)
    return found


def race_table(times: Mapping[tuple[str, float], float | None], target: float, caption: str = "") -> Table:
    """The outcome of a race: a row for each schedule, a column for each learning rate, and the best of them."""
    rates = list(dict.fromkeys(rate for _, rate in times))
    rows = []
    for name in dict.fromkeys(name for name, _ in times):
        own = [times[name, rate] for rate in rates]
        best = min((seconds for seconds in own if seconds is not None), default=None)
        rows.append((name, *(None if seconds is None else f"{seconds:.2f}" for seconds in (*own, best))))
    head = ("", *(f"learning rate {rate:g}" for rate in rates), "each at its best")
    what = f"seconds to {100 * target:.0f} % (simulated times, real arithmetic, mean of {len(SEEDS)} seeds; –: never)"
    return Table(f"{caption}: {what}" if caption else what.capitalize(), head, tuple(rows))


def best(times: Mapping[tuple[str, float], float | None]) -> dict[str, float]:
    """The least seconds of each schedule that reaches the target at all."""
    found: dict[str, float] = {}
    for (name, _), seconds in times.items():
        if seconds is not None:
            found[name] = min(seconds, found.get(name, seconds))
    return found


def updates_by(learned: Learned, seconds: float) -> int:
    """Updates that the newest weights have seen with which some worker begins a step up to so many seconds."""
    return int(max(learned.updates[learned.seconds <= seconds], default=0))


@dataclass(frozen=True)
class Killed:
    """The end of a run: in which step, and what was said about it, which is how it prints."""

    step: int
    said: str

    def __str__(self) -> str:
        return self.said


def kill(run: BackgroundRun, rank: int, step: int) -> Killed:
    """Wait until `rank` is in step `step`, end its process without warning (SIGKILL), and return what the run says.

    Where ranks are threads of this process, which nobody can kill, the run is stopped there instead. Raises LabError
    if the run is over before, or takes longer than KILL_S to get there.
    """
    deadline = time.monotonic() + KILL_S
    while (done := _step_of(run, rank)) < step:
        if run.over or time.monotonic() > deadline:
            raise LabError(f"rank {rank} is in step {done} and {run!r}", "ask for an earlier step of a longer run")
        time.sleep(LOOK_EVERY_S)
    processes = run.processes
    if processes is None:
        run.stop()
    else:
        os.kill(processes.board.look(rank).pid, signal.SIGKILL)
    run.wait(KILL_S)
    if run.error is None:
        return Killed(done, f"stopped in step {done}: ranks are threads here, which nobody can kill")
    return Killed(run.error.failure.step if isinstance(run.error, RankError) else done, str(run.error))


def _step_of(run: BackgroundRun, rank: int) -> int:
    """The step that a rank is in, -1 before the first one."""
    processes = run.processes
    if processes is not None:
        return processes.board.look(rank).last.step
    return max((item.step + 1 for item in run.events if isinstance(item, StepLoss)), default=-1)
