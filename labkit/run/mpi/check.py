"""`python -m labkit.run.mpi.check`: start two ranks as a run does, have them exchange a message, and print as JSON what
was found. `labkit doctor` asks it.
"""

import json
import time

import numpy as np

from labkit.errors import LabError
from labkit.machine.processor import usable_cores
from labkit.run.mpi.launch import call_on_ranks
from labkit.run.mpi.library import launcher, running_as_root

RANKS, TIMEOUT_S = 2, 25.0


def look() -> dict:
    """The launcher, what its ranks say, and how long two of them took; LabError where they do not start."""
    found, began = launcher(), time.monotonic()
    told = call_on_ranks("labkit.run.mpi.check:greet", {}, RANKS, timeout_s=TIMEOUT_S)
    seconds = round(time.monotonic() - began, 2)
    (_, first), *_ = told[0]
    return {
        "library": found.library,
        "version": found.version,
        "launcher": str(found.path),
        "loaded": first["library"],
        "thread_level": first["thread_level"],
        "ranks_started": sum(map(len, told)),
        "seconds": seconds,
        "root": running_as_root(),
        "cores": usable_cores(),
    }


def greet(seat) -> None:
    """What each rank does: a message round, and telling what it is."""
    from mpi4py import MPI

    numbers = np.ones(1, np.float32)
    ticket = seat.communicator.allreduce(numbers)
    while not seat.communicator.done(ticket):
        time.sleep(0.0005)  # the watcher ends a wait that is in vain
    if numbers[0] != RANKS:
        raise LabError(f"two ranks sum 1 and 1 to {numbers[0]:g}", "install another MPI library")
    levels = {MPI.THREAD_SERIALIZED: "serialized", MPI.THREAD_MULTIPLE: "multiple"}
    seat.stream.tell("here", {"library": seat.communicator.name, "thread_level": levels[MPI.Query_thread()]})


def main() -> None:
    """Print the findings, or the fault with what to type."""
    try:
        found = look()
    except LabError as error:
        found = {"fault": error.what, "advice": error.instead}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
