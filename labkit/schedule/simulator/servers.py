"""The server lane of a rank: takes pushes in the order in which they arrive, updates, and answers with the weights.

sync: the gradients of a piece are added up over its workers; the last one's serve updates, and answers them all.
async: updates with each, and answers. ssp with bound s: the same, but the answer is held back while the worker has
pushed the piece more than s times more often than the slowest of its workers; the serve that changes this sends it.

A worker that computes its push k + 1 (counted from 0) of a piece has had an answer when every other had pushed k - s
times at least, and no other can push more than k + s + 1 times before it does: with W workers an update's staleness is
at most (W - 1)(2s + 1).
"""

from collections import defaultdict, deque
from functools import lru_cache

from labkit.network.graph import FLOAT_BYTES
from labkit.schedule.simulator.lanes import Going, Lane, World
from labkit.schedule.simulator.operations import Operation, Rows, tag_of

# Gradients of a worker: (worker, its step, piece, bytes, version of the weights that they were computed with, whether
# they came as a message).
Push = tuple[int, int, int, int, int, bool]


class Server:
    """The server on one rank. serves: its instructions with their positions. workers: by piece, who pushes it here."""

    def __init__(
        self, world: World, rank: int, serves: list[tuple[int, Operation]], workers: dict[int, tuple[int, ...]]
    ):
        self.world, self.rank, self.serves, self.workers = world, rank, serves, workers
        self.lane = Lane(rank, "server")
        self.inbox: deque[Push] = deque()
        self.idle = False
        self.versions: defaultdict[int, int] = defaultdict(int)
        self.pushes: defaultdict[tuple[int, int], int] = defaultdict(int)  # by (piece, worker)
        self.gathered: dict[int, list[Push]] = defaultdict(list)  # sync: what was added up so far
        self.held: dict[int, list[int]] = defaultdict(list)  # ssp: workers whose answer is held back
        self.lane.set(self._serve())
        self.lane.wake(world.network, 0.0)

    def admit(self, push: Push, now: float) -> None:
        self.inbox.append(push)
        if self.idle:
            self.idle = False
            self.lane.wake(self.world.network, now)

    def _serve(self) -> Going:
        lane, world = self.lane, self.world
        now = yield None
        for step in range(world.steps):
            for position, operation in self.serves:
                lane.at = (step, position, operation)
                if not self.inbox:
                    self.idle = True
                    now = yield None
                push, start = self.inbox.popleft(), now
                seconds, answered = self._take(push, operation.how)
                now = yield now + world.overhead_s + seconds
                over, messages = self._answer(push, answered, now)
                if over > now:
                    now = yield over
                world.events.append((start, lane.number, step, position, operation, now, messages))
        lane.at = None
        yield None

    def _take(self, push: Push, mode: str) -> tuple[float, list[int]]:
        """Add up or update. Returns the seconds that takes, and the workers to answer, in order."""
        worker, _, piece, size, _, _ = push
        update_s = size // FLOAT_BYTES * self.world.update_s_per_value
        if mode == "sync":
            return self._gather(push, update_s)
        self._apply(piece, [push])
        if mode == "async":
            return update_s, [worker]
        self.pushes[piece, worker] += 1
        held, bound = [*self.held[piece], worker], int(mode[len("ssp") :])
        slowest = min(self.pushes[piece, other] for other in self.workers[piece])
        free = [w for w in held if self.pushes[piece, w] - slowest <= bound]
        self.held[piece] = [w for w in held if w not in free]
        return update_s, free

    def _gather(self, push: Push, update_s: float) -> tuple[float, list[int]]:
        _, _, piece, size, _, _ = push
        gathered, add_s = self.gathered[piece], size * self.world.add_s_per_byte
        gathered.append(push)
        if len(gathered) < len(self.workers[piece]):
            return add_s, []
        self._apply(piece, gathered)
        self.gathered[piece] = []
        return add_s + update_s, [worker for worker, *_ in gathered]

    def _apply(self, piece: int, pushes: list[Push]) -> None:
        """One update with the gradients of all these."""
        version = self.versions[piece]
        for worker, step, _, _, read, _ in pushes:
            self.world.stale.append((worker, step, piece, read, version - read))
        self.versions[piece] = version + 1

    def _answer(self, push: Push, workers: list[int], now: float) -> tuple[float, Rows]:
        """Send the weights to each; what goes to the rank's own worker costs nothing. When that is over, and what."""
        pusher, _, piece, size, _, counted = push
        network, answers, over = self.world.network, self.world.answers, now
        first, version = network.channel(self.rank, 0, tag_of("pull", piece)), self.versions[piece]
        for worker in workers:
            channel = first + worker * network.tags
            answers[channel].append(version)
            if worker == self.rank or not size:
                network.hand_over(channel, now)
            else:
                over = network.send(now, self.rank, worker, channel, size)
        return over, _exchanged(self.rank, pusher if counted else self.rank, tuple(workers), size)


@lru_cache(maxsize=4096)
def _exchanged(rank: int, pusher: int, answered: tuple[int, ...], size: int) -> Rows:
    """What a serve has received from `pusher` and sent to those answered; nothing from and to the rank itself."""
    others = [worker for worker in answered if worker != rank and size]
    peers = {*others, pusher} - {rank}
    return Rows((), size * len(others), size if pusher != rank else 0, len(others), tuple(sorted(peers)))
