"""Measuring this machine once, to predict how long schedules take on it: never refitted to what is predicted.

    calibration = calibrate(zoo.get("lenet5"), link=parse_link("emulated:500,100"))
    predict(schedule, calibration, steps=10)["seconds"]

Computing: two batch sizes on one rank (`layer_times`). Link: messages there and back (`ping_pong`); the figures of an
emulated link are its own, by definition. Additions: in place. Overhead: of instructions that do nothing, and of small
messages.
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from statistics import median
from time import perf_counter

import numpy as np

from labkit.engine import Model
from labkit.engine.measure import macs_per_s
from labkit.errors import LabError
from labkit.machine.here import this_machine
from labkit.machine.links import Link
from labkit.machine.processor import load_average, usable_cores
from labkit.network import FLOAT_BYTES, Network, to_document
from labkit.network import from_document as network_from_document
from labkit.partition.profile import profile_batch
from labkit.run.calibration.layer_times import compute_costs, line
from labkit.run.calibration.ping_pong import Point, between_threads, fit, ping_pong
from labkit.run.calibration.value import Calibration, document, from_document, predict
from labkit.run.communicators.emulated import Emulated
from labkit.run.communicators.protocol import Communicator
from labkit.run.job import Job
from labkit.run.local import run_on_threads
from labkit.run.mpi.launch import call_on_ranks
from labkit.run.mpi.rank_main import Seat
from labkit.run.rank.feed import Feed, training_samples
from labkit.schedule import Schedule, parse
from labkit.schedule.costs import Compute, Costs, Seconds

__all__ = ["Calibration", "calibrate", "calibrate_on_mpi", "default_batches", "predict"]

IDLE_INSTRUCTIONS, IDLE_STEPS = 100, 20
MOST_ADDED_BYTES = 2**24
SETTLED_BYTES = 2**14  # messages from here up tell whether the machine is quiet; smaller ones always differ
SMALL_BYTES = 4096
ADDITIONS, STEPS_FED = 9, 15


def calibrate(
    network: Network,
    backend: str = "cpu",
    threads: int = 1,
    communicator: Communicator | None = None,
    progress: Callable[[float, str], None] | None = None,
    *,
    link: Link | None = None,
    batches: tuple[int, int] | None = None,
    dtype: str = "float32",
    data: str = "synthetic",
    mapping: object = None,
) -> Calibration:
    """Measure; about 3 seconds for LeNet-5, once loops are compiled.

    communicator: of the ranks that will run, all of which call this and compute at the same time; ranks 0 and 1 measure
    the link. None: two threads of this process do. link: an emulated one to put over it, as in a `Job`. batches: two
    sizes, the smaller first; None for an eighth and the whole of what `profile_batch` gives. data: a data set that fits
    the network, whose samples are taken from memory. mapping: of a GPU's backend, see `Model`. progress(done_fraction,
    what) is called now and then.

    Raises LabError for settings that the engine refuses, and data that cannot be had.
    """
    load = load_average()
    batches = default_batches(network) if batches is None else batches
    report = _stages(progress, compute=0.6, messages=0.4)
    if communicator is not None and communicator.size < 2:
        raise LabError("a link cannot be measured by one rank", "give no communicator, or start at least two ranks")
    model = Model(network, backend, batch=batches[1], dtype=np.dtype(dtype), threads=threads, mapping=mapping)
    compute, spread = compute_costs(model, batches, progress=report("compute"))
    compute = with_feed(compute, _feed_costs(network, batches, data))
    wrap = (lambda c: Emulated(c, link)) if link else (lambda c: c)
    if communicator is None:
        points, name = between_threads(wrap, progress=report("messages")), "threads of one process"
    else:
        points, name = ping_pong(wrap(communicator), progress=report("messages")), communicator.name
    measured = link or _fitted(points, name)
    return Calibration(
        *(network.name, backend, threads, dtype, this_machine().name, name),
        costs=Costs(compute, measured, _additions_per_s(network), max(_overhead_s(network), excess_s(points, link))),
        curve=tuple((point.bytes, point.seconds) for point in points),
        batches=batches,
        flops_per_s=2 * macs_per_s(threads=threads, repeats=5),
        load_average=load,
        spread=max([spread, *_spreads(points)]),
        cores=usable_cores(),
    )


def calibrate_on_mpi(
    network: Network, backend: str = "cpu", threads: int = 1, ranks: int = 2, *, timeout_s: float = 300.0, **settings
) -> Calibration:
    """The same between so many ranks under MPI, started for it; what rank 0 has found. settings: of `calibrate`.

    Raises what `launch.call_on_ranks` raises besides.
    """
    link = settings.pop("link", None)
    arguments = {
        "network": to_document(network),
        "link": asdict(link) if link else None,
        "settings": {"backend": backend, "threads": threads} | settings,
    }
    told = call_on_ranks("labkit.run.calibration.measure:on_rank", arguments, ranks, threads, timeout_s)
    return from_document(next(payload for kind, payload in told[0] if kind == "calibration"))


def on_rank(seat: Seat) -> None:
    """What each rank of `calibrate_on_mpi` does; it tells its calibration."""
    given = seat.arguments
    link = Link(**given["link"]) if given["link"] else None
    network = network_from_document(given["network"])
    found = calibrate(network, communicator=seat.communicator, link=link, **given["settings"])
    seat.stream.tell("calibration", document(found))


def default_batches(network: Network) -> tuple[int, int]:
    """Two batch sizes to measure at: as far apart as memory and time allow. One sample alone is avoided: libraries
    multiply a matrix and a vector by other code than two matrices.
    """
    large = max(4, profile_batch(network))
    return max(2, large // 8), large


def with_feed(compute: Compute, feed: Seconds) -> Compute:
    """The same, where the first layer's FP begins with taking the samples from memory."""
    first, *rest = compute.layers
    fp = Seconds(first.fp.fixed_s + feed.fixed_s, first.fp.per_sample_s + feed.per_sample_s)
    return replace(compute, layers=(first._replace(fp=fp), *rest))


