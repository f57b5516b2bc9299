"""Messages of a run's bookkeeping between rank 0 and the others, beside everything that a schedule sends.

A parcel is a JSON document and bytes: a header with its lengths, then the parcel itself, from one rank to rank 0; rank
0 answers with `tell`. What waits here is made for starts and ends, not for speed.
"""

import json
import threading
from collections import deque

import numpy as np

from labkit.run.communicators.protocol import ANY, Communicator
from labkit.run.rank.waiting import Patience, wait
from labkit.run.tags import CONTROL

FIELDS = 2  # of a header: bytes of the document, bytes after it
Parcel = tuple[int, dict, bytes]  # (from which rank, document, bytes)


class Post:
    """One rank's end. Rank 0 receives from all; the others send to it. Threads of a rank may call it at any time.

    timeout_s: longest time of one wait.
    """

    def __init__(self, communicator: Communicator, timeout_s: float):
        self.communicator = communicator
        self._patience = Patience(timeout_s, 0.0, lambda: None)
        self._lock = threading.Lock()
        self._arrived: deque[Parcel] = deque()
        if communicator.rank == 0:
            self._expect()

    def send(self, document: dict, content: bytes = b"") -> None:
        """From another rank to rank 0; from rank 0 to itself."""
        if self.communicator.rank == 0:
            self._arrived.append((0, document, content))
            return
        self._give(0, document, content)

    def new(self) -> Parcel | None:
        """On rank 0: the next parcel that is here, None if there is none. Returns at once but for a parcel's rest."""
        if not self._lock.acquire(blocking=False):  # another lane is looking
            return None
        try:
            if not self._arrived and self.communicator.size > 1 and self.communicator.done(self._ticket):
                self._arrived.append(self._take(self._ticket.peer, self._header))
                self._expect()
            return self._arrived.popleft() if self._arrived else None
        finally:
            self._lock.release()

    def all(self, what: str) -> list[tuple[dict, bytes]]:
        """On rank 0: one parcel of every rank, in their order. what: they are, for the message if one does not come."""
        found: dict[int, tuple[dict, bytes]] = {}

        def complete() -> bool:
            if parcel := self.new():
                found[parcel[0]] = parcel[1:]
            return len(found) == self.communicator.size

        wait(complete, self._patience, lambda: f"{what} of all ranks")
        return [found[rank] for rank in range(self.communicator.size)]

    def tell(self, document: dict) -> dict:
        """Rank 0's document on every rank; the others' own is not looked at."""
        if self.communicator.rank == 0:
            for other in range(1, self.communicator.size):
                self._give(other, document, b"")
            return document
        header = np.empty(FIELDS, np.int64)
        self._await(self.communicator.receive(header, 0, CONTROL))
        return self._take(0, header)[1]

    def _expect(self) -> None:
        if self.communicator.size > 1:
            self._header = np.empty(FIELDS, np.int64)
            self._ticket = self.communicator.receive(self._header, ANY, CONTROL)

    def _give(self, to: int, document: dict, content: bytes) -> None:
        text = json.dumps(document).encode()
        body = np.frombuffer(text + content, np.uint8).copy()
        header = np.array([len(text), len(content)], np.int64)
        for part in (header, body):
            self._await(self.communicator.send(part, to, CONTROL))

    def _take(self, source: int, header: np.ndarray) -> Parcel:
        """What follows the header."""
        text, content = map(int, header)
        body = np.empty(text + content, np.uint8)
        self._await(self.communicator.receive(body, source, CONTROL))
        whole = body.tobytes()
        return source, json.loads(whole[:text]), whole[text:]

    def _await(self, ticket) -> None:
        wait(lambda: self.communicator.done(ticket), self._patience, lambda: f"a word of or to rank {ticket.peer}")
