"""A second opinion on schedules: they are run on numbers, message by message, with the lanes in random order.

Nothing of `validate` is used; the moves of collectives are the package's, proved by `test_collectives_moves`.
"""

from collections import defaultdict, deque
from random import Random

import numpy as np
from scalar_network import Scalars, reference, update

from labkit.schedule import Schedule


class Rank:
    """What one rank holds."""

    def __init__(self, schedule: Schedule, scalars: Scalars):
        layers, n = len(schedule.network), len(scalars.start)
        self.w, self.g, self.e = scalars.start.copy(), np.zeros(n), np.zeros(schedule.network.output_shape[0])
        self.speed, self.used = np.zeros(n), defaultdict(lambda: np.full(n, np.nan))
        self.h, self.d = (defaultdict(lambda: np.zeros(layers + 1)) for _ in range(2))
        self.begun = [-1] * layers
        self.issued: deque = deque()
        self.numbers: dict[str, int] = {}
        self.count = self.done = self.calls = 0
        self.inbox: dict[int, deque] = defaultdict(deque)  # a server's pushes, by worker
        self.desks: dict[int, dict] = {}  # a server's pieces
        self.open: dict[int, int] = defaultdict(int)  # piece -> pushes that are not answered yet
        self.answers: dict[tuple[int, int], deque] = defaultdict(deque)  # (server, piece) -> weights


