"""A slower network around any communicator: the messages are real, and held back until their time has come.

Every rank has `link.ports` ports out and as many in. A message of b bytes takes a port of the sender at s, as soon as
one is free, and holds it for b / bandwidth. It reaches the receiver at s + latency, takes a port there as soon as one
is free, and is there b / bandwidth later (single-port full-duplex model; `schedule.simulate` counts in the same way).
A send is over when its port is free again, wherever the receiver is: the network buffers the message.

s travels with each message as a stamp of the clock that all processes of one machine share, so ranks on several
machines are refused. What arrives is what was sent, bit by bit; only when `done` says so is put off. Nobody waits here:
`due_ns` tells a waiting thread how long it may sleep.

A thread is woken some 50 us after its time, later where ranks share cores, and the calls of this file take time, too.
No network is to blame for that: each lane has a lag, up to most of the latency, and its messages are stamped as if it
had been woken in time and the calls had cost nothing, so that lags do not add up from message to message. What the rank
does in between counts in full; after a while without messages the lag is forgotten.

Bookkeeping (tags that carry no payload: barriers, who pushes) goes at the speed of the communicator below: nobody
counts it, and a real network would let it ride with the message that follows.
"""

import threading
import time
import warnings
from dataclasses import dataclass

import numpy as np

from labkit.errors import LabError
from labkit.machine.links import Link, remark
from labkit.run.calibration.cpu_use import Meter
from labkit.run.communicators.arrivals import Arrivals, Receiving, is_inside, stamp
from labkit.run.communicators.ports import Ports
from labkit.run.communicators.protocol import Communicator, Ticket
from labkit.run.rank.clock import now_ns
from labkit.run.tags import STAMP, carries_payload, slowed_down

LEAST_LOOK_NS = 100_000  # between two looks at a message whose data is not here
LATE_LOOK_NS = 20_000  # the same where its time has passed: to sleep for, lest it keep the sender from a core
LEAST_NAP_NS, MOST_NAP_NS = 200_000, 1_000_000  # the same where nobody waits for it any more
FLUSH_NS = 60_000_000_000


@dataclass(eq=False, slots=True)
class Sending:
    """parts: tickets below, of the stamp and of what is not inside it; kept: what they still read. free_ns: when the
    sender's port is free again. left: whether the communicator below is done with it. asked_ns: when its lane began to
    wait for it.
    """

    peer: int
    buffer: np.ndarray
    parts: list[Ticket]
    kept: list[np.ndarray]
    free_ns: int
    left: bool = False
    asked_ns: int | None = None

    @property
    def end_ns(self) -> int:
        """When the send is over."""
        return self.free_ns


