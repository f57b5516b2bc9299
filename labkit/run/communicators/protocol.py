"""What the interpreter asks of a communicator, whatever carries the bytes: threads of one process, MPI, NCCL.

Nothing here blocks: a message is started, and `done` is asked until it says so. Waiting, with its deadline and its
message, is one function above all communicators (`run.rank.waiting`), so that no wait can be forgotten.
"""

from typing import Protocol

import numpy as np

ANY = -1  # as a source: whichever rank's message arrives first


class Ticket(Protocol):
    """A message under way. `peer`: the other rank; for a message received from ANY, set once it is done."""

    peer: int


class Communicator(Protocol):
    """The messages of one rank among `size`. Safe to call from the rank's lanes (threads) at the same time.

    Messages between two ranks with one tag arrive in the order in which they were sent. Buffers are one-dimensional
    C-contiguous NumPy arrays; that of `send` must stay as it is until the ticket is done, and that of `receive` must
    have exactly the length and type of what comes.
    """

    rank: int
    size: int
    regime: str  # 'real' or 'emulated', see `schedule.events`
    name: str  # for people: 'Open MPI 5.0.11', 'threads of one process', ...

    def send(self, buffer: np.ndarray, to: int, tag: int) -> Ticket:
        """Start sending."""

    def receive(self, buffer: np.ndarray, source: int, tag: int) -> Ticket:
        """Start receiving from `source`, or from ANY."""

    def allreduce(self, buffer: np.ndarray) -> Ticket:
        """Start the library's own all-reduce (sum, in place). All ranks call it in the same order."""

    def done(self, ticket: Ticket) -> bool:
        """Whether it has arrived, or its buffer is free again. LabError if the other rank is known to be gone."""

    def close(self) -> None:
        """Leave: afterwards no other method is called. Never waits for other ranks."""
