"""What the ranks of the tests do: small programs that `run.mpi.processes` starts by name."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from labkit.errors import LabError
from labkit.run.communicators.protocol import ANY

FAULTS = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "raise": lambda: [][1],
    "refuse": lambda: refuse(),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "stall": lambda: time.sleep(60),
    "keeper": lambda: os.kill(os.getppid(), signal.SIGKILL),
    "exit": lambda: os._exit(7),
}


def refuse():
    raise LabError("the loss is nan", "type a smaller learning rate", status=1)


def arrive(network, tickets, timeout_s=20.0):
    """Wait, with a deadline, for messages under way."""
    deadline = time.monotonic() + timeout_s
    for ticket in tickets:
        while not network.done(ticket):
            assert time.monotonic() < deadline, "a message did not arrive"
            time.sleep(0.0002)


def ring(seat):
    """40 times a message to the next rank; in step 6, rank 1 does what `fault` says."""
    network, before, after = seat.communicator, (seat.rank - 1) % seat.ranks, (seat.rank + 1) % seat.ranks
    for step in range(40):
        seat.row.begin("main", step, 0)
        seat.stream.tell("step", [seat.rank, step])
        if (step, seat.rank) == (6, 1) and "fault" in seat.arguments:
            FAULTS[seat.arguments["fault"]]()
        given, got = np.full(1000, seat.rank, np.float32), np.empty(1000, np.float32)
        seat.row.begin("main", step, 1)
        seat.row.wait("main", before)
        tickets = [network.send(given, after, 9), network.receive(got, before, 9)]
        arrive(network, tickets)
        assert (got == before).all()


def messages(seat):
    """Everything a communicator promises, seen by each rank; raises where it is not kept."""
    network, others = seat.communicator, [rank for rank in range(seat.ranks) if rank != seat.rank]
    order_of_two(network, others)
    by_tag(network, others)
    from_anyone(network, others)
    for values, kind in ((0, np.float32), (1, np.float32), (100_003, np.float32), (7, np.float64)):
        array = np.arange(values, dtype=kind) + network.rank
        ticket = network.allreduce(array)
        arrive(network, [ticket])
        assert np.array_equal(array, seat.ranks * np.arange(values) + sum(range(seat.ranks)))
    never = network.receive(np.empty(3, np.float32), others[0], 77)
    assert not network.done(never)  # it is cancelled when the communicator is closed


def order_of_two(network, others):
    """Messages of one tag come in the order in which they were sent, large ones too."""
    sent = [np.full(300_000, 10 * network.rank + n, np.float32) for n in range(3)]
    for other in others:
        received = [np.empty(300_000, np.float32) for _ in sent]
        tickets = [network.send(array, other, 8) for array in sent]
        tickets += [network.receive(array, other, 8) for array in received]
        arrive(network, tickets)
        assert [set(array) for array in received] == [{10 * other + n} for n in range(3)]


def by_tag(network, others):
    """Messages of two tags do not take each other's place, whichever is asked for first."""
    for other in others:
        late, early = np.empty(1, np.float32), np.empty(1, np.float32)
        tickets = [network.send(np.float32([1]), other, 21), network.send(np.float32([2]), other, 20)]
        tickets += [network.receive(late, other, 20), network.receive(early, other, 21)]
        arrive(network, tickets)
        assert (early[0], late[0]) == (1, 2)


def from_anyone(network, others):
    """A message received from ANY says whose it was."""
    tickets = [network.send(np.float32([network.rank]), other, 30) for other in others]
    for _ in others:
        box = np.empty(1, np.float32)
        ticket = network.receive(box, ANY, 30)
        arrive(network, [ticket])
        assert ticket.peer == int(box[0])
    arrive(network, tickets)


def environment(seat):
    """Tells which variables the rank has, and what lies in the folder for the library's shared memory."""
    folder = Path(seat.arguments["shared_memory"]) / seat.folder.name
    files = [path.name for path in folder.glob("*")]
    seat.stream.tell("environment", [dict(os.environ), files])


def sees(seat):
    """Tells which GPUs this rank's process is to see."""
    seat.stream.tell("sees", os.environ.get("CUDA_VISIBLE_DEVICES"))
