"""All-reduces three times: by their closed form, simulated message by message, and done over a link; for notebook 06.

A row is a dictionary: algorithm, ranks, bytes (of the vector), link, closed_s, simulated_s, measured_s, regime. Over an
emulated link the ranks are threads of this process, which mostly sleep: there may be more of them than cores.
"""

from collections.abc import Iterable, Iterator, Sequence
from math import inf

from labkit.course.parallel import Ranks
from labkit.limits import collectives as closed
from labkit.machine.links import Link
from labkit.network import zoo
from labkit.network.graph import FLOAT_BYTES
from labkit.run.job import Job
from labkit.run.local import run_on_threads
from labkit.run.rank.feed import training_samples
from labkit.schedule import Schedule, Timeline, parse
from labkit.schedule.pieces import Piece
from labkit.schedule.simulate import collective_seconds

NETWORK = zoo.get("mlp")  # a flat vector of 203,530 values to cut pieces from
MOST_BYTES = NETWORK.parameters * FLOAT_BYTES


def modelled(algorithms: Sequence[str], ranks: Iterable[int], sizes: Iterable[int], link: Link) -> Iterator[dict]:
    """Rows without a measurement: measured_s is None."""
    ranks, sizes = tuple(ranks), tuple(sizes)
    for algorithm in algorithms:
        for p in ranks:
            for size in sizes:
                yield {
                    "algorithm": algorithm,
                    "ranks": p,
                    "bytes": size,
                    "link": link.name,
                    "closed_s": closed.seconds("allreduce", algorithm, p, size, link),
                    "simulated_s": collective_seconds("allreduce", algorithm, p, size // FLOAT_BYTES, link),
                    "measured_s": None,
                    "regime": "simulated",
                }


def emulated(
    algorithms: Sequence[str], ranks: Iterable[int], sizes: Iterable[int], link: Link, repeats: int = 3
) -> Iterator[dict]:
    """Rows with the fastest of `repeats` all-reduces over an emulated link. Sizes: up to MOST_BYTES."""
    job = Job(steps=1, link=link, record=False)
    samples = training_samples(NETWORK, job)
    for row in modelled(algorithms, ranks, sizes, link):
        schedule = schedule_of([row["algorithm"]], row["ranks"], [row["bytes"]])
        seconds = min(run_on_threads(schedule, job, samples=samples).seconds for _ in range(repeats))
        yield row | {"measured_s": seconds, "regime": "emulated"}


def measured(ranks: Ranks, algorithms: Sequence[str], sizes: Sequence[int], repeats: int = 20) -> Iterator[dict]:
    """Rows of all-reduces between `ranks` as fast as they go; all in one run, the fastest of each counts.

    closed_s and simulated_s are None: what a message of this machine costs is not known beforehand.
    """
    schedule = schedule_of(algorithms, ranks.count, sizes)
    result = ranks.run(schedule, Job(steps=repeats))
    spans = spans_of(result.timeline)
    for number, instruction in enumerate(schedule.ranks[0]):
        yield {
            "algorithm": instruction.how,
            "ranks": ranks.count,
            "bytes": schedule.bytes(instruction),
            "link": "memory",
            "closed_s": None,
            "simulated_s": None,
            "measured_s": spans[number],
            "regime": result.timeline.regime,
        }


def schedule_of(algorithms: Sequence[str], ranks: int, sizes: Sequence[int]) -> Schedule:
    """A schedule that sums vectors of `sizes` bytes by each of `algorithms`, and computes nothing."""
    pieces = tuple(Piece(0, size // FLOAT_BYTES) for size in sizes)
    program = tuple(parse(f"allreduce g{n} {name}") for name in algorithms for n in range(len(pieces)))
    return Schedule("collectives", NETWORK, ((),) * ranks, pieces, (program,) * ranks)


def spans_of(timeline: Timeline) -> dict[int, float]:
    """Shortest time of each instruction over all steps, from when the last rank begins it to when the last one ends."""
    begins, ends, best = {}, {}, {}
    for event in timeline.events:
        key = event.position, event.step
        begins[key] = max(begins.get(key, -inf), event.start_s)
        ends[key] = max(ends.get(key, -inf), event.end_s)
    for (position, step), end in ends.items():
        best[position] = min(best.get(position, inf), end - begins[position, step])
    return best