class Emulated:
    """Communicator `inner`, slowed down to `link`. Its lanes share the ports. For the methods see `protocol`.

    `meter` counts the CPU time of this process. Below the figures that an emulation gets right, rank 0 warns.
    """

    def __init__(self, inner: Communicator, link: Link):
        self.rank, self.size, self.regime = inner.rank, inner.size, "emulated"
        speed = f"{link.latency_s * 1e6:g} us, {link.bytes_per_s / 1e6:g} MB/s"
        self.name = f"{inner.name} slowed down to {speed}"
        self.inner, self.link, self.meter = inner, link, Meter()
        self._latency_ns = round(link.latency_s * 1e9)
        self._moves_alone = getattr(inner, "moves_alone", False)  # some libraries move data only while somebody asks
        self._lock = threading.Lock()
        self._ports, self._arrivals = Ports(link.ports), Arrivals(inner, self._latency_ns, link.ports)
        self._leaving: list[Sending] = []  # the communicator below is not done with them
        self._driver: threading.Thread | None = None
        self._work, self._closed = threading.Event(), False
        self._lane = threading.local()  # .lag: how late this lane was, and when
        if inner.rank == 0 and remark(link):
            warnings.warn(remark(link), stacklevel=2)

    def send(self, buffer: np.ndarray, to: int, tag: int) -> Ticket:
        """Start sending a copy of `buffer`, so that it is free again when the port is."""
        if not slowed_down(tag):
            return self.inner.send(buffer, to, tag)
        ready, held = self._lane_now(), self._held_ns(buffer) if carries_payload(tag) else 0
        kept = [] if is_inside(buffer) else [buffer.copy()]
        with self._lock:
            free = self._ports.take(ready, held)
            kept.append(stamp(free - held, tag, held, buffer))
            parts = [self.inner.send(kept[-1], to, STAMP), *(self.inner.send(data, to, tag) for data in kept[:-1])]
            ticket = Sending(to, buffer, parts, kept, free, left=self._moves_alone)
            if not ticket.left:
                self._leaving.append(ticket)
        self.go_on_from(ready)
        return ticket

    def receive(self, buffer: np.ndarray, source: int, tag: int) -> Ticket:
        """Start receiving."""
        if not slowed_down(tag):
            return self.inner.receive(buffer, source, tag)
        ready = self._lane_now()
        with self._lock:
            ticket = self._arrivals.receive(buffer, source, tag)
        self.go_on_from(ready)
        return ticket

    def allreduce(self, buffer: np.ndarray) -> Ticket:
        """Refused: LabError. Nobody outside of the library sees the messages of its own all-reduce."""
        raise LabError(
            f"the library's own all-reduce cannot be slowed down to {self.link.name}",
            "choose one of labkit's over an emulated link: ring, tree, doubling or halving; or take --link memory",
        )

    def done(self, ticket: Ticket) -> bool:
        """Whether its time has come, and its data too."""
        if not isinstance(ticket, Sending | Receiving):
            over = self.inner.done(ticket)
            if over:  # a barrier, say: from here on all begin anew
                self.go_on_from(now_ns())
            return over
        if ticket.asked_ns is None:
            ticket.asked_ns = self._lane_now()
        over = self._sent(ticket) if isinstance(ticket, Sending) else self._arrived(ticket)
        if over:  # a lane that waits for several messages goes on from the last one
            self._lane.at = max(ticket.asked_ns, ticket.end_ns, getattr(self._lane, "at", 0))
            self.go_on_from(self._lane.at)
        return over

    def due_ns(self, ticket: Ticket) -> int:
        """When to ask `done` again, as a time of `clock.now_ns`; 0 for bookkeeping: as soon as one likes.

        It is before the message's time while its data is not here for real: some libraries move a long message in
        several turns, and only while both ranks ask.
        """
        if not isinstance(ticket, Sending | Receiving):
            return 0
        now, all_ns = now_ns(), self._latency_ns + self._held_ns(ticket.buffer)
        soon = now + LEAST_LOOK_NS
        if isinstance(ticket, Sending):
            return ticket.free_ns if ticket.left else min(ticket.free_ns, soon)
        if ticket.message is None:  # it was not sent yet, or only just now
            return now + (all_ns * 3 // 4 if is_inside(ticket.buffer) else all_ns // 2)
        due = ticket.message.arrival_ns + ticket.message.held_ns if ticket.end_ns is None else ticket.end_ns
        if ticket.complete:
            return due
        return min(due, soon) if due > now else now + LATE_LOOK_NS

    def punctual_ns(self) -> int:
        """The time that it would be in this lane, had it been woken in time."""
        return self._lane_now()

    def close(self) -> None:
        """Leave, when all that was sent has left: its senders were told that it was over. Waits a minute at most."""
        until = now_ns() + FLUSH_NS
        while self._age_ns() and now_ns() < until:
            time.sleep(LEAST_NAP_NS / 1e9)
        self.give_up()

    def give_up(self) -> None:
        """Leave at once, because the run has failed: nobody sees to what has not left."""
        with self._lock:
            self._leaving, self._closed = [], True
            self.inner.close()
        self._work.set()

    def go_on_from(self, in_time_ns: int) -> None:
        """Say that it is `in_time_ns` for the lane that calls this, though the clock is ahead of that by now."""
        now = now_ns()
        self._lane.lag = min(now - in_time_ns, self._latency_ns * 3 // 4), now

    def _lane_now(self) -> int:
        """The time for this lane: now, less its lag. A lane that had nothing to do for a while is in time."""
        now, (lag_ns, since_ns) = now_ns(), getattr(self._lane, "lag", (0, 0))
        return now - lag_ns if now - since_ns < 2 * self._latency_ns else now

    def _arrived(self, ticket: Receiving) -> bool:
        if ticket.complete and ticket.end_ns is not None:
            return now_ns() >= ticket.end_ns
        with self._lock:
            return self._arrivals.done(ticket, now_ns())

    def _sent(self, ticket: Sending) -> bool:
        if not ticket.left:
            with self._lock:
                self._ask(ticket)
        over = now_ns() >= ticket.free_ns
        if over and not ticket.left:
            self._drive()
        return over

    def _ask(self, ticket: Sending) -> None:
        if all(map(self.inner.done, ticket.parts)):
            ticket.left = True
            self._leaving = [t for t in self._leaving if t is not ticket]

    def _drive(self) -> None:
        """See to messages that nobody waits for any more, while the rank computes."""
        if self._driver is None:
            self._driver = threading.Thread(target=self._go_on, name="emulated network", daemon=True)
            self._driver.start()
        self._work.set()

    def _go_on(self) -> None:
        while not self._closed:
            self._work.wait()
            self._work.clear()
            while age_ns := self._age_ns():
                time.sleep(min(max(LEAST_NAP_NS, age_ns // 8), MOST_NAP_NS) / 1e9)

    def _age_ns(self) -> int:
        """Since when the first message that has not left is over; 0 if there is none."""
        with self._lock:
            for ticket in tuple(self._leaving):
                try:
                    self._ask(ticket)
                except LabError:  # a rank is gone: whoever waits for it will be told
                    self._leaving.remove(ticket)
            return max(1, now_ns() - self._leaving[0].free_ns) if self._leaving else 0

    def _held_ns(self, buffer: np.ndarray) -> int:
        return round(buffer.nbytes / self.link.bytes_per_s * 1e9)
