"""What an abstract parameter server does with a push: when it updates, and whom it answers when.

sync: the gradients of a piece are summed over the workers that push it; the last one's push updates and answers all.
async: each push updates and is answered at once. ssp with bound s: it updates at once, and the answer is held back
while its worker is more than s pushes of that piece ahead of the slowest worker.
"""

from collections import deque
from dataclasses import dataclass, field

from labkit.schedule.instruction import Instruction
from labkit.schedule.rules.contributions import Contents

Answer = tuple[int, str, list[int]]  # worker, item, versions of its stretches


@dataclass
class Desk:
    """One piece at its server: the pushes of each worker so far, and who was not answered yet.

    early: sync only, gradients of each worker that are not in an update yet.
    """

    counts: dict[int, int]
    early: dict[int, deque[list[int]]]
    waiting: list[int] = field(default_factory=list)
    updates: int = 0


class Servers:
    """All servers of a schedule; `modes`: of each, that of its first `serve`."""

    def __init__(self, contents: Contents):
        self.contents, self.modes = contents, {}
        self._desks: dict[tuple[int, int], Desk] = {}
        self._fresh = 0  # names of the versions of asynchronous servers: -1, -2, ...
        pushers: dict[tuple[int, int], list[int]] = {}
        for rank, program in enumerate(contents.schedule.ranks):
            for i in program:
                if i.op == "serve":
                    self.modes.setdefault(rank, i.how)
                elif i.op == "push":
                    pushers.setdefault((i.peer, i.piece), []).append(rank)
        for key, ranks in pushers.items():
            self._desks[key] = Desk(dict.fromkeys(ranks, 0), {rank: deque() for rank in ranks})

    def serve(
        self, server: int, position: int, steps: int, worker: int, push: Instruction, came: list[int], a: int, b: int
    ) -> list[Answer]:
        """Take a push of the stretches a to b - 1; the answers that it lets go. steps: of the whole execution."""
        desk, mode = self._desks[server, push.piece], self.modes[server]
        desk.counts[worker] += 1
        desk.waiting.append(worker)
        if mode == "sync":
            desk.early[worker].append(came)
            if not all(desk.early.values()):
                return []
            sums = [sum(column) for column in zip(*(row.popleft() for row in desk.early.values()), strict=True)]
            if desk.updates < steps:  # a server that is pushed to too often: `serving` has told
                self.contents.check(server, position, desk.updates, sums, a, b, -1)
            desk.updates += 1
            return _let_go(desk, push, list(desk.counts), [desk.updates] * (b - a))
        self._fresh -= 1
        bound = int(mode.removeprefix("ssp")) if mode != "async" else None
        slowest = min(desk.counts.values())
        free = [w for w in desk.waiting if bound is None or desk.counts[w] - slowest <= bound]
        return _let_go(desk, push, free, [self._fresh] * (b - a))


def _let_go(desk: Desk, push: Instruction, workers: list[int], weights: list[int]) -> list[Answer]:
    """Answer some workers once each."""
    for worker in workers:
        desk.waiting.remove(worker)
    return [(worker, f"w{push.piece}", weights) for worker in workers]
