"""What is on its way to one rank of an emulated network: stamps, ports, and the receives that they are for.

A stamp is a message of fixed length: when its message was sent, and the message itself if it is small, so that a small
message costs the communicator below one message and not two.
"""

from dataclasses import dataclass

import numpy as np

from labkit.errors import LabError
from labkit.run.communicators.ports import Ports
from labkit.run.communicators.protocol import ANY, Communicator, Ticket
from labkit.run.rank.clock import machine
from labkit.run.tags import STAMP

FIGURES = 4  # of a stamp: s, the machine whose clock it is, tag, ns that the message holds a port
HEAD_BYTES = 8 * FIGURES
STAMP_BYTES = 4000  # below what libraries send without asking the receiver first (4096 in Open MPI and in threads)
INSIDE_BYTES = STAMP_BYTES - HEAD_BYTES


def stamp(sent_ns: int, tag: int, held_ns: int, buffer: np.ndarray) -> np.ndarray:
    """The stamp of a message, as it is sent: uint8 [STAMP_BYTES]."""
    found = np.empty(STAMP_BYTES, np.uint8)
    found[:HEAD_BYTES].view(np.int64)[:] = sent_ns, machine(), tag, held_ns
    if is_inside(buffer):
        found[HEAD_BYTES : HEAD_BYTES + buffer.nbytes] = buffer.view(np.uint8)
    return found


def is_inside(buffer: np.ndarray) -> bool:
    """Whether a message travels within its stamp."""
    return buffer.nbytes <= INSIDE_BYTES


@dataclass(eq=False, slots=True)
class Message:
    """A message whose stamp is here. arrival_ns: when it reaches this rank's ports. end_ns: when it is all there,
    None while it has no port. inside: uint8 [INSIDE_BYTES], what may be the message itself.
    """

    source: int
    tag: int
    arrival_ns: int
    held_ns: int
    inside: np.ndarray
    end_ns: int | None = None


@dataclass(eq=False, slots=True)
class Receiving:
    """message: the one that this receive is for, None while its stamp is not here. below: the data's own ticket, None
    while there is none. complete: whether the data is in the buffer, whatever the time. asked_ns: when its lane began
    to wait for it.
    """

    peer: int
    buffer: np.ndarray
    tag: int
    message: Message | None = None
    below: Ticket | None = None
    complete: bool = False
    asked_ns: int | None = None

    @property
    def end_ns(self) -> int | None:
        """When the message is all there, as far as that is known."""
        return None if self.message is None else self.message.end_ns


class Arrivals:
    """Of one rank. Not safe to share between threads without a lock.

    Ports go to messages as they arrive, whether or not somebody has asked for them, and whichever lane it was.
    """

    def __init__(self, inner: Communicator, latency_ns: int, ports: int):
        self._inner, self._latency_ns, self._ports = inner, latency_ns, Ports(ports)
        self._coming: list[Message] = []  # no port yet
        self._unclaimed: list[Message] = []  # in the order in which their senders sent them
        self._asked: list[Receiving] = []  # without a message, in the order of `receive`
        self._expect()

    def receive(self, buffer: np.ndarray, source: int, tag: int) -> Receiving:
        """Ask for a message."""
        ticket = Receiving(source, buffer, tag)
        self._asked.append(ticket)
        return ticket

    def done(self, ticket: Receiving, now: int) -> bool:
        """Whether all of it is there at time `now`. LabError for senders that cannot be waited for."""
        gone = self._read_stamps()
        if self._coming:
            self._give_ports(now)
        if self._unclaimed:
            self._match()
        if ticket.message is None and gone is not None:
            raise gone
        if ticket.below is not None and not ticket.complete:
            ticket.complete = self._inner.done(ticket.below)
        return ticket.complete and ticket.end_ns is not None and now >= ticket.end_ns

    def _read_stamps(self) -> LabError | None:
        """Take in all stamps that are here. What the communicator below says if there can be no others."""
        while True:
            try:
                if not self._inner.done(self._notice):
                    return None
            except LabError as gone:
                return gone
            self._read()

    def _expect(self) -> None:
        self._stamp = np.empty(STAMP_BYTES, np.uint8)
        self._notice = self._inner.receive(self._stamp, ANY, STAMP)

    def _read(self) -> None:
        """Take in the stamp that is here."""
        sent_ns, sender, tag, held_ns = self._stamp[:HEAD_BYTES].view(np.int64).tolist()
        source = self._notice.peer
        if sender != machine():
            raise LabError(
                f"ranks {self._inner.rank} and {source} of an emulated network run on two machines, with a clock each",
                "run all ranks on one machine, or take the real network: --link memory",
            )
        message = Message(source, tag, sent_ns + self._latency_ns, held_ns, self._stamp[HEAD_BYTES:])
        self._coming.append(message)
        self._unclaimed.append(message)
        self._expect()

    def _give_ports(self, now: int) -> None:
        """To what has arrived by now, first come, first served."""
        for message in sorted((m for m in self._coming if m.arrival_ns <= now), key=lambda m: m.arrival_ns):
            message.end_ns = self._ports.take(message.arrival_ns, message.held_ns)
        self._coming = [m for m in self._coming if m.end_ns is None]

    def _match(self) -> None:
        """Messages to those who asked for them; from ANY rank, the one that arrived first."""
        for ticket in self._asked:
            fitting = [m for m in self._unclaimed if m.tag == ticket.tag and ticket.peer in (m.source, ANY)]
            if ticket.peer == ANY:
                fitting = sorted((m for m in fitting if m.end_ns is not None), key=lambda m: m.arrival_ns)
            if fitting:
                self._unclaimed.remove(fitting[0])
                self._take(ticket, fitting[0])
        self._asked = [t for t in self._asked if t.message is None]

    def _take(self, ticket: Receiving, message: Message) -> None:
        ticket.message, ticket.peer = message, message.source
        if is_inside(ticket.buffer):
            ticket.buffer.view(np.uint8)[:] = message.inside[: ticket.buffer.nbytes]
            ticket.complete = True
        else:
            ticket.below = self._inner.receive(ticket.buffer, ticket.peer, ticket.tag)
