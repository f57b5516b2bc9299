"""Ranks that are threads of one process: for tests, a debugger, and machines without MPI.

A message is copied from buffer to buffer. As in MPI libraries, a short one is taken off the sender's hands at once, and
a long one is over for the sender when the receiver has asked for it; so a schedule that would stand still under MPI
because two ranks send to each other before either receives stands still here, too.
"""

import threading
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from labkit.errors import LabError
from labkit.run.communicators.protocol import ANY

EAGER_BYTES = 4096  # messages up to this size are taken off the sender's hands at once


@dataclass(eq=False, slots=True)
class Message:
    """A message under way, or what is waiting for one: the ticket of either side. `peer`: as in `Ticket`."""

    peer: int
    tag: int
    buffer: np.ndarray
    over: bool = False
    sender: "Message | None" = None  # of what has arrived unasked: the sender's ticket


class Box:
    """What has arrived for one rank unasked, and what that rank has asked for in vain so far."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.arrived: list[Message] = []
        self.asked: list[Message] = []


class Room:
    """What the ranks of one run share."""

    def __init__(self, ranks: int, eager_bytes: int):
        self.eager_bytes = eager_bytes
        self.boxes = [Box() for _ in range(ranks)]
        self.left: set[int] = set()
        self.lock = threading.Lock()
        self.sums: dict[int, list[Message | None]] = defaultdict(lambda: [None] * ranks)


class ThreadCommunicator:
    """The messages of one thread's rank; see `protocol.Communicator` for the methods. `connect` makes them."""

    regime = "real"
    name = "threads of one process"
    moves_alone = True  # the receiver copies, whether or not the sender asks `done` meanwhile

    def __init__(self, rank: int, room: Room):
        self.rank, self.size, self._room, self._calls = rank, len(room.boxes), room, 0

    def send(self, buffer: np.ndarray, to: int, tag: int) -> Message:
        """Start sending; LabError for a rank that is not there."""
        _check(buffer, to, self.size)
        ticket, box = Message(to, tag, buffer), self._room.boxes[to]
        with box.lock:
            for asked in box.asked:
                if asked.tag == tag and asked.peer in (self.rank, ANY):
                    box.asked.remove(asked)
                    _hand_over(buffer, asked, self.rank)
                    ticket.over = True
                    return ticket
            ticket.over = buffer.nbytes <= self._room.eager_bytes
            kept = buffer.copy() if ticket.over else buffer
            box.arrived.append(Message(self.rank, tag, kept, sender=ticket))
        return ticket

    def receive(self, buffer: np.ndarray, source: int, tag: int) -> Message:
        """Start receiving; LabError for a rank that is not there."""
        if source != ANY:
            _check(buffer, source, self.size)
        ticket, box = Message(source, tag, buffer), self._room.boxes[self.rank]
        with box.lock:
            for message in box.arrived:
                if message.tag == tag and source in (message.peer, ANY):
                    box.arrived.remove(message)
                    _hand_over(message.buffer, ticket, message.peer)
                    message.sender.over = True
                    return ticket
            box.asked.append(ticket)
        return ticket

    def allreduce(self, buffer: np.ndarray) -> Message:
        """Sum in the order of the ranks, so that every run gives the same bits."""
        ticket, room = Message(ANY, 0, buffer), self._room
        with room.lock:
            number, self._calls = self._calls, self._calls + 1
            tickets = room.sums[number]
            tickets[self.rank] = ticket
            if all(tickets):
                del room.sums[number]
                total = tickets[0].buffer.copy()
                for other in tickets[1:]:
                    total += other.buffer
                for each in tickets:
                    each.buffer[:] = total
                    each.over = True
        return ticket

    def done(self, ticket: Message) -> bool:
        """Whether it is over; LabError where it never will be because the other rank has left."""
        if ticket.over:
            return True
        gone = self._room.left & (set(range(self.size)) if ticket.peer == ANY else {ticket.peer})
        if gone and not ticket.over and (ticket.peer != ANY or len(gone) == self.size - 1):
            raise LabError(f"rank {min(gone)} has ended, and a message to or from it is still open")
        return False

    def close(self) -> None:
        """Leave."""
        self._room.left.add(self.rank)


def connect(ranks: int, eager_bytes: int = EAGER_BYTES) -> tuple[ThreadCommunicator, ...]:
    """Communicators of `ranks` ranks that can reach each other; LabError for fewer than 1."""
    if ranks < 1:
        raise LabError(f"{ranks} ranks", "give at least 1")
    room = Room(ranks, eager_bytes)
    return tuple(ThreadCommunicator(rank, room) for rank in range(ranks))


def _hand_over(values: np.ndarray, ticket: Message, source: int) -> None:
    """Copy a message to whoever asked for it."""
    if ticket.buffer.shape != values.shape or ticket.buffer.dtype != values.dtype:
        raise LabError(
            f"rank {source} sent {values.shape[0]} values of {values.dtype} where "
            f"{ticket.buffer.shape[0]} of {ticket.buffer.dtype} were expected",
            "let both ranks work on the same piece",
        )
    ticket.buffer[:] = values
    ticket.peer = source
    ticket.over = True


def _check(buffer: np.ndarray, other: int, size: int) -> None:
    if not 0 <= other < size:
        raise LabError(f"there is no rank {other}", f"choose one from 0 to {size - 1}")
