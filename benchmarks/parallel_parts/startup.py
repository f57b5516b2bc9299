"""How long it takes until ranks work: processes that are started for a run, and the warm ones of a cluster."""

import os
import tempfile
from collections.abc import Iterator
from time import perf_counter

from labkit.network import zoo
from labkit.run import cluster
from labkit.run.cluster.run import run_on_cluster
from labkit.run.job import Job
from labkit.run.mpi.run import run_on_mpi
from labkit.schemes import registry


def startup(ranks: list[int], times: int = 3, clusters: int = 2) -> Iterator[dict]:
    """Rows: `seconds` of a run beyond those of its steps; for a cluster, until all of its ranks answer."""
    for size in ranks:
        for number in range(times):
            yield {"what": "run of new processes", "ranks": size, "time": number, "seconds": _beyond(run_on_mpi, size)}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["IPYTHONDIR"] = folder
        for number in range(clusters):
            yield from _cluster(number, times)


def _cluster(number: int, times: int) -> Iterator[dict]:
    """A cluster of two: until it is up, runs on it, until it is down."""
    start = perf_counter()
    cluster.up(2)
    yield {"what": "cluster up", "ranks": 2, "time": number, "seconds": perf_counter() - start}
    try:
        for run in range(times):
            yield {"what": "run of warm ranks", "ranks": 2, "time": run, "seconds": _beyond(run_on_cluster, 2)}
    finally:
        start = perf_counter()
        cluster.down()
    yield {"what": "cluster down", "ranks": 2, "time": number, "seconds": perf_counter() - start}


def _beyond(run, ranks: int) -> float:
    schedule = registry.build("allreduce", zoo.get("lenet5"), ranks, 2 * ranks)
    start = perf_counter()
    result = run(schedule, Job(data="synthetic", steps=2, record=False))
    return perf_counter() - start - result.seconds
