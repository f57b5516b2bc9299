"""What is on its way to one rank of an emulated network: stamps, ports, and the receives that they are for."""

from dataclasses import dataclass

import numpy as np

from labkit.errors import LabError
from labkit.run.clock import machine
from labkit.run.communicators.ports import Ports
from labkit.run.communicators.protocol import ANY, Communicator, Ticket
from labkit.run.tags import STAMP


@dataclass(eq=False, slots=True)
class Message:
    """A message whose stamp is here. arrival_ns: when it reaches this rank's ports. end_ns: when it is all there,
    None while it has no port.
    """

    source: int
    tag: int
    arrival_ns: int
    held_ns: int
    end_ns: int | None = None


@dataclass(eq=False, slots=True)
class Receiving:
    """message: the one that this receive is for, None while its stamp is not here. below: the data's own ticket, None
    while the sender is not known. complete: whether the data is in the buffer, whatever the time. asked_ns: when its
    lane began to wait for it.
    """

    peer: int
    buffer: np.ndarray
    tag: int
    below: Ticket | None
    message: Message | None = None
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
        self._stamp = np.zeros(4, np.int64)
        self._notice = inner.receive(self._stamp, ANY, STAMP)

    def receive(self, buffer: np.ndarray, source: int, tag: int) -> Receiving:
        """Ask for a message; for its data at once if it is known whose it is."""
        below = None if source == ANY else self._inner.receive(buffer, source, tag)
        ticket = Receiving(source, buffer, tag, below)
        self._asked.append(ticket)
        return ticket

    def done(self, ticket: Receiving, now: int) -> bool:
        """Whether all of it is there at time `now`. LabError for senders that cannot be waited for."""
        self._read_stamps(ticket)
        self._give_ports(now)
        self._match()
        if ticket.below is not None and not ticket.complete:
            ticket.complete = self._inner.done(ticket.below)
        return ticket.complete and ticket.end_ns is not None and now >= ticket.end_ns

    def _read_stamps(self, ticket: Receiving) -> None:
        while self._noticed(ticket):
            sent_ns, sender, tag, held_ns = map(int, self._stamp)
            source = self._notice.peer
            if sender != machine():
                raise LabError(
                    f"ranks {source} and {ticket.peer} of an emulated network run on two machines, with a clock each",
                    "run all ranks on one machine, or take the real network: --link memory",
                )
            message = Message(source, tag, sent_ns + self._latency_ns, held_ns)
            self._coming.append(message)
            self._unclaimed.append(message)
            self._notice = self._inner.receive(self._stamp, ANY, STAMP)

    def _noticed(self, ticket: Receiving) -> bool:
        try:
            return self._inner.done(self._notice)
        except LabError:  # some rank is gone; the data's own ticket knows whether it is the one that is waited for
            if ticket.below is None:
                raise
            return False

    def _give_ports(self, now: int) -> None:
        """To what has arrived by now, first come, first served."""
        if not self._coming:
            return
        for message in sorted((m for m in self._coming if m.arrival_ns <= now), key=lambda m: m.arrival_ns):
            message.end_ns = self._ports.take(message.arrival_ns, message.held_ns)
        self._coming = [m for m in self._coming if m.end_ns is None]

    def _match(self) -> None:
        """Messages to those who asked for them; from ANY rank, the one that arrived first."""
        for ticket in self._asked:
            fitting = [m for m in self._unclaimed if m.tag == ticket.tag and ticket.peer in (m.source, ANY)]
            if ticket.peer == ANY:
                fitting = sorted((m for m in fitting if m.end_ns is not None), key=lambda m: m.arrival_ns)
            if not fitting:
                continue
            ticket.message = fitting[0]
            self._unclaimed.remove(fitting[0])
            if ticket.below is None:
                ticket.peer = fitting[0].source
                ticket.below = self._inner.receive(ticket.buffer, ticket.peer, ticket.tag)
        self._asked = [t for t in self._asked if t.message is None]
