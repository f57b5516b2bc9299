"""How fast `simulate` is: instructions and moves of collectives per second, in pure Python on one core.

`seconds` are by the clock; `cpu_s` is the processor's time, which other work on the machine lengthens little. Both
include what happens before the first event: looking up costs and messages, and the events as objects afterwards.
"""

from collections.abc import Iterator
from statistics import median
from time import perf_counter, process_time

from labkit.machine.links import Link
from labkit.network import zoo
from labkit.schedule import Schedule, equal_shares
from labkit.schedule.costs import Costs, flops_costs
from labkit.schedule.pieces import arrays, buckets
from labkit.schedule.schedule import program
from labkit.schedule.simulate import simulate

LINK = Link("100 us, 1 GB/s", 100e-6, 1e9)
FLOPS_PER_S = 1e11
BUCKET_BYTES = 2**20
TIMES = 5


def simulator(cases: tuple[str, ...] = ("ring", "halving", "overlap", "points", "server"), steps: int = 3):
    """One row per case: what was simulated, and operations per second (median of 5)."""
    for case in cases:
        yield from speed(case, steps)


def speed(case: str, steps: int) -> Iterator[dict]:
    """One case of CASES, timed as a whole, with and without the events."""
    schedule = CASES[case]()
    costs = Costs(flops_costs(schedule.network, FLOPS_PER_S), LINK)
    operations = steps * primitives(schedule)
    for events in (True, False):
        walls, cpus = [], []
        for _ in range(TIMES):
            start, cpu_start = perf_counter(), process_time()
            timeline = simulate(schedule, costs, steps, events)
            walls.append(perf_counter() - start)
            cpus.append(process_time() - cpu_start)
        yield {
            "case": case,
            "network": schedule.network.name,
            "ranks": schedule.size,
            "steps": steps,
            "events": events,
            "operations": operations,
            "seconds": median(walls),
            "cpu_s": median(cpus),
            "operations_per_s": operations / median(walls),
            "operations_per_cpu_s": operations / median(cpus),
            "simulated_s": timeline.seconds,
        }


def primitives(schedule: Schedule) -> int:
    """Instructions of one step, each counted once, or as many times as it has moves."""
    return sum(max(1, len(schedule.moves(rank, one))) for rank, program in enumerate(schedule.ranks) for one in program)


def _exchange(network: str, ranks: int, algorithm: str, behind: bool) -> Schedule:
    """Data parallelism in buckets; behind: while back-propagation goes on, layer by layer."""
    net = zoo.get(network)
    pieces, end = buckets(net, BUCKET_BYTES), len(net)
    mark = " &" if behind else ""
    layers = [f"B{n}:{n + 1}" for n in reversed(range(end))] if behind else [f"B0:{end}"]
    lines = [f"F{n}:{n + 1}" for n in range(end)] if behind else [f"F0:{end}"]
    lines += [*layers, *(f"allreduce g{n} {algorithm}{mark}" for n in range(len(pieces)))]
    lines += [f"wait g{n}; U w{n}" for n in range(len(pieces))] if behind else [f"U0:{end}"]
    return Schedule(algorithm, net, equal_shares(64, ranks), pieces, (program(lines),) * ranks)


def _points(network: str, ranks: int) -> Schedule:
    """Nothing but instructions of a single message: every rank passes every array on to the next, in pairs."""
    net = zoo.get(network)
    pieces = arrays(net)
    after, before = (lambda rank: (rank + 1) % ranks), (lambda rank: (rank - 1) % ranks)
    lists = [
        [f"F0:{len(net)}", *(f"send g{n}>{after(r)}; recv g{n}<{before(r)} +" for n in range(len(pieces)))]
        for r in range(ranks)
    ]
    return Schedule("points", net, equal_shares(64, ranks), pieces, tuple(map(program, lists)))


def _server(network: str, ranks: int) -> Schedule:
    """One asynchronous server, every array a piece."""
    net = zoo.get(network)
    count = len(arrays(net))
    lines = [f"F0:{len(net)}; B0:{len(net)}", *(f"push g{n}>0; pull w{n}<0" for n in range(count))]
    lists = ["serve async"] * (count * (ranks - 1))
    shares = ((), *equal_shares(64, ranks - 1))
    return Schedule("server", net, shares, arrays(net), (program(lists), *(program(lines),) * (ranks - 1)))


CASES = {
    "ring": lambda: _exchange("resnet18", 16, "ring", behind=False),
    "halving": lambda: _exchange("resnet18", 64, "halving", behind=False),
    "overlap": lambda: _exchange("resnet18", 8, "ring", behind=True),
    "points": lambda: _points("resnet18", 16),
    "server": lambda: _server("resnet18", 16),
}
