"""A parameter server: takes pushes as they come, applies them, and answers each of them once (eserol-2019 1.1.1).

async: a gradient is applied as soon as it is there. sync: those of all workers are summed, in the order of their ranks,
so that a run gives the same bits whoever came first. ssp<s> (Ho et al. 2013): applied at once, but a worker that is
more than s steps ahead of the slowest gets its answer, and so may go on, only when that one has caught up.

The server works on the host, on weights, gradients and optimiser slots of its own. Before each push comes a header
(step, piece, version of the weights that the gradient was computed with), before each answer the version of the
weights: bookkeeping, which is not counted. Between a rank and its own server nothing is sent.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from labkit.engine.optimizers import Optimizer
from labkit.run.communicators.protocol import ANY, Communicator, Ticket
from labkit.run.rank.lane import Lane
from labkit.run.rank.ready import Code
from labkit.run.result import Stale
from labkit.run.tags import HEADER, tag_of, version_tag
from labkit.schedule import Instruction, Schedule

HEADER_VALUES = 3  # step, piece, version


class Push(NamedTuple):
    """What arrived: gradients [values] of `piece` from `worker`, computed in its `step` with weights of `version`."""

    worker: int
    step: int
    piece: int
    version: int
    gradients: np.ndarray


class Answer(NamedTuple):
    """What a rank gets from its own server: weights [values] after `version` updates."""

    version: int
    weights: np.ndarray


@dataclass
class Desk:
    """One piece at its server. weights, slots: [values] each. version: updates that the weights have seen.

    counts: pushes taken from each worker. waiting: workers that were not answered yet. early: sync only, pushes whose
    turn in the order of ranks has not come; summed: those whose turn has, in `gradients`.
    """

    weights: np.ndarray
    slots: tuple[np.ndarray, ...]
    counts: dict[int, int]
    version: int = 0
    waiting: list[int] = field(default_factory=list)
    early: dict[int, deque[Push]] = field(default_factory=dict)
    summed: list[Push] = field(default_factory=list)
    gradients: np.ndarray | None = None


class Server:
    """The server on `rank`. `desks` holds its pieces, `stale` a record of every gradient it has applied.

    weights: [parameters], what all ranks start with. tell(stale): called with each record, if given. `deliver` and
    `answers` are how the rank's own worker meets it.
    """

    def __init__(
        self,
        schedule: Schedule,
        rank: int,
        optimizer: Optimizer,
        weights: np.ndarray,
        communicator: Communicator,
        tell: Callable[[Stale], None] | None = None,
    ):
        self.schedule, self.rank, self._optimizer, self._communicator = schedule, rank, optimizer, communicator
        workers = pushers(schedule, rank)
        self.desks: dict[int, Desk] = {}
        for piece, ranks in workers.items():
            own = weights[slice(*schedule.pieces[piece])].copy()
            self.desks[piece] = Desk(own, optimizer.start(own), dict.fromkeys(ranks, 0))
        self.stale: list[Stale] = []
        self._tell = tell or (lambda stale: None)
        self.answers: dict[int, deque[Answer]] = {piece: deque() for piece in self.desks}
        self._delivered: deque[Push] = deque()
        self._remote = sum(len([r for r in ranks if r != rank]) for ranks in workers.values())  # pushes of a step
        self._expected = 0  # headers from other ranks that are still to come
        self._header, self._ticket = np.empty(HEADER_VALUES, np.int64), None
        self._leaving: list[tuple[Ticket, np.ndarray]] = []  # answers, until their buffers are free
        self._first = next(n for n, i in enumerate(schedule.ranks[rank]) if i.op == "serve")

    def begin(self, steps: int) -> None:
        """Expect the pushes of `steps` steps."""
        self._expected = steps * self._remote

    def deliver(self, push: Push) -> None:
        """A push of this rank's own worker, whose gradients nobody else will write to."""
        self._delivered.append(push)

    def serve(self, lane: Lane, step: int, code: Code, clock: Callable[[], float]) -> None:
        """Take the next push that arrives. LabError if none does in time, or the update is not finite."""
        start = clock()
        lane.wait(self._arrived, what="a push")
        came = clock()
        lane.note(code, step, "wait", start, came, peers=())
        push = self._receive(lane)
        received = clock()
        size = 4 * len(push.gradients) if push.worker != self.rank else 0
        lane.note(code, step, "communicate", came, received, size, (push.worker,))
        answered = self._take(push, code.instruction.how)
        updated = clock()
        lane.note(code, step, "compute", received, updated, peers=(push.worker,))
        for worker in answered:
            self._answer(lane, worker, push.piece)
        if answered:
            lane.note(code, step, "communicate", updated, clock(), peers=tuple(answered))

    def finish(self, lane: Lane) -> None:
        """Wait until all answers have left."""
        for ticket, _ in self._leaving:
            lane.wait(lambda t=ticket: self._communicator.done(t), ticket.peer, "the taking of an answer")
        self._leaving = []

    def _arrived(self) -> bool:
        """Whether a push, or the header of one, is here."""
        self._leaving = [pair for pair in self._leaving if not self._communicator.done(pair[0])]
        if self._delivered:
            return True
        if self._ticket is None and self._expected:
            self._ticket = self._communicator.receive(self._header, ANY, HEADER)
            self._expected -= 1
        return self._ticket is not None and self._communicator.done(self._ticket)

    def _receive(self, lane: Lane) -> Push:
        if self._delivered:
            return self._delivered.popleft()
        worker, (step, piece, version) = self._ticket.peer, map(int, self._header)
        self._ticket = None
        desk = self.desks[piece]
        gradients = np.empty_like(desk.weights)
        ticket = self._communicator.receive(
            gradients, worker, tag_of(Instruction("push", item="g", piece=piece, peer=0))
        )
        lane.wait_for([ticket], self._communicator)
        return Push(worker, step, piece, version, gradients)

    def _take(self, push: Push, how: str) -> list[int]:
        """Do what the mode says; the workers that are to be answered now, in the order of their ranks."""
        desk = self.desks[push.piece]
        desk.counts[push.worker] += 1
        desk.waiting.append(push.worker)
        if how == "sync":
            return self._sum(desk, push)
        self._update(desk, push.gradients, [push])
        bound = int(how[3:]) if how.startswith("ssp") else None
        slowest = min(desk.counts.values())
        free = [w for w in desk.waiting if bound is None or desk.counts[w] - slowest <= bound]
        desk.waiting = [w for w in desk.waiting if w not in free]
        return sorted(free)

    def _sum(self, desk: Desk, push: Push) -> list[int]:
        """Add up, in the order of ranks, what has come; update when the last worker's is in."""
        order, answered = list(desk.counts), []
        desk.early.setdefault(push.worker, deque()).append(push)
        while desk.early.get(order[len(desk.summed)]):
            first = desk.early[order[len(desk.summed)]].popleft()
            if desk.summed:
                desk.gradients += first.gradients
            else:
                desk.gradients = first.gradients
            desk.summed.append(first)
            if len(desk.summed) == len(order):
                self._update(desk, desk.gradients, desk.summed)
                answered += order
                desk.waiting, desk.summed, desk.gradients = [], [], None
        return answered

    def _update(self, desk: Desk, gradients: np.ndarray, pushes: list[Push]) -> None:
        self._optimizer.update(desk.weights, gradients, desk.slots, desk.version)
        for push in pushes:
            behind = desk.version - push.version
            self.stale.append(Stale(push.worker, push.step, push.piece, push.version, behind))
            self._tell(self.stale[-1])
        desk.version += 1

    def _answer(self, lane: Lane, worker: int, piece: int) -> None:
        """Send a copy of the weights; the next update need not wait until it has been taken."""
        desk = self.desks[piece]
        weights = desk.weights.copy()
        if worker == self.rank:
            self.answers[piece].append(Answer(desk.version, weights))
            return
        version, send = np.array([desk.version], np.int64), self._communicator.send
        self._leaving.append((send(version, worker, version_tag(piece)), version))
        pull = Instruction("pull", item="w", piece=piece, peer=self.rank)
        self._leaving.append((send(weights, worker, tag_of(pull)), weights))
        lane.ledger.count(worker, self._first, len(weights))


def pushers(schedule: Schedule, server: int) -> dict[int, list[int]]:
    """For each piece that is pushed to `server`, the workers that push it, in order."""
    found: dict[int, list[int]] = {}
    for rank, program in enumerate(schedule.ranks):
        for instruction in program:
            if instruction.op == "push" and instruction.peer == server and schedule.values(instruction):
                found.setdefault(instruction.piece, []).append(rank)
    return found
