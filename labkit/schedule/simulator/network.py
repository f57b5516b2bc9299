"""The simulated network and its clock: ports, messages under way, and whose turn it is.

Each rank has ports out and as many in (full duplex). A message of b bytes takes the sender's first free port at
s = max(now, that port free) and holds it for b / bandwidth; it reaches the receiver at s + latency, takes the first
free port there in order of arrival, and is there b / bandwidth later, whether or not anyone waits for it yet. A send
is over when its port is free again. Messages of one item between two ranks are matched in the order of sending.

Everything that happens is a callback in one heap, by time; at equal times, what was put off comes first, then the
lanes by their numbers: so two simulations of one schedule agree in every bit.
"""

from collections import defaultdict, deque
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush, heappushpop, heapreplace
from itertools import count

from labkit.machine.links import Link

# Who waits for a message: goes on when it is there, but not before (seconds), and after adding for (seconds); then the
# number in the heap, and what to call. A plain tuple: there is one for most messages.
Waiting = tuple[float, float, int, "Callback"]
Callback = Callable[
    [float], float | None
]  # (now) -> when to be called again; None: whoever it waits for will see to it
FIRST_NUMBER = -(10**15)  # of callbacks that are no lanes, which have numbers from 0 up


class SimulatedNetwork:
    """`ranks` ranks, any two of them joined by `link`. Messages with different ones of `tags` tags do not mix."""

    def __init__(self, ranks: int, tags: int, link: Link):
        self.ranks, self.tags = ranks, tags
        self.latency_s = link.latency_s
        self.s_per_byte = 1 / link.bytes_per_s
        self.heap: list[tuple[float, int, Callback]] = []
        self.numbers = count(FIRST_NUMBER)
        self.out = [[0.0] * link.ports for _ in range(ranks)]  # heaps: when each port is free again
        self.into = [[0.0] * link.ports for _ in range(ranks)]
        self.arrivals: dict[int, deque[float]] = defaultdict(deque)  # by channel: messages that nobody waits for yet
        self.waiting: dict[int, deque[Waiting]] = defaultdict(deque)

    def channel(self, source: int, to: int, tag: int) -> int:
        """Number of what the messages of one tag from one rank to another go through."""
        return (source * self.ranks + to) * self.tags + tag

    def send(self, now: float, rank: int, to: int, channel: int, size_bytes: int) -> float:
        """Send a message; returns when the send is over."""
        ports, held_s = self.out[rank], size_bytes * self.s_per_byte
        start = ports[0]
        if start <= now:
            heapreplace(ports, now + held_s)
            self._deliver(to, channel, held_s, now)
            return now + held_s
        heapreplace(ports, start + held_s)  # behind another lane's message: it reaches the network later
        heappush(self.heap, (start, next(self.numbers), partial(self._deliver, to, channel, held_s)))
        return start + held_s

    def send_ahead(self, now: float, rank: int, to: int, callback: Callback) -> None:
        """Call back when a message of no bytes is there that goes directly before the next one of `rank` to `to`."""
        start = self.out[rank][0]
        if start <= now:
            self._reach(to, callback, now)
        else:
            heappush(self.heap, (start, next(self.numbers), partial(self._reach, to, callback)))

    def _reach(self, to: int, callback: Callback, start: float) -> None:
        heappush(self.heap, (max(start + self.latency_s, self.into[to][0]), next(self.numbers), callback))

    def _deliver(self, to: int, channel: int, held_s: float, start: float) -> None:
        """Called in the order of `start`: as every message takes the same latency, in the order of arrival too."""
        ports, reached = self.into[to], start + self.latency_s
        end = (reached if reached > ports[0] else ports[0]) + held_s
        heapreplace(ports, end)
        self.hand_over(channel, end)

    def hand_over(self, channel: int, end: float) -> None:
        """A message is there at `end`: for who waits for it, or for who will."""
        waiting = self.waiting.get(channel)
        if waiting:
            over_s, add_s, number, resume = waiting.popleft()
            heappush(self.heap, ((end if end > over_s else over_s) + add_s, number, resume))
        else:
            self.arrivals[channel].append(end)

    def run(self) -> None:
        """Until nothing happens any more."""
        heap = self.heap
        while heap:
            now, number, callback = heappop(heap)
            again = callback(now)
            while again is not None:
                now, number, callback = heappushpop(heap, (again, number, callback))
                again = callback(now)
