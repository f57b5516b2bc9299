"""Bytes and messages of every scheme: counted by a run, counted from its schedule, and by formula. They must be equal.

LeNet-5: its 61,706 values are divisible by none of 3 to 8, so that every way to cut them is uneven.
"""

from collections.abc import Iterator

from labkit.network import zoo
from labkit.run.job import Job
from labkit.run.local import run_on_threads
from labkit.schedule.traffic import traffic
from labkit.schemes import registry

from .ranks import run_cases

NETWORK = "lenet5"
STEPS = 2
ALGORITHMS = ("ring", "tree", "doubling", "halving", "mpi")
MODES = ({"mode": "sync"}, {"mode": "async"}, {"mode": "ssp", "bound": 1})
PLACEMENTS = ({}, {"servers": "sharded"}, {"servers": "sharded", "placement": "greedy"})


def counts(ranks: list[int], communicator: str = "threads", chunks: list[int] | None = None) -> Iterator[dict]:
    """A row for each scheme, its options and number of ranks; chunks: numbers of them for `chunked`."""
    for size in ranks:
        cases = [case for case in variants(chunks or []) if size > 1 or case[0] == "single"]
        for (scheme, options), sent in zip(cases, measured(size, cases, communicator), strict=True):
            yield row(scheme, options, size, communicator, sent)


def variants(chunks: list[int]) -> list[tuple[str, dict]]:
    """All schemes of many ranks with their options."""
    found = [("master", {}), ("error-average", {})]
    found += [("allreduce", {"algorithm": name, "bucket_bytes": size}) for name in ALGORITHMS for size in (2**20, 0)]
    found += [("parameter-server", mode | place) for mode in MODES for place in PLACEMENTS]
    return found + [("chunked", {"chunks": count}) for count in chunks]


def measured(ranks: int, cases: list[tuple[str, dict]], communicator: str) -> list[list[tuple[int, int]]]:
    """For each case (messages, bytes) that each rank has sent in STEPS steps."""
    if communicator == "mpi":
        plain = [
            {"scheme": s, "options": o, "network": NETWORK, "batch": 2 * ranks + 1, "job": job()} for s, o in cases
        ]
        return [[(messages, size) for _, messages, size in runs[0]["sent"]] for runs in run_cases(ranks, plain)]
    found = []
    for scheme, options in cases:
        schedule = registry.build(scheme, zoo.get(NETWORK), ranks, 2 * ranks + 1, **options)
        result = run_on_threads(schedule, Job(data="synthetic", **job()))
        found.append([(use.messages_sent, use.bytes_sent) for use in result.use])
    return found


def job() -> dict:
    """Settings of every run."""
    return {"steps": STEPS, "record": False}


def row(scheme: str, options: dict, ranks: int, communicator: str, sent: list[tuple[int, int]]) -> dict:
    """One case: what was counted in three ways, and the largest difference of any rank."""
    network = zoo.get(NETWORK)
    planned = traffic(registry.build(scheme, network, ranks, 2 * ranks + 1, **options)).times(STEPS)
    formula = registry.cost(scheme, network, ranks, 2 * ranks + 1, **options)
    by_rank = [planned.of(rank) for rank in range(ranks)]
    differences = [
        max(abs(messages - other[0]), abs(size - other[1]))
        for rank, (messages, size) in enumerate(sent)
        for other in (
            (by_rank[rank].messages, by_rank[rank].bytes),
            (STEPS * formula.messages[rank], STEPS * formula.bytes[rank]),
        )
    ]
    return {
        "scheme": scheme,
        "options": " ".join(f"{name}={value}" for name, value in options.items()),
        "ranks": ranks,
        "communicator": communicator,
        "messages": sum(messages for messages, _ in sent),
        "bytes": sum(size for _, size in sent),
        "difference": max(differences),
    }