def _feed_costs(network: Network, batches: tuple[int, int], data: str) -> Seconds:
    """Of taking a micro-batch from memory, as a rank does before each step."""
    samples, found = training_samples(network, Job(data=data)), []
    for batch in batches:
        alone = Schedule("one rank", network, ((batch,),), (), ((parse(f"F0:{len(network)}"),),))
        steps, seconds = Feed(alone, 0, samples, seed=0).steps(), []
        for _ in range(1 + STEPS_FED):
            start = perf_counter()
            next(steps)
            seconds.append(perf_counter() - start)
        found.append(median(seconds[1:]))
    return line(batches, tuple(found))


def _fitted(points: tuple[Point, ...], name: str) -> Link:
    found = fit(points)
    return Link("memory", found.latency_s, found.bytes_per_s, source=f"measured here: {name}")


def excess_s(points: tuple[Point, ...], link: Link | None) -> float:
    """What a small message takes beyond an emulated link's figures: the interpreter's own work and late wake-ups. For
    other links it is part of the latency that was fitted.
    """
    small = [point for point in points if point.bytes <= SMALL_BYTES]
    return max(0.0, median(p.seconds - link.seconds(p.bytes) for p in small)) if link and small else 0.0


def _additions_per_s(network: Network) -> float:
    """Bytes per second of adding received values to those there, as many as the network has parameters."""
    values = max(1, min(network.parameters, MOST_ADDED_BYTES // FLOAT_BYTES))
    there, received = np.zeros(values, np.float32), np.zeros(values, np.float32)
    seconds = []
    for _ in range(1 + ADDITIONS):
        start = perf_counter()
        np.add(there, received, out=there)
        seconds.append(perf_counter() - start)
    return values * FLOAT_BYTES / median(seconds[1:])


def _overhead_s(network: Network) -> float:
    """Seconds of the interpreter for one instruction: of a rank whose list has only instructions without work."""
    nothing = Schedule("nothing", network, ((),), (), ((parse("wait"),) * IDLE_INSTRUCTIONS,))
    result = run_on_threads(nothing, Job(steps=IDLE_STEPS))
    return result.seconds / (IDLE_INSTRUCTIONS * IDLE_STEPS)


def _spreads(points: tuple[Point, ...]) -> list[float]:
    large = [point.spread for point in points if point.bytes >= SETTLED_BYTES]
    return [median(large)] if large else []


def _stages(progress, **shares: float) -> Callable[[str], Callable[[float, str], None] | None]:
    """Reports of stages, from 0 to 1 each, as reports of the whole; `shares` add up to 1."""
    starts, total = {}, 0.0
    for name, share in shares.items():
        starts[name] = total
        total += share

    def report(name: str):
        if progress is None:
            return None
        return lambda done, what: progress(starts[name] + shares[name] * done, what)

    return report
