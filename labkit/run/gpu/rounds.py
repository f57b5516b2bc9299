"""A word of every rank to every other one, before a run begins: where it computes, and what it can do."""

import json

import numpy as np

from labkit.errors import LabError
from labkit.run.communicators.protocol import Communicator
from labkit.run.rank.waiting import Patience, wait
from labkit.run.tags import ROUND

LONGEST_BYTES = 2048


class Round:
    """One word of each rank. All ranks make their rounds in the same order, one after the other.

    `heard`: the words that have come so far, by rank; one's own too, once it is said.
    """

    def __init__(self, communicator: Communicator):
        self._communicator = communicator
        self._others = [rank for rank in range(communicator.size) if rank != communicator.rank]
        self._into = {rank: np.empty(LONGEST_BYTES, np.uint8) for rank in self._others}
        self._coming = {rank: communicator.receive(into, rank, ROUND) for rank, into in self._into.items()}
        self._leaving: list = []
        self.heard: dict[int, dict] = {}

    def say(self, word: dict) -> None:
        """This rank's word; JSON. LabError for one that is too long."""
        text = json.dumps(word).encode()
        if len(text) > LONGEST_BYTES:
            raise LabError(f"a word of {len(text)} bytes to all ranks", f"say it in {LONGEST_BYTES}")
        padded = np.frombuffer(text.ljust(LONGEST_BYTES), np.uint8)
        self._leaving = [self._communicator.send(padded, rank, ROUND) for rank in self._others]
        self.heard[self._communicator.rank] = word

    def listen(self) -> bool:
        """Take in what has come; whether the round is over: everybody's word is here, and one's own has left."""
        done = self._communicator.done
        for rank in [rank for rank, ticket in self._coming.items() if done(ticket)]:
            del self._coming[rank]
            self.heard[rank] = json.loads(self._into[rank].tobytes())
        self._leaving = [ticket for ticket in self._leaving if not done(ticket)]
        return not self._coming and not self._leaving and self._communicator.rank in self.heard

    def words(self, patience: Patience, what: str) -> list[dict]:
        """All words in the order of the ranks, when they are here. LabError after `patience`; what: it was about."""
        wait(self.listen, patience, lambda: f"{what} of the ranks {', '.join(map(str, self._coming)) or 'addressed'}")
        return [self.heard[rank] for rank in sorted(self.heard)]
