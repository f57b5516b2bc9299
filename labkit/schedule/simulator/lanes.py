"""The lanes of a rank: each a generator that yields the time at which it wants to go on, or None while it waits.

What it waits for puts it back on the clock: a message (`SimulatedNetwork.hand_over`), the network lane (`_release`),
an instruction handed to the network lane (`_issue`), a push (`Server.announce`).
"""

from collections import defaultdict, deque
from collections.abc import Generator
from functools import partial
from heapq import heappush

from labkit.schedule.costs import Costs
from labkit.schedule.schedule import Schedule
from labkit.schedule.simulator.network import SimulatedNetwork
from labkit.schedule.simulator.operations import CALCULATE, PULL, PUSH, SUBJECTS, WAIT, Operation, Rows

LANES = ("main", "network", "server")
Going = Generator[float | None, float, float]


class Lane:
    """A lane of one rank. at: (step, position, operation) that it is at, None while it has nothing to do."""

    __slots__ = ("at", "number", "resume")

    def __init__(self, rank: int, name: str):
        self.number = rank * len(LANES) + LANES.index(name)
        self.at: tuple[int, int, Operation] | None = None

    def set(self, body: Going) -> None:
        """Make the lane's generator ready, up to its first `yield`."""
        next(body)
        self.resume = body.send

    def wake(self, network: SimulatedNetwork, now: float) -> None:
        """Put it on the clock. It must not be there yet."""
        heappush(network.heap, (now, self.number, self.resume))


class World:
    """What the lanes of a simulation share.

    events: (start_s, lane's number, step, position, turn, end_s, kind, operation, messages); several events of one
    instruction have turns 0, 1, ... answers: versions of the weights that a server has sent, by channel. stale: the
    fields of `Stale` records.
    """

    def __init__(self, schedule: Schedule, costs: Costs, steps: int):
        self.steps = steps
        self.network = SimulatedNetwork(schedule.size, max(1, len(schedule.pieces)) * len(SUBJECTS), costs.link)
        self.add_s_per_byte = 1 / costs.reduce_bytes_per_s
        self.update_s_per_value = costs.compute.update_s_per_value
        self.overhead_s = costs.overhead_s
        self.events: list[tuple] = []
        self.servers: dict[int, object] = {}  # Server by rank
        self.answers: defaultdict[int, deque[int]] = defaultdict(deque)
        self.stale: list[tuple[int, int, int, int, int]] = []

    def note(self, lane: Lane, start: float, end: float, kind: str, messages: Rows, turn: int = 0) -> None:
        """An event of the instruction that the lane is at."""
        step, position, operation = lane.at
        self.events.append((start, lane.number, step, position, turn, end, kind, operation, messages))


class Served:
    """What a worker has to do with parameter servers.

    versions: of the weights that it holds of each piece; reads: step -> of those that F has begun with. open: pushes
    that are not answered yet. skipped: pulls that had nothing to take, with their positions, by piece.
    """

    def __init__(self, world: World, rank: int):
        self.world, self.rank = world, rank
        self.versions: defaultdict[int, int] = defaultdict(int)
        self.reads: dict[int, tuple[int, int]] = {}  # piece -> (step, version)
        self.open: defaultdict[int, int] = defaultdict(int)
        self.skipped: dict[int, tuple[int, Operation]] = {}

    def read(self, step: int, pieces: tuple[int, ...]) -> None:
        """F begins: the first one of a step to use a piece settles what its gradients are computed with."""
        for piece in pieces:
            if piece not in self.reads or self.reads[piece][0] != step:
                self.reads[piece] = (step, self.versions[piece])

    def push(self, lane: Lane, now: float) -> Going:
        """Gradients to a server; to the rank's own they are there at once."""
        step, _, operation = lane.at
        network, piece, server = self.world.network, operation.piece, operation.peer
        if self.world.overhead_s:
            now = yield now + self.world.overhead_s
        if not operation.size:
            return now
        read_in, version = self.reads.get(piece, (-1, 0))
        self.open[piece] += 1
        push = (self.rank, step, piece, operation.size, version if read_in == step else self.versions[piece])
        announce = self.world.servers[server].announce
        if server == self.rank:
            announce(push, now)
            return now
        network.send_ahead(now, self.rank, server, partial(announce, push))
        return (yield network.send(now, self.rank, server, network.channel(self.rank, server, operation.tag), push[3]))

    def pull(self, lane: Lane, now: float) -> Going:
        """The server's answer to the last push of the piece; before the first push there is none."""
        _, position, operation = lane.at
        network, piece = self.world.network, operation.piece
        if self.world.overhead_s:
            now = yield now + self.world.overhead_s
        if not self.open[piece]:
            self.skipped[piece] = (position, operation)
            return now
        channel = network.channel(operation.peer, self.rank, operation.tag)
        arrivals = network.arrivals.get(channel)
        if arrivals:
            now = yield max(now, arrivals.popleft())
        else:
            network.waiting[channel].append((now, 0.0, lane.number, lane.resume))
            now = yield None
        self.versions[piece] = self.world.answers[channel].popleft()
        self.open[piece] -= 1
        return now


