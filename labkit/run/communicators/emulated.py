"""A slower network around any communicator: the messages are real, and held back until their time has come.

Every rank has `link.ports` ports out and as many in. A message of b bytes takes a port of the sender at s, as soon as
one is free, and holds it for b / bandwidth. It reaches the receiver at s + latency, takes a port there as soon as one
is free, and is there b / bandwidth later (single-port full-duplex model; `schedule.simulate` counts in the same way).
A send is over when its port is free again: the network buffers the message, as it would a small one.

s travels ahead of each message as a stamp of the clock that all processes of one machine share, so ranks on several
machines are refused. What arrives is what was sent, bit by bit; only when `done` says so is put off. Nobody waits here:
`due_ns` tells a waiting thread how long it may sleep.

Bookkeeping (tags that carry no payload: barriers, who pushes) goes at the speed of the communicator below: nobody
counts it, and a real network would let it ride with the message that follows.
"""

import threading
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from platform import node
from zlib import crc32

import numpy as np

from labkit.errors import LabError
from labkit.machine.links import Link, remark
from labkit.run.clock import now_ns
from labkit.run.communicators.ports import Ports
from labkit.run.communicators.protocol import ANY, Communicator, Ticket
from labkit.run.cpu_use import Meter
from labkit.run.tags import carries_payload

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(eq=False, slots=True)
class _Sending:
    """parts: the stamp's and the message's tickets below. free_ns: when the sender's port is free again."""

    peer: int
    parts: tuple[Ticket, Ticket]
    kept: tuple[np.ndarray, np.ndarray]  # what the communicator below still reads
    free_ns: int
    left: bool = False  # whether the communicator below is done with it


@dataclass(eq=False, slots=True)
class _Receiving:
    """stamp: [s, machine]. message: ticket below, None while the sender is not known. arrival_ns: s + latency, None
    while the stamp is not here. end_ns: when all of it is, None before a port was given to it.
    """

    peer: int
    buffer: np.ndarray
    tag: int
    stamp: np.ndarray
    notice: Ticket
    message: Ticket | None
    arrival_ns: int | None = None
    end_ns: int | None = None
    complete: bool = False  # whether the message is in the buffer, whatever the time


