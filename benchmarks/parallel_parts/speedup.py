"""Two ranks with one thread each against one rank with one thread, on the same batch: real messages, real computing.

Rounds alternate between one rank and two, so that a machine that slows down slows both.
"""

from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from labkit.machine.processor import load_average

from .ranks import run_cases

ALONE = ("one rank", "single", {})
TOGETHER = (
    ("ring, overlapped", "allreduce", {"algorithm": "ring"}),
    ("the library's, overlapped", "allreduce", {"algorithm": "mpi"}),
    ("ring, after back-propagation", "allreduce", {"algorithm": "ring", "overlap": False}),
)


def speedup(network: str = "resnet18_32", batch: int = 64, steps: int = 9, rounds: int = 3) -> Iterator[dict]:
    """A row for each way and round; `ratio`: throughput over that of one rank in the same round."""
    for number in range(rounds):
        alone = timed(network, batch, steps, 1, [ALONE])[0]
        yield {"way": ALONE[0], "round": number, "ratio": 1.0} | alone
        for way, found in zip(TOGETHER, timed(network, batch, steps, 2, TOGETHER), strict=True):
            yield {"way": way[0], "round": number, "ratio": alone["step_s"] / found["step_s"]} | found


def timed(network: str, batch: int, steps: int, ranks: int, ways) -> list[dict]:
    """The median step of each way; the first one does not count."""
    what = {"network": network, "batch": batch, "job": {"steps": steps}}
    cases = [what | {"scheme": scheme, "options": options} for _, scheme, options in ways]
    found = []
    for (run,) in run_cases(ranks, cases):
        seconds = [b - a for a, b in pairwise(run["step_ends_s"])]
        found.append(
            {
                "network": network,
                "batch": batch,
                "ranks": ranks,
                "step_s": median(seconds),
                "fastest_s": min(seconds),
                "compute_s": max(run["compute_s"]) / steps,
                "samples_per_s": batch / median(seconds),
                "load_average": load_average(),
            }
        )
    return found
