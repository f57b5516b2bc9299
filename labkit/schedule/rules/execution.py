"""Executing a schedule without its arithmetic: which instruction meets which, in which order, and who is left waiting.

Every rank has three lanes that do their instructions in order: main, network (instructions that end in '&', from the
moment that the main lane issues them) and server. Messages are rendezvous: whoever sends waits for whoever receives,
so that a schedule which ends here does not depend on how much a network buffers. For the same reason a collective is
over when all ranks have entered it, as MPI allows; and a push is over when a `serve` takes it. Only a server's
answers wait for their `pull` without holding up anyone. A pull of a piece that is owed no answer, as in the first step
of a list that pulls before it pushes, takes none; what is owed at the end is taken then.

Time is logical: an instruction takes one column of its lane, and those that meet stand in the same column.
"""

from collections import defaultdict, deque

from labkit.schedule.instruction import COLLECTIVES, Instruction
from labkit.schedule.rules.answers import Servers
from labkit.schedule.rules.contributions import Contents
from labkit.schedule.rules.lanes import Cell, Lane, Op
from labkit.schedule.rules.stretches import Stretches
from labkit.schedule.schedule import Schedule


class Execution:
    """`run` executes `steps` steps. Then `cells` is what was done, `stuck` the lanes that wait for ever."""

    def __init__(self, schedule: Schedule, stretches: Stretches, steps: int):
        self.schedule, self.steps, self._stretches = schedule, steps, stretches
        self.contents = Contents(schedule, stretches, steps)
        self.servers = Servers(self.contents)
        self.cells: list[Cell] = []
        compiled = [
            [Op(i, n, *stretches.of(i), i.key, bool(i.item) and not schedule.values(i)) for n, i in enumerate(program)]
            for program in schedule.ranks
        ]
        self.main, self.network, self.server = (
            [Lane(rank, name, [op for op in ops if keep(op)]) for rank, ops in enumerate(compiled)]
            for name, keep in (
                ("main", lambda op: op.i.op != "serve"),
                ("network", lambda op: False),
                ("server", lambda op: op.i.op == "serve"),
            )
        )
        self._issued = [defaultdict(int) for _ in schedule.ranks]  # item -> background instructions up to its last
        self._offered, self._wanted = defaultdict(deque), defaultdict(deque)  # (from, to, item) -> lanes
        self._inbox = defaultdict(deque)  # server -> pushes
        self._answered, self._pulling = defaultdict(deque), defaultdict(deque)  # (server, worker, item)
        self._open = defaultdict(int)  # the same -> pushes that are not answered yet
        self._entered: dict[tuple, dict[int, tuple[Lane, list[int]]]] = {}
        self._turns = defaultdict(int)  # (rank, collective) -> how often the rank has entered it
        self._ready = [lane for rank in range(schedule.size) for lane in (self.main[rank], self.server[rank])][::-1]

    def run(self) -> "Execution":
        """Do all that can be done."""
        while self._ready:
            lane = self._ready.pop()
            if lane.op is None:
                self._go_on(lane)
        for (_, worker, key), answers in self._answered.items():
            a, b = self._stretches.pieces[int(key[1:])]
            for weights, _ in answers:
                self.contents.put(worker, self.steps, "w", a, b, weights, False)
        return self

    @property
    def stuck(self) -> list[Lane]:
        return [lane for lanes in zip(self.main, self.network, self.server, strict=True) for lane in lanes if lane.op]

    def entered(self, rank: int, i: Instruction) -> bool:
        """Whether a rank stands in collective i and waits for others there."""
        kind = (i.op, i.key, i.how, i.peer)
        return rank in self._entered.get((*kind, self._turns[rank, kind] - 1), {})

    def _go_on(self, lane: Lane) -> None:
        """Do instructions of a lane until it has to wait."""
        do = {"main": self._main, "network": self._message, "server": self._serve}[lane.name]
        while (op := self._next(lane)) is not None:
            if lane.name == "main" and op.i.background:
                self._issue(lane, op)
                continue
            lane.op = op
            if not (op.empty or do(lane, op)):
                return
            self._over(lane, op)

    def _next(self, lane: Lane) -> Op | None:
        if lane.name == "network":
            if not lane.queue:
                return None
            lane.step, op, issued = lane.queue[0]
            lane.clock = max(lane.clock, issued)
            return op
        if lane.turn == len(lane.program):
            lane.turn, lane.step = 0, lane.step + 1
        return lane.program[lane.turn] if lane.step < self.steps and lane.program else None

    def _issue(self, main: Lane, op: Op) -> None:
        network, issued = self.network[main.rank], self._issued[main.rank]
        network.queue.append((main.step, op, main.clock))
        issued[""] += 1
        issued[op.key] = issued[""]
        main.turn += 1
        if network.op is None:
            self._ready.append(network)

    def _over(self, lane: Lane, op: Op) -> None:
        """An instruction is done: it takes its column, and a main lane that waited for it goes on."""
        self.cells.append(Cell(lane.rank, lane.name, lane.step, op.position, lane.clock))
        lane.clock += 1
        lane.op = None
        if lane.name != "network":
            lane.turn += 1
            return
        lane.queue.popleft()
        lane.ends.append(lane.clock)
        main = self.main[lane.rank]
        if main.op is not None and main.op.i.op == "wait" and main.target <= len(lane.ends):
            self._wake(main, lane.clock)

    def _wake(self, lane: Lane, clock: int) -> None:
        """A lane that waited has what it waited for."""
        lane.clock = max(lane.clock, clock)
        if lane.got is not None:
            self._receive(lane, lane.op)
        self._over(lane, lane.op)
        self._ready.append(lane)

    def _main(self, lane: Lane, op: Op) -> bool:
        """Do an instruction of the main lane; whether it is over."""
        kind = op.i.op
        if kind in ("F", "B", "U"):
            work = {"F": self.contents.forward, "B": self.contents.backward, "U": self.contents.update}[kind]
            work(lane.rank, lane.step, op.position, op.i, op.a, op.b)
            return True
        if kind == "wait":
            ends, lane.target = self.network[lane.rank].ends, self._issued[lane.rank][op.key]
            if lane.target > len(ends):
                return False
            if lane.target:
                lane.clock = max(lane.clock, ends[lane.target - 1])
            return True
        return self._message(lane, op)

    def _message(self, lane: Lane, op: Op) -> bool:
        kind = op.i.op
        if kind in COLLECTIVES:
            return self._enter(lane, op)
        if kind == "push":
            return self._push(lane, op)
        if kind == "pull":
            return self._pull(lane, op)
        lane.missing, lane.got = 0, None
        if kind != "recv":
            self._send(lane, op)
        if kind != "send":
            self._want(lane, op)
        if lane.missing:
            return False
        if lane.got is not None:
            self._receive(lane, op)
        return True

    def _send(self, lane: Lane, op: Op) -> None:
        channel, sent = (lane.rank, op.i.peer, op.key), self.contents.take(lane.rank, lane.step, op.i.item, op.a, op.b)
        if not self._wanted[channel]:
            self._offered[channel].append((lane, sent))
            lane.missing += 1
            return
        other = self._wanted[channel].popleft()
        other.got = sent
        self._met(lane, other)

    def _want(self, lane: Lane, op: Op) -> None:
        channel = (op.i.peer, lane.rank, op.key)
        if not self._offered[channel]:
            self._wanted[channel].append(lane)
            lane.missing += 1
            return
        other, lane.got = self._offered[channel].popleft()
        self._met(lane, other)

    def _met(self, lane: Lane, other: Lane) -> None:
        """`lane` has come to where `other` was waiting for it."""
        lane.clock = other.clock = max(lane.clock, other.clock)
        other.missing -= 1
        if not other.missing:
            self._wake(other, other.clock)

    def _receive(self, lane: Lane, op: Op) -> None:
        self.contents.put(lane.rank, lane.step, op.i.item, op.a, op.b, lane.got, op.i.how == "+")
        lane.got = None

    def _enter(self, lane: Lane, op: Op) -> bool:
        if self.schedule.size == 1:
            return True
        kind = (op.i.op, op.key, op.i.how, op.i.peer)
        turn = self._turns[lane.rank, kind]
        self._turns[lane.rank, kind] = turn + 1
        entered = self._entered.setdefault((*kind, turn), {})
        entered[lane.rank] = (lane, self.contents.take(lane.rank, lane.step, op.i.item, op.a, op.b))
        if len(entered) < self.schedule.size:
            return False
        clock = max(other.clock for other, _ in entered.values())
        gave = {rank: entered[rank][1] for rank in sorted(entered)}
        self.contents.collective(op.i, op.a, op.b, gave)
        del self._entered[(*kind, turn)]
        for other, _ in entered.values():
            if other is not lane:
                self._wake(other, clock)
        lane.clock = clock
        return True

    def _push(self, lane: Lane, op: Op) -> bool:
        """Wait for a serve; one that waits already takes it now."""
        server = op.i.peer
        if self.servers.modes.get(server, "sync") != "sync":
            self.contents.push(lane.rank, lane.step, op.position, op.a, op.b)
        self._inbox[server].append((lane, op, self.contents.take(lane.rank, lane.step, "g", op.a, op.b)))
        lane.missing, waiting = 1, self.server[server]
        if waiting.op is None:
            return False
        self._serve(waiting, waiting.op)
        self._wake(waiting, waiting.clock)
        return False

    def _serve(self, lane: Lane, op: Op) -> bool:
        if not self._inbox[lane.rank]:
            return False
        other, push, came = self._inbox[lane.rank].popleft()
        worker = other.rank
        self._open[lane.rank, worker, f"w{push.i.piece}"] += 1
        self._met(lane, other)
        answers = self.servers.serve(lane.rank, op.position, self.steps, worker, push.i, came, push.a, push.b)
        for to, key, weights in answers:
            channel = (lane.rank, to, key)
            if self._pulling[channel]:
                waiting = self._pulling[channel].popleft()
                waiting.got = weights
                self._wake(waiting, lane.clock + 1)
            else:
                self._answered[channel].append((weights, lane.clock + 1))
        return True

    def _pull(self, lane: Lane, op: Op) -> bool:
        channel = (op.i.peer, lane.rank, op.key)
        if not self._open[channel]:
            return True
        self._open[channel] -= 1
        if not self._answered[channel]:
            self._pulling[channel].append(lane)
            return False
        lane.got, clock = self._answered[channel].popleft()
        lane.clock = max(lane.clock, clock)
        self._receive(lane, op)
        return True
