"""Step times that nothing was fitted to: each predicted from three calibrations, then measured.

Calibrated: LeNet-5 on one process, LeNet-5 on two at the same time, and the MLP on one, each at two batch sizes and
over one emulated link. Predicted: other batch sizes, other links, other numbers of ranks, all schemes. With one and two
ranks computing is real (regime 'emulated'); with more it is slept through as calibrated (regime 'simulated'), which
leaves the rest of a prediction to be checked: messages, lanes, servers.

A step is what one more takes once the first two are over, from the last event of a step to that of the next one.
"""

from collections.abc import Iterator
from itertools import combinations
from statistics import mean, median

from labkit.machine.links import parse_link
from labkit.machine.processor import load_average, usable_cores
from labkit.network import zoo
from labkit.run.calibration.measure import calibrate, calibrate_on_mpi
from labkit.run.calibration.value import Calibration
from labkit.schedule import Schedule
from labkit.schedule.costs import Costs, costs_document
from labkit.schedule.simulate import simulate
from labkit.schemes import registry

from .ranks import run_cases

CALIBRATED_LINK = "emulated:500,100"
LINKS = ("emulated:300,150", "emulated:1000,100", "emulated:600,50")
STEPS, FIRST = 14, 2  # of a run; those that do not count
APART = 0.1  # step times that differ by less have no order

# network, ranks, batch, number of the link, scheme, options
HELD_OUT = [
    ("lenet5", 1, 40, 0, "single", {}),
    ("lenet5", 1, 200, 0, "single", {}),
    ("lenet5", 1, 96, 0, "single", {"micro_batches": 3}),
    ("lenet5", 2, 96, 0, "allreduce", {}),
    ("lenet5", 2, 400, 1, "allreduce", {}),
    ("lenet5", 2, 128, 2, "allreduce", {"algorithm": "halving", "overlap": False}),
    ("lenet5", 2, 192, 1, "allreduce", {"algorithm": "tree", "bucket_bytes": 0}),
    ("lenet5", 2, 250, 2, "master", {}),
    ("lenet5", 2, 64, 0, "chunked", {"chunks": 4}),
    ("lenet5", 2, 320, 1, "parameter-server", {"servers": "sharded"}),
    ("lenet5", 2, 160, 0, "parameter-server", {"servers": "sharded", "placement": "greedy"}),
    ("lenet5", 3, 96, 1, "allreduce", {}),
    ("lenet5", 3, 300, 2, "parameter-server", {}),
    ("lenet5", 4, 256, 0, "allreduce", {"algorithm": "doubling"}),
    ("lenet5", 4, 64, 1, "master", {}),
    ("lenet5", 4, 512, 2, "chunked", {"chunks": 8}),
    ("lenet5", 4, 200, 1, "parameter-server", {"servers": "sharded", "placement": "greedy"}),
    ("mlp", 4, 128, 2, "allreduce", {"bucket_bytes": 0}),
    ("mlp", 5, 1000, 0, "allreduce", {"algorithm": "halving"}),
    ("lenet5", 6, 384, 0, "allreduce", {"algorithm": "tree"}),
    ("lenet5", 6, 600, 2, "parameter-server", {"mode": "async"}),
    ("lenet5", 8, 512, 0, "allreduce", {}),
    ("lenet5", 8, 1024, 1, "allreduce", {"algorithm": "halving", "overlap": False}),
    ("lenet5", 8, 512, 2, "master", {}),
    ("lenet5", 8, 256, 1, "chunked", {"chunks": 16}),
    ("lenet5", 8, 800, 0, "parameter-server", {}),
    ("mlp", 8, 2048, 1, "allreduce", {}),
    ("mlp", 8, 512, 2, "parameter-server", {"servers": "sharded"}),
]
QUICK = [HELD_OUT[number] for number in (0, 4, 15)]
Key = tuple[str, str]


