"""What the interpreter costs by itself: seconds for each instruction that has nothing, or next to nothing, to do."""

from collections.abc import Iterator
from statistics import median
from time import perf_counter

import numpy as np

from labkit.engine.optimizers import SGD
from labkit.network import Dense, Flatten, Softmax, chain
from labkit.run.calibration.ping_pong import ping_pong
from labkit.run.job import Job
from labkit.run.local import run_on_threads
from labkit.run.mpi.launch import call_on_ranks
from labkit.run.rank.interpreter import Interpreter
from labkit.schedule import Piece, Schedule
from labkit.schedule.schedule import program

from .ranks import TIMEOUT_S, with_path

NETWORK = chain("tiny", (1, 2, 2), {"flat": Flatten(), "dense": Dense(2), "softmax": Softmax()})
PIECES = (Piece(0, 1),)
LISTS = {
    "wait": "wait",
    "U of one weight": "U w0",
    "all-reduce of one rank": "allreduce g0 ring",
    "all-reduce of one rank, in the background": "allreduce g0 ring &",
}
EXCHANGE = "allreduce g0 ring"  # two messages each way between two ranks
TIMES = 5


def overhead(instructions: int = 100, steps: int = 50) -> Iterator[dict]:
    """A row for each list; `exchange`: an all-reduce of one value over two processes, and the messages in it alone."""
    for record in (False, True):
        for what, line in LISTS.items():
            schedule = Schedule(what, NETWORK, ((),), PIECES, (program([line] * instructions),))
            job = Job(data="synthetic", steps=steps, record=record)
            seconds = median(run_on_threads(schedule, job).seconds for _ in range(TIMES))
            yield {"what": what, "recorded": record, "seconds": seconds / (instructions * steps)}
    optimizer, weight = SGD(lr=0.01), np.ones(1, np.float32)
    start = perf_counter()
    for step in range(steps * instructions):
        optimizer.update(weight, weight, (), step)
    yield {"what": "the update of one weight by itself", "recorded": None, "seconds": _each(start, steps, instructions)}
    yield from exchange(instructions, steps)


def exchange(instructions: int, steps: int) -> Iterator[dict]:
    """Two processes."""
    with_path()
    arguments = {"instructions": instructions, "steps": steps}
    told = call_on_ranks("parallel_parts.overhead:on_rank", arguments, 2, timeout_s=TIMEOUT_S)
    found = dict(told[0])
    for kind in ("an all-reduce of one value by two ranks", "its two messages by themselves"):
        yield {"what": kind, "recorded": False, "seconds": found[kind]}


def on_rank(seat) -> None:
    """What each of two ranks does."""
    instructions, steps = seat.arguments["instructions"], seat.arguments["steps"]
    lists = (program([EXCHANGE] * instructions),) * 2
    schedule = Schedule("exchange", NETWORK, ((), ()), PIECES, lists)
    seconds = []
    for _ in range(TIMES):
        job = Job(data="synthetic", steps=steps, record=False)
        result = Interpreter(schedule, job, seat.rank, seat.communicator).run()
        seconds.append((result.ended_s - result.began_s) / (instructions * steps))
    seat.stream.tell("an all-reduce of one value by two ranks", median(seconds))
    alone = ping_pong(seat.communicator, sizes=(4,))[0].seconds
    seat.stream.tell("its two messages by themselves", 2 * alone)


def _each(start: float, steps: int, instructions: int) -> float:
    return (perf_counter() - start) / (steps * instructions)
