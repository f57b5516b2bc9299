"""Ranks on the GPUs of this machine: all-reduce on 1, 2, ... of them, and by several ranks that share one.

Every row says how far the weights are from those of one rank, so that a wrong exchange shows. Ranks are processes under
MPI where mpi4py is installed, and threads of this process otherwise. NCCL is also tried by two ranks on one GPU, which
it takes as an experiment (from 2.30 on): not for its speed, but to see it work where there is no second GPU.
"""

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import numpy as np
from gpu_parts import stand_ins

from labkit.engine.optimizers import Momentum
from labkit.kernels.executors import Executor
from labkit.machine.gpu_choice import visible
from labkit.network import zoo
from labkit.run.gpu.nccl_start import SEVERAL
from labkit.run.job import Job
from labkit.run.local import run_on_threads
from labkit.run.result import RunResult
from labkit.schemes import registry

TOLERANCE = 1e-3  # of the largest weight
COPIED_BYTES = (2**16, 2**22, 2**28)
COPIES = 7


def rows(executor: Executor, quick: bool) -> Iterator[dict]:
    """A row for each number of ranks, what they are, and how their gradients travel. ValueError if weights differ."""
    network, batch, steps = ("lenet5", 8, 2) if quick else ("alexnet_star", 128, 10)
    wrong = 0
    alone = None
    for kind, ranks, exchange, algorithm in cases(executor.name == "gpu", quick):
        row = {"network": network, "batch": batch, "ranks": ranks, "kind": kind, "exchange": exchange}
        row |= {"algorithm": algorithm, "gpus": min(ranks, max(1, len(visible()))) if kind == "mpi" else 1}
        try:
            result = _run(executor, network, batch, steps, kind, ranks, exchange, algorithm)
        except Exception as error:  # one way that fails must not hide the others
            wrong += 1
            yield row | _found(None, steps) | {"difference": None, "error": f"{type(error).__name__}: {error}"[:300]}
            continue
        alone = result.parameters if alone is None else alone
        difference = float(np.abs(result.parameters - alone).max() / np.abs(alone).max())
        wrong += not difference <= TOLERANCE
        yield row | _found(result, steps) | {"difference": difference, "error": None}
    if wrong:
        raise ValueError(f"{wrong} of them failed, or have weights further than {TOLERANCE:g} from those of one rank")


def cases(on_gpu: bool, quick: bool) -> list[tuple[str, int, str, str]]:
    """(kind, ranks, exchange, algorithm), one rank first."""
    found = [("threads", 1, "host", "mpi"), ("threads", 2, "host", "ring")]
    if stand_ins.MISSING or importlib.util.find_spec("mpi4py") is None:
        return found
    gpus = len(visible()) if on_gpu else 0
    found += [("mpi", ranks, "host", "mpi") for ranks in sorted({2, *_powers(gpus)})]
    if quick or not on_gpu:
        return found
    found += [("mpi", ranks, "nccl", "mpi") for ranks in _powers(gpus) if ranks > 1]
    return [*found, ("mpi", 2, "host", "ring"), *([("mpi", 2, "shared", "mpi")] if gpus == 1 else [])]


def copies(executor: Executor, quick: bool) -> Iterator[dict]:
    """Between the GPU and the host: by a mirror (page-locked, beside kernels), and by plain copies."""
    for size in COPIED_BYTES[: 1 if quick else None]:
        vector = executor.put(np.ones(size // 4, np.float32))
        mirror, plain = executor.mirror(vector), np.ones(size // 4, np.float32)

        def moved(start, mirror=mirror) -> None:
            start()
            while not mirror.done():
                pass

        ways = {
            ("fetch", "mirror"): lambda moved=moved, mirror=mirror: moved(mirror.fetch),
            ("store", "mirror"): lambda moved=moved, mirror=mirror: moved(mirror.store),
            ("fetch", "plain"): lambda vector=vector: executor.get(vector),
            ("store", "plain"): lambda vector=vector, plain=plain: executor.put(plain, vector),
        }
        for (what, how), do in ways.items():
            seconds = sorted(_seconds(executor, do) for _ in range(1 if quick else COPIES))
            yield {"bytes": size, "what": what, "how": how, "seconds": seconds[len(seconds) // 2]}


def _run(executor, network, batch, steps, kind, ranks, exchange, algorithm) -> RunResult:
    schedule = registry.build("allreduce", zoo.get(network), ranks, batch, algorithm=algorithm)
    job = Job(
        data="synthetic",
        steps=steps,
        backend="cuda" if executor.name == "gpu" else "cuda-cpu",
        mapping="tuned" if executor.name == "gpu" else None,
        optimizer=Momentum(lr=0.01),
        exchange="nccl" if exchange == "shared" else exchange,
        record=False,
    )
    if kind == "threads":
        return run_on_threads(schedule, job)
    from labkit.run.mpi.run import run_on_mpi

    with _environment(SEVERAL, "1" if exchange == "shared" else None):
        return run_on_mpi(schedule, job)


def _found(result: RunResult | None, steps: int) -> dict:
    if result is None:
        return dict.fromkeys(("step_s", "compute_s", "communicate_s", "bytes_sent", "communicator", "remarks"))
    busiest = max(result.use, key=lambda use: use.compute_s)
    return {
        "step_s": result.seconds / steps,
        "compute_s": busiest.compute_s / steps,
        "communicate_s": busiest.communicate_s / steps,
        "bytes_sent": result.traffic.bytes,
        "communicator": result.communicator,
        "remarks": "; ".join(result.remarks),
    }


def _powers(most: int) -> list[int]:
    """1, 2, 4, ... up to `most`, and `most` itself."""
    return sorted({most, *(2**k for k in range(most.bit_length()))} - {0}) if most else []


def _seconds(executor: Executor, do) -> float:
    executor.synchronize()
    start = perf_counter()
    do()
    return perf_counter() - start


@contextmanager
def _environment(name: str, value: str | None) -> Iterator[None]:
    before = os.environ.get(name)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        if value is not None:
            os.environ.pop(name)
            os.environ.update({name: before} if before is not None else {})
