"""An emulated network over mailboxes in memory, with a clock that moves only when a test moves it."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from labkit.machine.links import Link
from labkit.run.communicators import emulated
from labkit.run.communicators.emulated import Emulated
from labkit.run.communicators.protocol import ANY

SLOW = Link("slow", 500e-6, 100e6, emulated=True)  # 500 us, and 10 ns for every byte
LATENCY, TAG = 500_000, 8


@dataclass(eq=False)
class _Note:
    peer: int
    buffer: np.ndarray | None = None
    tag: int = 0
    here: bool = False


@dataclass(eq=False)
class Mailboxes:
    """A communicator of one thread whose messages are there at once; all ranks of it share `boxes`."""

    rank: int
    size: int
    boxes: list = field(default_factory=list)
    regime: str = "real"
    name: str = "a mailbox"
    slow_to_leave: bool = False

    def send(self, buffer, to, tag):
        self.boxes[to][0].append((self.rank, tag, buffer.copy()))
        return _Note(to, here=not self.slow_to_leave)

    def receive(self, buffer, source, tag):
        note = _Note(source, buffer, tag)
        self.boxes[self.rank][1].append(note)
        return note

    def done(self, ticket):
        letters, notes = self.boxes[self.rank]
        for note in tuple(notes):
            found = next((m for m in letters if m[1] == note.tag and note.peer in (ANY, m[0])), None)
            if found:
                letters.remove(found)
                notes.remove(note)
                note.peer, note.buffer[:], note.here = found[0], found[2], True
        return ticket.here

    def close(self):
        self.boxes[self.rank] = None


class StillClock:
    def __init__(self, monkeypatch):
        self.now = 10**15
        self.start = self.now
        monkeypatch.setattr(emulated, "now_ns", lambda: self.now)

    def at(self, since_start_ns):
        self.now = self.start + since_start_ns

    def becomes_done(self, communicator, ticket, expected_ns):
        """Whether the ticket is done from `expected_ns` after the start on, and not a nanosecond before."""
        self.at(expected_ns - 1)
        before = communicator.done(ticket)
        self.at(expected_ns)
        return (before, communicator.done(ticket)) == (False, True)


def ranks(size, link=SLOW, **how):
    boxes = [(deque(), []) for _ in range(size)]
    return [Emulated(Mailboxes(rank, size, boxes, **how), link) for rank in range(size)]


def values(count, start=0):
    return np.arange(start, start + count, dtype=np.float32)
