"""The server lane of a rank: takes pushes in the order in which they leave, updates, and answers with the weights.

A push is announced by a few bytes ahead of it, which take no time of a port; so the server hears of pushes in the order
in which they come. It waits for the one that was announced first, but takes one of its rank's own worker before.
Answers leave while it goes on with the next.

sync: the gradients of a piece are added up over its workers, in the order of their ranks; when all are, the server
updates, and answers them all. async: updates with each, and answers. ssp with bound s: the same, but the answer is
held back while the worker has pushed the piece more than s times more often than the slowest of its workers; the serve
that changes this sends it.

A worker begins its step k (from 0) when every other has pushed k - s times at least; no other can push more than
k + s + 1 times before it does. With W workers an update's staleness is therefore at most (W - 1)(2s + 1).
"""

from collections import defaultdict, deque
from functools import lru_cache

from labkit.network.graph import FLOAT_BYTES
from labkit.schedule.simulator.lanes import Going, Lane, World
from labkit.schedule.simulator.operations import NO_ROWS, Operation, Rows, tag_of

# Gradients of a worker: (worker, its step, piece, bytes, version of the weights that they were computed with).
Push = tuple[int, int, int, int, int]


class Server:
    """The server on one rank. serves: its instructions with their positions. workers: by piece, who pushes it here."""

    def __init__(
        self, world: World, rank: int, serves: list[tuple[int, Operation]], workers: dict[int, tuple[int, ...]]
    ):
        self.world, self.rank, self.serves, self.workers = world, rank, serves, workers
        self.lane = Lane(rank, "server")
        self.announced: deque[Push] = deque()
        self.idle = False
        self.versions: defaultdict[int, int] = defaultdict(int)
        self.pushes: defaultdict[tuple[int, int], int] = defaultdict(int)  # by (piece, worker)
        self.early: defaultdict[tuple[int, int], deque[Push]] = defaultdict(deque)  # sync: whose turn has not come
        self.added: defaultdict[int, list[Push]] = defaultdict(list)  # sync: whose turn has come
        self.held: defaultdict[int, list[int]] = defaultdict(list)  # ssp: workers whose answer is held back
        self.lane.set(self._serve())
        self.lane.wake(world.network, 0.0)

    def announce(self, push: Push, now: float) -> None:
        """A push is about to come, or here already if it is of the rank's own worker."""
        self.announced.append(push)
        if self.idle:
            self.idle = False
            self.lane.wake(self.world.network, now)

    def _serve(self) -> Going:
        lane, world = self.lane, self.world
        now = yield None
        for step in range(world.steps):
            for position, operation in self.serves:
                lane.at = (step, position, operation)
                if not self.announced:
                    self.idle, start = True, now
                    now = yield None
                    world.note(lane, start, now, "wait", NO_ROWS)
                push, start = self._next(), now
                if push[0] != self.rank:
                    now = yield from self._receive(push, now)
                    world.note(lane, start, now, "communicate", _exchanged(self.rank, (), push[0], push[3]), 1)
                seconds, answered = self._take(push, operation.how)
                start = now
                now = yield now + world.overhead_s + seconds
                world.note(lane, start, now, "compute", NO_ROWS, 2)
                if answered:
                    self._answer(push, answered, now)
                    world.note(lane, now, now, "communicate", _exchanged(self.rank, tuple(answered), -1, push[3]), 3)
        lane.at = None
        yield None

    def _next(self) -> Push:
        """The push to take: of the rank's own worker, which is here already, or the one that was announced first."""
        own = next((push for push in self.announced if push[0] == self.rank), None)
        if own is None:
            return self.announced.popleft()
        self.announced.remove(own)
        return own

    def _receive(self, push: Push, now: float) -> Going:
        network = self.world.network
        channel = network.channel(push[0], self.rank, tag_of("push", push[2]))
        arrivals = network.arrivals.get(channel)
        if arrivals:
            return (yield max(now, arrivals.popleft()))
        network.waiting[channel].append((now, 0.0, self.lane.number, self.lane.resume))
        return (yield None)

    def _take(self, push: Push, mode: str) -> tuple[float, list[int]]:
        """Add up or update. Returns the seconds that takes, and the workers to answer, in order."""
        worker, _, piece, size, _ = push
        update_s = size // FLOAT_BYTES * self.world.update_s_per_value
        if mode == "sync":
            return self._add(push, update_s)
        self._apply(piece, [push])
        if mode == "async":
            return update_s, [worker]
        self.pushes[piece, worker] += 1
        held, bound = sorted([*self.held[piece], worker]), int(mode[len("ssp") :])
        slowest = min(self.pushes[piece, other] for other in self.workers[piece])
        free = [w for w in held if self.pushes[piece, w] - slowest <= bound]
        self.held[piece] = [w for w in held if w not in free]
        return update_s, free

    def _add(self, push: Push, update_s: float) -> tuple[float, list[int]]:
        """Those whose turn has come; the first one's gradients are not added to anything."""
        worker, _, piece, size, _ = push
        order, added, seconds, answered = self.workers[piece], self.added[piece], 0.0, []
        self.early[piece, worker].append(push)
        while early := self.early[piece, order[len(added)]]:
            seconds += size * self.world.add_s_per_byte if added else 0.0
            added.append(early.popleft())
            if len(added) == len(order):
                self._apply(piece, added)
                added.clear()
                seconds += update_s
                answered += order
        return seconds, answered

    def _apply(self, piece: int, pushes: list[Push]) -> None:
        """One update with the gradients of all these."""
        version = self.versions[piece]
        for worker, step, _, _, read in pushes:
            self.world.stale.append((worker, step, piece, read, version - read))
        self.versions[piece] = version + 1

    def _answer(self, push: Push, workers: list[int], now: float) -> None:
        """Send the weights to each; what goes to the rank's own worker is there at once."""
        _, _, piece, size, _ = push
        network, answers = self.world.network, self.world.answers
        first, version = network.channel(self.rank, 0, tag_of("pull", piece)), self.versions[piece]
        for worker in workers:
            channel = first + worker * network.tags
            answers[channel].append(version)
            if worker == self.rank:
                network.hand_over(channel, now)
            else:
                network.send(now, self.rank, worker, channel, size)


@lru_cache(maxsize=4096)
def _exchanged(rank: int, answered: tuple[int, ...], pusher: int, size: int) -> Rows:
    """What a server has sent to those answered, or received from `pusher`; nothing to the rank itself."""
    others = tuple(worker for worker in answered if worker != rank)
    if pusher < 0:
        return Rows((), size * len(others), 0, len(others), others)
    return Rows((), 0, size, 0, (pusher,))