class Worker:
    """Main and network lane of one rank. operations: with their positions, all but those of the server."""

    def __init__(self, world: World, rank: int, operations: list[tuple[int, Operation]]):
        self.world, self.rank, self.operations = world, rank, operations
        self.main, self.behind = Lane(rank, "main"), Lane(rank, "network")
        self.queue: deque[tuple[int, int, Operation]] = deque()
        self.pending: defaultdict[str, int] = defaultdict(int)  # background instructions that are not done, by item
        self.wanted: str | None = None  # what the main lane waits for: an item, or '' for everything
        self.served = Served(world, rank)
        self.main.set(self._main())
        self.main.wake(world.network, 0.0)
        self.behind.set(self._behind())

    def _main(self) -> Going:
        lane, world, overhead_s = self.main, self.world, self.world.overhead_s
        now = yield None
        for step in range(world.steps):
            for position, operation in self.operations:
                if operation.background:
                    self._issue((step, position, operation), now)
                    continue
                lane.at = (step, position, operation)
                start, action = now, operation.action
                if action == CALCULATE:
                    if operation.reads:
                        self.served.read(step, operation.reads)
                    now = yield now + overhead_s + operation.seconds
                elif action == WAIT:
                    if self._busy(operation.key):
                        self.wanted = operation.key
                        now = yield None
                    now = yield now + overhead_s
                else:
                    now = yield from self._communicate(lane, now)
                world.note(lane, start, now, operation.kind, operation.messages)
        if self.served.skipped:
            now = yield from self._settle(now)
        lane.at = None
        yield None

    def _behind(self) -> Going:
        lane, world = self.behind, self.world
        now = yield None
        while True:
            while not self.queue:
                lane.at = None
                now = yield None
            lane.at = self.queue.popleft()
            start, operation = now, lane.at[2]
            now = yield from self._communicate(lane, now)
            world.note(lane, start, now, operation.kind, operation.messages)
            self._release(operation.key, now)

    def _settle(self, now: float) -> Going:
        """At the end, take the answers that no `pull` has taken, because the first step's had nothing to take."""
        if self._busy(""):
            self.wanted = ""
            now = yield None
        for position, operation in self.served.skipped.values():
            while self.served.open[operation.piece]:
                self.main.at = (self.world.steps - 1, position, operation)
                start = now
                now = yield from self._communicate(self.main, now)
                self.world.note(self.main, start, now, operation.kind, operation.messages)
        return now

    def _issue(self, one: tuple[int, int, Operation], now: float) -> None:
        self.pending[one[2].key] += 1
        self.queue.append(one)
        if self.behind.at is None and len(self.queue) == 1:
            self.behind.wake(self.world.network, now)

    def _busy(self, key: str) -> bool:
        return self.pending[key] > 0 if key else any(self.pending.values())

    def _release(self, key: str, now: float) -> None:
        self.pending[key] -= 1
        if self.wanted is not None and not self._busy(self.wanted):
            self.wanted = None
            self.main.wake(self.world.network, now)

    def _communicate(self, lane: Lane, now: float) -> Going:
        """What the lane is at."""
        action = lane.at[2].action
        if action == PUSH:
            return self.served.push(lane, now)
        if action == PULL:
            return self.served.pull(lane, now)
        return self._transfer(lane, now)

    def _transfer(self, lane: Lane, now: float) -> Going:
        """The moves of an instruction, one after the other; a move is over when both its directions are."""
        world, network, rank, operation = self.world, self.world.network, self.rank, lane.at[2]
        overhead_s, add_s_per_byte, tags = world.overhead_s, world.add_s_per_byte, network.tags
        outward = network.channel(rank, 0, operation.tag)
        inward = network.channel(0, rank, operation.tag)
        stride = network.channel(1, 0, 0)
        if overhead_s and not operation.messages.rows:
            now = yield now + overhead_s
        for to, out, source, _, added in operation.messages.rows:
            if overhead_s:
                now = yield now + overhead_s
            over, add_s = now, added * add_s_per_byte
            if to >= 0:
                over = network.send(now, rank, to, outward + to * tags, out)
            if source >= 0:
                channel = inward + source * stride
                arrivals = network.arrivals.get(channel)
                if not arrivals:
                    network.waiting[channel].append((over, add_s, lane.number, lane.resume))
                    now = yield None
                    continue
                arrival = arrivals.popleft()
                if arrival > over:
                    over = arrival
            now = yield over + add_s
        return now
