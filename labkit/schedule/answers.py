"""What an abstract parameter server does with a push: when it updates, and whom it answers when.

sync: the gradients of a piece are summed over all workers; the last one's push updates and answers all. async: each
push updates and is answered at once. ssp with bound s: it updates at once, and the answer is held back while its worker
is more than s pushes of that piece ahead of the slowest worker.
"""

from dataclasses import dataclass, field

from labkit.schedule.contributions import Contents
from labkit.schedule.instruction import Instruction

Answer = tuple[int, str, list[int]]  # worker, item, versions of its stretches


@dataclass
class Desk:
    """The pushes of one piece to one server so far. counts: of each worker; waiting: workers not answered yet."""

    weights: list[int]
    counts: dict[int, int]
    waiting: list[int] = field(default_factory=list)
    gradients: list[int] | None = None
    updates: int = 0


class Servers:
    """All servers of a schedule; `mode` is that of their first `serve`."""

    def __init__(self, contents: Contents):
        schedule = self.schedule = contents.schedule
        self.contents = contents
        self.modes = {}
        for rank, program in enumerate(schedule.ranks):
            for i in program:
                if i.op == "serve":
                    self.modes.setdefault(rank, i.how)
        self._desks: dict[tuple[int, int], Desk] = {}
        self._fresh = 0

    def serve(
        self, server: int, position: int, steps: int, worker: int, push: Instruction, came: list[int], a: int, b: int
    ) -> list[Answer]:
        """Take a push of the stretches a to b - 1; the answers that it lets go. steps: of the whole execution."""
        if (server, push.piece) not in self._desks:
            self._desks[server, push.piece] = Desk([0] * (b - a), dict.fromkeys(self.schedule.workers, 0))
        desk = self._desks[server, push.piece]
        desk.counts[worker] = desk.counts.get(worker, 0) + 1
        desk.waiting.append(worker)
        mode = self.modes[server]
        if mode == "sync":
            sums = desk.gradients or [0] * (b - a)
            desk.gradients = [x + y for x, y in zip(sums, came, strict=True)]
            if len(desk.waiting) < len(desk.counts):
                return []
            if desk.updates < steps:  # a server that is pushed to too often; `serving` has told
                self.contents.check(server, position, desk.updates, desk.gradients, a, b, -1)
            desk.updates += 1
            desk.weights, desk.gradients = [desk.updates] * (b - a), None
            return self._let_go(desk, push, desk.waiting)
        self._fresh -= 1
        desk.weights = [self._fresh] * (b - a)
        if mode == "async":
            return self._let_go(desk, push, [worker])
        bound, slowest = int(mode.removeprefix("ssp")), min(desk.counts.values())
        return self._let_go(desk, push, [w for w in desk.waiting if desk.counts[w] - slowest <= bound])

    def _let_go(self, desk: Desk, push: Instruction, workers: list[int]) -> list[Answer]:
        desk.waiting = [worker for worker in desk.waiting if worker not in workers]
        return [(worker, f"w{push.piece}", desk.weights) for worker in workers]
