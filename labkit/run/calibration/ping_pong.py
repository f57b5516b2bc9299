"""What a message costs between two ranks, measured: there and back, for sizes from one value to many."""

import threading
from collections.abc import Sequence
from statistics import median
from time import perf_counter
from typing import NamedTuple

import numpy as np

from labkit.errors import LabError
from labkit.run.communicators.protocol import Communicator, Ticket
from labkit.run.rank.waiting import Patience, spinning_s, wait
from labkit.run.tags import CONTROL, tag_of
from labkit.schedule import parse

SIZES = tuple(4**k for k in range(1, 12))  # bytes: 4 B to 4 MiB
SMALL_BYTES, MIDDLE_BYTES = 2**16, 2**20
TIMEOUT_S = 60.0


class Point(NamedTuple):
    """One size. seconds: of a message one way, the median; spread: how far two halves of the trials were apart."""

    bytes: int
    seconds: float
    spread: float


class Fit(NamedTuple):
    """latency_s + bytes / bytes_per_s. worst: largest relative difference from a point of the curve."""

    latency_s: float
    bytes_per_s: float
    worst: float


def ping_pong(communicator: Communicator, sizes: Sequence[int] = SIZES, progress=None) -> tuple[Point, ...]:
    """The curve of messages between ranks 0 and 1, as rank 0 sees it. All ranks have to call it, and are given it.

    Half of the time of there and back, as a lane of a run waits for it. LabError after a minute without an answer.
    """
    points = []
    for number, size in enumerate(sizes if communicator.rank < 2 else ()):
        trials = 12 if size <= SMALL_BYTES else 6 if size <= MIDDLE_BYTES else 4
        seconds = _trials(communicator, max(1, size // 4), trials)
        first, second = median(seconds[::2]), median(seconds[1::2])
        points.append(Point(size, median(seconds), abs(first - second) / min(first, second)))
        if progress is not None:
            progress((number + 1) / len(sizes), f"messages of {size:,} bytes")
    return _shared(communicator, points, len(sizes))


def between_threads(wrap, sizes: Sequence[int] = SIZES, progress=None) -> tuple[Point, ...]:
    """The curve between two threads of this process; wrap(communicator): what each of them talks through."""
    from labkit.run.communicators.threads import connect

    one, two = map(wrap, connect(2))
    failed: list[BaseException] = []

    def other() -> None:
        try:
            ping_pong(two, sizes)
        except LabError as error:  # the first thread has failed, too, and says why
            failed.append(error)
        finally:
            two.close()

    thread = threading.Thread(target=other, daemon=True)
    thread.start()
    try:
        return ping_pong(one, sizes, progress)
    finally:
        one.close()
        thread.join(TIMEOUT_S)


def fit(points: Sequence[Point]) -> Fit:
    """Latency and bandwidth with the least squares of relative differences, so that small messages count as large ones.

    Raises LabError for fewer than two sizes.
    """
    if len({point.bytes for point in points}) < 2:
        raise LabError(f"a line through {len(points)} sizes", "measure at least two")
    sizes, seconds = (np.array([point[n] for point in points], float) for n in (0, 1))
    rows = np.stack([1 / seconds, sizes / seconds], axis=1)
    (latency_s, s_per_byte), *_ = np.linalg.lstsq(rows, np.ones(len(points)), rcond=None)
    if s_per_byte <= 0:  # noise only: no message is longer than another
        s_per_byte = min(seconds / sizes)
    latency_s = max(latency_s, 0.0)
    worst = float(np.max(np.abs((latency_s + sizes * s_per_byte) / seconds - 1)))
    return Fit(float(latency_s), float(1 / s_per_byte), worst)


def _trials(communicator: Communicator, values: int, count: int) -> list[float]:
    """Seconds one way, after one trial that nobody counts."""
    tag, other = tag_of(parse("send g0>1")), 1 - communicator.rank
    out, into = np.zeros(values, np.float32), np.empty(values, np.float32)
    seconds = []
    for _ in range(1 + count):
        start = perf_counter()
        if communicator.rank == 0:
            tickets = [communicator.receive(into, other, tag), communicator.send(out, other, tag)]
            arrive(communicator, tickets)
        else:
            arrive(communicator, [communicator.receive(into, other, tag)])
            arrive(communicator, [communicator.send(out, other, tag)])
        seconds.append((perf_counter() - start) / 2)
    return seconds[1:]


def _shared(communicator: Communicator, points: list[Point], count: int) -> tuple[Point, ...]:
    """What rank 0 has measured, on all ranks."""
    table = np.array(points, np.float64).ravel() if communicator.rank == 0 else np.empty(3 * count)
    if communicator.rank == 0:
        tickets = [communicator.send(table, other, CONTROL) for other in range(1, communicator.size)]
    else:
        tickets = [communicator.receive(table, 0, CONTROL)]
    arrive(communicator, tickets)
    return tuple(Point(int(size), *rest) for size, *rest in table.reshape(-1, 3).tolist())


def arrive(communicator: Communicator, tickets: list[Ticket]) -> None:
    """Wait for messages under way. LabError after a minute."""
    patience = Patience(TIMEOUT_S, spinning_s(communicator.size), lambda: None)
    due = getattr(communicator, "due_ns", None)
    for ticket in tickets:
        wait(
            lambda t=ticket: communicator.done(t),
            patience,
            lambda t=ticket: f"a message of or to rank {t.peer}",
            *([lambda t=ticket: due(t)] if due else []),
        )
