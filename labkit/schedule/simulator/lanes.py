"""The lanes of a rank: each a generator that yields the time at which it wants to go on, or None while it waits.

What it waits for puts it back on the clock: a message (`SimulatedNetwork.hand_over`), the network lane (`_release`),
an instruction handed to the network lane (`_issue`), a push (`Server.admit`).
"""

from collections import defaultdict, deque
from collections.abc import Generator
from functools import partial
from heapq import heappush

from labkit.schedule.costs import Costs
from labkit.schedule.schedule import Schedule
from labkit.schedule.simulator.network import SimulatedNetwork
from labkit.schedule.simulator.operations import CALCULATE, PULL, PUSH, SUBJECTS, WAIT, Operation

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

    events: (start_s, lane's number, step, position, operation, end_s, messages). versions: of the weights that each
    rank holds of each piece; read: of those that its gradients are computed with; answers: on their way from a server.
    """

    def __init__(self, schedule: Schedule, costs: Costs, steps: int):
        self.size, self.steps = schedule.size, steps
        self.network = SimulatedNetwork(schedule.size, max(1, len(schedule.pieces)) * len(SUBJECTS), costs.link)
        self.add_s_per_byte = 1 / costs.reduce_bytes_per_s
        self.update_s_per_value = costs.compute.update_s_per_value
        self.overhead_s = costs.overhead_s
        self.events: list[tuple] = []
        self.servers: dict[int, object] = {}  # Server by rank
        self.versions: defaultdict[tuple[int, int], int] = defaultdict(int)
        self.read: dict[tuple[int, int], int] = {}
        self.answers: defaultdict[int, deque[int]] = defaultdict(deque)
        self.stale: list[tuple[int, int, int, int, int]] = []  # fields of `Stale`


class Worker:
    """Main and network lane of one rank. operations: with their positions, all but those of the server."""

    def __init__(self, world: World, rank: int, operations: list[tuple[int, Operation]]):
        self.world, self.rank, self.operations = world, rank, operations
        self.main, self.behind = Lane(rank, "main"), Lane(rank, "network")
        self.queue: deque[tuple[int, int, Operation]] = deque()
        self.pending: defaultdict[str, int] = defaultdict(int)  # background instructions that are not done, by item
        self.wanted: str | None = None  # what the main lane waits for: an item, or '' for everything
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
                    for piece in operation.reads:
                        world.read[self.rank, piece] = world.versions[self.rank, piece]
                    now = yield now + overhead_s + operation.seconds
                elif action == WAIT:
                    if self._busy(operation.key):
                        self.wanted = operation.key
                        now = yield None
                    now = yield now + overhead_s
                else:
                    now = yield from self._communicate(lane, step, operation, now)
                world.events.append((start, lane.number, step, position, operation, now, operation.messages))
        lane.at = None
        yield None

    def _behind(self) -> Going:
        lane, world = self.behind, self.world
        now = yield None
        while True:
            while not self.queue:
                lane.at = None
                now = yield None
            step, position, operation = lane.at = self.queue.popleft()
            start = now
            now = yield from self._communicate(lane, step, operation, now)
            world.events.append((start, lane.number, step, position, operation, now, operation.messages))
            self._release(operation.key, now)

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

    def _communicate(self, lane: Lane, step: int, operation: Operation, now: float) -> Going:
        if operation.action == PUSH:
            return self._push(step, operation, now)
        if operation.action == PULL:
            return self._pull(lane, operation, now)
        return self._transfer(lane, operation, now)

    def _transfer(self, lane: Lane, operation: Operation, now: float) -> Going:
        """The moves of an instruction, one after the other; a move is over when both its directions are."""
        world, network, rank = self.world, self.world.network, self.rank
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

    def _push(self, step: int, operation: Operation, now: float) -> Going:
        """Gradients to a server; to one's own they are there at once."""
        world, network = self.world, self.world.network
        if world.overhead_s:
            now = yield now + world.overhead_s
        version = world.read.get((self.rank, operation.piece), 0)
        counted = operation.peer != self.rank and operation.size > 0
        push = (self.rank, step, operation.piece, operation.size, version, counted)
        server = world.servers[operation.peer]
        if not counted:
            server.admit(push, now)
            return now
        channel = network.channel(self.rank, operation.peer, operation.tag)
        network.waiting[channel].append((0.0, 0.0, next(network.numbers), partial(server.admit, push)))
        return (yield network.send(now, self.rank, operation.peer, channel, operation.size))

    def _pull(self, lane: Lane, operation: Operation, now: float) -> Going:
        """The server's answer to the last push of the piece."""
        world, network = self.world, self.world.network
        if world.overhead_s:
            now = yield now + world.overhead_s
        channel = network.channel(operation.peer, self.rank, operation.tag)
        arrivals = network.arrivals.get(channel)
        if arrivals:
            now = yield max(now, arrivals.popleft())
        else:
            network.waiting[channel].append((now, 0.0, lane.number, lane.resume))
            now = yield None
        world.versions[self.rank, operation.piece] = world.answers[channel].popleft()
        return now