class Run:
    """One run in an order that `seed` chooses. `outcome`: 'right', 'wrong' or 'hang'."""

    def __init__(self, schedule: Schedule, steps: int, seed: int):
        self.schedule, self.steps, self.random = schedule, steps, Random(seed)
        self.scalars = Scalars(schedule)
        self.ranks = [Rank(schedule, self.scalars) for _ in schedule.ranks]
        self.offers: dict[tuple[int, int, str], deque] = defaultdict(deque)
        self.ended = [False] * schedule.size  # main lanes
        self.calls: list[dict] = []  # of the library
        modes = {i.how for program in schedule.ranks for i in program if i.op == "serve"}
        self.asynchronous = bool(modes - {"sync"})
        self.wrong = False
        self.outcome = self._run()

    def _run(self) -> str:
        lanes = [lane(r) for r in range(self.schedule.size) for lane in (self._main, self._network, self._server)]
        idle = 0  # rounds; in one of them a lane may have gone on without telling, to where it waits again
        while lanes:
            self.random.shuffle(lanes)
            moved = [self._advance(lanes, lane) for lane in list(lanes)]
            idle = 0 if any(moved) else idle + 1
            if idle == 10:
                return "hang"
        if any(self.offers.values()):
            return "hang"
        for me in self.ranks:  # answers that are owed are taken at the end
            for (_, piece), left in me.answers.items():
                for weights in left:
                    me.w[slice(*self.schedule.pieces[piece])] = weights
        return "wrong" if self.wrong or not self._right() else "right"

    def _advance(self, lanes: list, lane) -> bool:
        """Let a lane go on for a while; whether it could."""
        moved = False
        for _ in range(self.random.choice((1, 1, 3, 30))):
            try:
                progress = next(lane)
            except StopIteration:
                lanes.remove(lane)
                return True
            moved |= progress
            if not progress:
                break
        return moved

    def _right(self) -> bool:
        if self.asynchronous:
            return True
        wanted = reference(self.schedule, self.steps)
        held = [self.ranks[r].w for r in self.schedule.workers]
        return all(np.allclose(w, wanted, rtol=1e-9, atol=1e-12) for w in held)

    def _main(self, r: int):
        me = self.ranks[r]
        for step in range(self.steps):
            for i in self.schedule.ranks[r]:
                if i.op == "serve":
                    continue
                if i.background:
                    me.issued.append((step, i))
                    me.count += 1
                    me.numbers[i.key] = me.count
                elif i.op == "wait":
                    target = me.numbers.get(i.key, 0) if i.item else me.count
                    while me.done < target:
                        yield False
                elif i.op in ("F", "B", "U"):
                    self._compute(me, r, step, i)
                else:
                    yield from self._message(me, r, step, i)
                yield True
        self.ended[r] = True

    def _network(self, r: int):
        me = self.ranks[r]
        while me.issued or not self.ended[r]:
            if not me.issued:
                yield False
                continue
            step, i = me.issued[0]
            yield from self._message(me, r, step, i)
            me.issued.popleft()
            me.done += 1
            yield True

    def _compute(self, me: Rank, r: int, step: int, i) -> None:
        scalars, n = self.scalars, len(self.schedule.network)
        first, end = i.layers or (0, 0)
        if i.op == "U":
            a, b = self._values(i)
            update(me.w, me.g, me.speed, slice(a, b))
            return
        h, d, (x, y) = me.h[i.micro], me.d[i.micro], scalars.sample(step, r, i.micro)
        if i.op == "F":
            h[0] = x
            for layer in range(first, end):
                part = slice(*scalars.ranges[layer])
                me.used[step, i.micro][part] = me.w[part]
                scalars.forward(layer, h, me.w)
            return
        if end == n:
            d[n] = h[n] - y
        weight = self.schedule.shares[r][i.micro] / self.schedule.batch
        for layer in reversed(range(first, end)):
            part = slice(*scalars.ranges[layer])
            mine = weight * scalars.backward(layer, h, d, me.w)
            me.g[part] = mine + (me.g[part] if me.begun[layer] == step else 0)
            me.begun[layer] = step

    def _values(self, i) -> tuple[int, int]:
        if i.layers:
            return self.scalars.ranges[i.layers[0]].start, self.scalars.ranges[i.layers[1] - 1].stop
        return self.schedule.pieces[i.piece]

    def _array(self, me: Rank, i) -> np.ndarray:
        if i.item == "e":
            return me.e
        a, b = self.schedule.pieces[i.piece]
        return (me.g if i.item == "g" else me.w)[a:b]

    def _message(self, me: Rank, r: int, step: int, i):
        if i.op == "push":
            yield from self._push(me, r, step, i)
            return
        if i.op == "pull":
            if not me.open[i.piece]:
                return  # no answer is owed, as in the first step of a list that pulls first
            while not me.answers[i.peer, i.piece]:
                yield False
            me.open[i.piece] -= 1
            self._array(me, i)[:] = me.answers[i.peer, i.piece].popleft()
            return
        if i.how == "mpi":
            yield from self._library(me, r, i)
            return
        array = self._array(me, i)
        for move in self.schedule.moves(r, i):
            offer, came = None, None
            if move.to is not None:
                offer = [array[slice(*move.sent)], False]
                self.offers[r, move.to, i.key].append(offer)
            if move.source is not None:
                queue = self.offers[move.source, r, i.key]
                while not queue or queue[0][0].size != move.values_received:
                    yield False  # a message of another size would be an error: here it waits for ever
                theirs = queue.popleft()
                came, theirs[1] = theirs[0].copy(), True
                yield True
            while offer is not None and not offer[1]:
                yield False
            if came is not None:
                here = slice(*move.received)
                array[here] = came + (array[here] if move.add else 0)
        if i.op == "reduce" and i.peer != r:
            array[:] = np.nan  # of no use to anyone

    def _library(self, me: Rank, r: int, i):
        """The library's all-reduce: calls are matched by their number."""
        array = self._array(me, i)
        gathered, place = self.calls, me.calls
        me.calls += 1
        while len(gathered) <= place:
            gathered.append({})
        gathered[place][r] = (i.key, array.copy())
        while len(gathered[place]) < self.schedule.size:
            yield False
        rows = [gathered[place][rank] for rank in range(self.schedule.size)]
        while len({key for key, _ in rows}) > 1:
            yield False
        array[:] = sum(row for _, row in rows)

    def _push(self, me: Rank, r: int, step: int, i):
        a, b = self.schedule.pieces[i.piece]
        if self.asynchronous:
            mine = np.zeros(len(me.g))
            for micro, samples in enumerate(self.schedule.shares[r]):
                used = me.used[step, micro]
                if samples:
                    mine += samples / self.schedule.batch * self.scalars.gradients(used, step, r, micro)
            self.wrong |= not np.allclose(mine[a:b], me.g[a:b], rtol=1e-9, atol=1e-12)
        entry = [i.piece, me.g[a:b], False]
        self.ranks[i.peer].inbox[r].append(entry)
        while not entry[2]:
            yield False
        me.open[i.piece] += 1

    def _server(self, r: int):
        me = self.ranks[r]
        for _ in range(self.steps):
            for i in self.schedule.ranks[r]:
                if i.op == "serve":
                    while not any(me.inbox.values()):
                        yield False
                    self._serve(me, r, i)
                    yield True

    def _pushers(self, server: int, piece: int) -> list[int]:
        return [
            rank
            for rank, program in enumerate(self.schedule.ranks)
            if any((i.op, i.peer, i.piece) == ("push", server, piece) for i in program)
        ]

    def _serve(self, me: Rank, r: int, i) -> None:
        worker = self.random.choice([w for w, queue in me.inbox.items() if queue])
        piece, gradients, _ = entry = me.inbox[worker].popleft()
        a, b = self.schedule.pieces[piece]
        if piece not in me.desks:
            n, count = b - a, dict.fromkeys(self._pushers(r, piece), 0)
            zero = {"speed": np.zeros(n), "early": {rank: deque() for rank in count}}
            me.desks[piece] = {"w": self.scalars.start[a:b].copy(), "count": count, "waiting": [], **zero}
        desk = me.desks[piece]
        desk["count"][worker] += 1
        desk["waiting"].append(worker)
        desk["early"][worker].append(gradients.copy())
        entry[2] = True
        if not all(desk["early"].values() if i.how == "sync" else [True]):
            return
        desk["g"] = sum(row.popleft() for row in desk["early"].values() if row)
        update(desk["w"], desk["g"], desk["speed"], slice(None))
        bound = int(i.how[3:]) if i.how.startswith("ssp") else 10**9
        slowest = min(desk["count"].values())
        free = [w for w in desk["waiting"] if desk["count"][w] - slowest <= bound]
        desk["waiting"] = [w for w in desk["waiting"] if w not in free]
        for w in free:
            self.ranks[w].answers[r, piece].append(desk["w"].copy())


def outcomes(schedule: Schedule, steps: int = 3, orders: int = 3) -> set[str]:
    """What happens in some random orders of the lanes."""
    return {Run(schedule, steps, seed).outcome for seed in range(orders)}