class Emulated:
    """Communicator `inner`, slowed down to `link`. Its lanes share the ports. For the methods see `protocol`.

    From ANY, messages are taken in the order in which they were really sent. For one tag, receive from ANY or from
    named ranks, not now one and now the other. Below the figures that an emulation gets right, rank 0 warns.
    """

    def __init__(self, inner: Communicator, link: Link):
        self.rank, self.size, self.regime = inner.rank, inner.size, "emulated"
        speed = f"{link.latency_s * 1e6:g} us, {link.bytes_per_s / 1e6:g} MB/s"
        self.name = f"{inner.name} slowed down to {speed}"
        self.inner, self.link, self.meter = inner, link, Meter()
        self._latency_ns = round(link.latency_s * 1e9)
        self._out, self._in = Ports(link.ports), Ports(link.ports)
        self._lock = threading.Lock()
        self._leaving: list[_Sending] = []  # ports are free again, but the communicator below is not done
        self._expected: list[_Receiving] = []  # no port yet, in the order of their `receive`
        if inner.rank == 0 and remark(link):
            warnings.warn(remark(link), stacklevel=2)

    def send(self, buffer: np.ndarray, to: int, tag: int) -> Ticket:
        """Start sending a copy of `buffer`, so that it is free again when the port is, wherever the receiver is."""
        if not carries_payload(tag):
            return self.inner.send(buffer, to, tag)
        kept = buffer.copy()
        with self._lock:
            held = self._held_ns(buffer)
            free = self._out.take(now_ns(), held)
            stamp = np.array([free - held, machine()], np.int64)
            parts = self.inner.send(stamp, to, _stamp_tag(tag)), self.inner.send(kept, to, _message_tag(tag))
            ticket = _Sending(to, parts, (stamp, kept), free)
            self._leaving.append(ticket)
        return ticket

    def receive(self, buffer: np.ndarray, source: int, tag: int) -> Ticket:
        """Start receiving the stamp, and the message if it is known whose it is."""
        if not carries_payload(tag):
            return self.inner.receive(buffer, source, tag)
        stamp = np.zeros(2, np.int64)
        with self._lock:
            notice = self.inner.receive(stamp, source, _stamp_tag(tag))
            message = None if source == ANY else self.inner.receive(buffer, source, _message_tag(tag))
            ticket = _Receiving(source, buffer, tag, stamp, notice, message)
            self._expected.append(ticket)
        return ticket

    def allreduce(self, buffer: np.ndarray) -> Ticket:
        """Refused: LabError. Nobody outside of the library sees the messages of its own all-reduce."""
        raise LabError(
            f"the library's own all-reduce cannot be slowed down to {self.link.name}",
            "choose one of labkit's over an emulated link: ring, tree, doubling or halving; or take --link memory",
        )

    def done(self, ticket: Ticket) -> bool:
        """Whether its time has come, and the communicator below is done with it too."""
        if isinstance(ticket, _Sending):
            return self._left(ticket)
        if isinstance(ticket, _Receiving):
            return self._arrived(ticket)
        return self.inner.done(ticket)

    def due_ns(self, ticket: Ticket) -> int:
        """When to ask `done` again, as a time of `clock.now_ns`; 0 for bookkeeping: as soon as one likes.

        Until the data is here for real it is well before the message's time, because some libraries move data only
        while somebody asks.
        """
        now = now_ns()
        if isinstance(ticket, _Sending):
            return ticket.free_ns if ticket.left else min(ticket.free_ns, now + self._latency_ns // 2)
        if not isinstance(ticket, _Receiving):
            return 0
        held = self._held_ns(ticket.buffer)
        if ticket.arrival_ns is None:  # it was not sent yet, or only just now
            return now + (self._latency_ns + held) * 3 // 4
        due = ticket.arrival_ns + held if ticket.end_ns is None else ticket.end_ns
        return due if ticket.complete else min(due, now + self._latency_ns // 2)

    def close(self) -> None:
        """Leave."""
        self.inner.close()

    def _left(self, ticket: _Sending) -> bool:
        with self._lock:
            if not ticket.left:
                self._ask(ticket)
            self._help()
        return now_ns() >= ticket.free_ns

    def _arrived(self, ticket: _Receiving) -> bool:
        now = now_ns()
        with self._lock:
            self._help()
            self._notice(ticket)
            self._book(now)
            if ticket.message is not None and not ticket.complete:
                ticket.complete = self.inner.done(ticket.message)
            return ticket.complete and ticket.end_ns is not None and now >= ticket.end_ns

    def _ask(self, ticket: _Sending) -> None:
        if all(map(self.inner.done, ticket.parts)):
            ticket.left = True
            self._leaving = [t for t in self._leaving if t is not ticket]

    def _help(self) -> None:
        """Drive on what nobody waits for any more: some libraries move a message only while somebody asks for it."""
        now = now_ns()
        for ticket in [t for t in self._leaving if t.free_ns <= now]:
            try:
                self._ask(ticket)
            except LabError:  # a rank is gone: whoever waits for it will be told
                self._leaving = [t for t in self._leaving if t is not ticket]

    def _notice(self, asked: _Receiving) -> None:
        """Read the stamps that are here: ports go to messages by their arrival, whichever lane they are for."""
        waiting = set()  # tags whose next message from ANY is not here yet
        for ticket in self._expected:
            if ticket.arrival_ns is not None or (ticket.message is None and ticket.tag in waiting):
                continue
            if self._is_here(ticket, ticket is asked):
                self._read(ticket)
            elif ticket.message is None:
                waiting.add(ticket.tag)

    def _is_here(self, ticket: _Receiving, asked: bool) -> bool:
        try:
            return self.inner.done(ticket.notice)
        except LabError:
            if asked:
                raise
            return False  # the lane that waits for it will be told

    def _read(self, ticket: _Receiving) -> None:
        sent_ns, sender = map(int, ticket.stamp)
        if sender != machine():
            raise LabError(
                f"rank {self.rank} emulates {self.link.name} with a rank of another machine, which has another clock",
                "run all ranks on one machine, or take the real network: --link memory",
            )
        ticket.arrival_ns = sent_ns + self._latency_ns
        if ticket.message is None:
            ticket.peer = ticket.notice.peer
            ticket.message = self.inner.receive(ticket.buffer, ticket.peer, _message_tag(ticket.tag))

    def _book(self, now: int) -> None:
        """Give ports to what has arrived by now, first come, first served."""
        here = [t for t in self._expected if t.arrival_ns is not None and t.arrival_ns <= now]
        for ticket in sorted(here, key=lambda t: t.arrival_ns):
            ticket.end_ns = self._in.take(ticket.arrival_ns, self._held_ns(ticket.buffer))
            self._expected.remove(ticket)

    def _held_ns(self, buffer: np.ndarray) -> int:
        return round(buffer.nbytes / self.link.bytes_per_s * 1e9)


@cache
def machine() -> int:
    """A number of this machine since it was started, which processes on it share and others hardly have."""
    text = BOOT_ID.read_text() if BOOT_ID.exists() else node()
    return crc32(text.strip().encode())


def _message_tag(tag: int) -> int:
    return 2 * tag


def _stamp_tag(tag: int) -> int:
    return 2 * tag + 1
