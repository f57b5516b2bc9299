"""One lane of a rank: a thread that does instructions in order, with its own ledger, events and buffers."""

from collections.abc import Callable

import numpy as np

from labkit.run.communicators.protocol import Communicator, Ticket
from labkit.run.rank.hooks import EVERYONE, Hooks
from labkit.run.rank.ledger import Ledger
from labkit.run.rank.ready import Code
from labkit.run.rank.waiting import Patience, wait
from labkit.schedule import Event


class Lane:
    """`name`: 'main', 'network' or 'server'. step, code: what it does now (code is None before its first instruction);
    waits_for: the rank (or EVERYONE) that it waits for, None while it does not. These are for whoever looks; everything
    else is touched by this lane's thread only. seconds: by kind of event.
    """

    def __init__(self, name: str, rank: int, patience: Patience, hooks: Hooks, record: bool):
        self.name, self.rank, self.patience, self.hooks = name, rank, patience, hooks
        self.ledger = Ledger(rank)
        self.step, self.code, self.waits_for = 0, None, None
        self.seconds = {"compute": 0.0, "communicate": 0.0, "wait": 0.0}
        self._record = record
        self._noted: list[tuple] = []
        self._messages = self._bytes = 0
        self._scratch = np.empty(0)

    def wait(self, ready: Callable[[], bool], peer: int = EVERYONE, what: str = "a message") -> None:
        """Return when `ready()`. LabError after the run's timeout; whatever ends the rank comes out, too."""
        if ready():
            return
        self.waits(peer)
        wait(ready, self.patience, lambda: what if peer == EVERYONE else f"{what} of rank {peer}")

    def waits(self, peer: int = EVERYONE) -> None:
        """Say so to whoever looks."""
        self.waits_for = peer
        if self.hooks.on_wait:
            self.hooks.on_wait(self.name, peer)

    def begin(self, step: int, code: Code) -> None:
        """The next instruction begins."""
        self.step, self.code, self.waits_for = step, code, None
        if self.hooks.on_instruction:
            self.hooks.on_instruction(step, code.position)

    def wait_for(self, tickets: list[Ticket], communicator: Communicator) -> None:
        """Return when all these messages are done."""
        left = [ticket for ticket in tickets if not communicator.done(ticket)]
        if not left:
            return
        self.waits(left[0].peer)
        due = getattr(communicator, "due_ns", None)
        for ticket in left:
            wait(
                lambda t=ticket: communicator.done(t),
                self.patience,
                lambda t=ticket: f"a message {'of all ranks' if t.peer == EVERYONE else f'of or to rank {t.peer}'}",
                *([lambda t=ticket: due(t)] if due else []),
            )

    def scratch(self, values: int, dtype: np.dtype) -> np.ndarray:
        """[values] of `dtype` to receive into; the next call gives the same memory."""
        if self._scratch.dtype != dtype or len(self._scratch) < values:
            self._scratch = np.empty(values, dtype)
        return self._scratch[:values]

    def note(self, code: Code, step: int, kind: str, start_s: float, end_s: float, received: int = 0, peers=None):
        """An event is over; what the ledger has counted since the last one was sent for it."""
        self.seconds[kind] += end_s - start_s
        ledger = self.ledger
        if self._record or self.hooks.on_event:
            sent = ledger.bytes - self._bytes, ledger.messages - self._messages
            row = (code, step, kind, start_s, end_s, received, peers, *sent)
            if self._record:
                self._noted.append(row)
            if self.hooks.on_event:
                self.hooks.on_event(self._event(*row))
        self._bytes, self._messages = ledger.bytes, ledger.messages

    def events(self) -> list[Event]:
        """All that was noted; times in seconds of the rank's clock."""
        return [self._event(*row) for row in self._noted]

    def _event(self, code: Code, step: int, kind: str, start_s, end_s, received, peers, sent, messages) -> Event:
        return Event(
            *(self.rank, step, code.position, self.name, code.spelling, kind, start_s, end_s),
            *(sent, received, messages, code.peers if peers is None else peers),
        )