def steps(quick: bool = False, again: int = 3) -> Iterator[dict]:
    """A row for each configuration; again: runs of each, of which the median counts."""
    held_out = QUICK if quick else HELD_OUT
    known = calibrations({case[0] for case in held_out if case[1] != 2}, {case[0] for case in held_out if case[1] == 2})
    groups: dict[tuple[int, str], list] = {}
    for case in held_out:
        groups.setdefault((case[1], LINKS[case[3]]), []).append(case)
    for (ranks, link), cases in groups.items():
        costs = [costs_of(known, case) for case in cases]
        asked = [plain(case, cost, again) for case, cost in zip(cases, costs, strict=True)]
        for case, cost, runs in zip(cases, costs, run_cases(ranks, asked), strict=True):
            yield row(case, link, cost, runs)


def calibrations(alone: set[str], together: set[str]) -> dict[Key, Calibration]:
    """By network and kind: 'alone' or 'together'."""
    link, found = parse_link(CALIBRATED_LINK), {}
    for name in sorted(alone):
        found[name, "alone"] = calibrate(zoo.get(name), link=link)
    for name in sorted(together):
        found[name, "together"] = calibrate_on_mpi(zoo.get(name), ranks=2, link=link)
    return found


def costs_of(known: dict[Key, Calibration], case: tuple) -> Costs:
    """Of a configuration: those of its calibration, with its own link."""
    network, ranks, _, link, *_ = case
    measured = known[network, "together" if ranks == 2 else "alone"].costs
    return Costs(measured.compute, parse_link(LINKS[link]), measured.reduce_bytes_per_s, measured.overhead_s)


def plain(case: tuple, costs: Costs, again: int) -> dict:
    """A configuration as a case of `run_cases`."""
    network, ranks, batch, link, scheme, options = case
    compute = costs_document(costs) if ranks > 2 else None
    what = {"network": network, "batch": batch, "scheme": scheme, "options": options}
    return what | {"link": LINKS[link], "compute": compute, "job": {"steps": STEPS}, "again": again}


def row(case: tuple, link: str, costs: Costs, runs: list[dict]) -> dict:
    """Predicted beside measured."""
    network, ranks, batch, _, scheme, options = case
    schedule = registry.build(scheme, zoo.get(network), ranks, batch, **options)
    measured_s = median(per_step(run["step_ends_s"]) for run in runs)
    predicted_s = float(per_step(foretold(schedule, costs)))
    return {
        "network": network,
        "ranks": ranks,
        "batch": batch,
        "link": link,
        "scheme": schedule.scheme,
        "options": " ".join(f"{name}={value}" for name, value in options.items()),
        "regime": "simulated" if ranks > 2 else "emulated",
        "measured_s": measured_s,
        "predicted_s": predicted_s,
        "error": predicted_s / measured_s - 1,
        "cpu_share": median(run["cpu_s"] / run["seconds"] for run in runs) / usable_cores(),
        "load_average": load_average(),
    }


def foretold(schedule: Schedule, costs: Costs) -> list[float]:
    """When each step ends, as simulated."""
    ends = [0.0] * STEPS
    for event in simulate(schedule, costs, STEPS).events:
        ends[event.step] = max(ends[event.step], event.end_s)
    return ends


def per_step(ends: list[float]) -> float:
    """Seconds of a step from the ends of all."""
    return (ends[-1] - ends[FIRST - 1]) / (len(ends) - FIRST)


def summary(rows: list[dict]) -> dict:
    """Errors, and the share of pairs that are predicted to be in the order in which they were measured."""
    errors = [abs(row["error"]) for row in rows]
    pairs = [
        (a["measured_s"] < b["measured_s"]) == (a["predicted_s"] < b["predicted_s"])
        for a, b in combinations(rows, 2)
        if abs(a["measured_s"] - b["measured_s"]) > APART * min(a["measured_s"], b["measured_s"])
    ]
    return {
        "configurations": len(rows),
        "mean_error": mean(errors),
        "max_error": max(errors),
        "pairs": len(pairs),
        "in_order": sum(pairs) / len(pairs) if pairs else None,
    }
