"""Starts ranks under MPI from any process, a notebook's kernel too, and brings back what they have to say."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from labkit.errors import LabError
from labkit.run.failure import Spelling
from labkit.run.mpi import processes
from labkit.run.mpi.rank_main import stream_file
from labkit.run.mpi.stream import Tail
from labkit.run.mpi.watch import AGAIN, LOOK_EVERY_S, STALLED_S, Watch

Line = tuple[int, str, object]  # (rank, kind, payload) as a rank told it


def call_on_ranks(
    function: str, arguments: dict, ranks: int, threads: int = 1, timeout_s: float = 60.0
) -> list[list[tuple[str, object]]]:
    """Call `function` ('module:name') with a `rank_main.Seat` on `ranks` ranks; what each told its stream, in order.

    arguments: JSON for all ranks. threads: of BLAS and such, for each. Raises what `processes.start` raises, RankError
    where a rank fails, and LabError after `timeout_s`; in any case nothing is left behind.
    """
    told: list[list[tuple[str, object]]] = [[] for _ in range(ranks)]
    with started(function, arguments, ranks, threads) as run:
        follow(run, lambda rank, _: function, lambda rank, *line: told[rank].append(line), timeout_s=timeout_s)
    return told


@contextmanager
def started(function: str, arguments: dict, ranks: int, threads: int = 1) -> Iterator[processes.Processes]:
    """The processes of a run within a `with` block; they and all they left are gone after it."""
    run = processes.start(function, arguments, ranks, threads)
    try:
        yield run
    finally:
        processes.end(run)


def follow(
    run: processes.Processes,
    spelling: Spelling,
    heard: Callable[[int, str, object], None],
    look: Callable[[], None] = lambda: None,
    timeout_s: float = float("inf"),
) -> None:
    """Watch a run to its end. heard(rank, kind, payload): called for what ranks tell, as it comes. look: called again
    and again; an exception from either ends the wait. Raises as `Watch.over`, and LabError after `timeout_s`.
    """
    for line in listen(run, spelling, timeout_s):
        if line is None:
            look()
        else:
            heard(*line)


def listen(
    run: processes.Processes,
    spelling: Spelling,
    timeout_s: float = float("inf"),
    again: str = AGAIN,
    stalled_s: float = STALLED_S,
) -> Iterator[Line | None]:
    """What the ranks tell until the run is over; None again and again in between. Raises as `follow`.

    again, stalled_s: as for a `Watch`.
    """
    watch, tails = (
        Watch(run, spelling, again, stalled_s),
        [Tail(run.folder / stream_file(rank)) for rank in range(run.ranks)],
    )
    deadline = time.monotonic() + timeout_s

    def new() -> Iterator[Line]:
        for rank, tail in enumerate(tails):
            for kind, payload in tail.new():
                yield rank, kind, payload

    try:
        while not watch.over():
            yield from new()
            yield None
            if time.monotonic() > deadline:
                raise LabError(f"{run.ranks} ranks did not end within {timeout_s:g} s", "type: labkit doctor")
            time.sleep(LOOK_EVERY_S)
        yield from new()
    finally:
        for tail in tails:
            tail.close()
