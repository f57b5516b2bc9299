"""A collective played round by round: which rank's contributions each rank holds, cell by cell.

A rank's vector is cut into cells whose values always travel together. A cell holds a count per rank: how often that
rank's value is in the sum there; at first every rank holds its own, once. In a round each rank does (at most) one of
its moves. A message leaves when its sender comes to it, with what the sender holds then, and arrives in the first round
from then on in which its receiver comes to the move that takes it.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from labkit.errors import LabError
from labkit.schedule.collectives import Move

MOST_ROUNDS = 200
MOST_CELLS = 48
EACH_VALUE = 16  # vectors of at most so many values show each of them

Hold = tuple[int, ...]


@dataclass(frozen=True)
class Arrival:
    """A message: it leaves rank `source` in round `left` and arrives in round `round` (both from 1)."""

    round: int
    left: int
    source: int
    to: int
    sent: tuple[int, int]
    received: tuple[int, int]
    add: bool


@dataclass
class Play:
    """What happens. cells: (start, stop) in values. holds: [rounds + 1][ranks][cells] counts per rank. fault: why it
    ends before its end, or ''; wrong: the (rank, cell, round) it is about. lost: messages that nobody took.
    """

    ranks: int
    cells: tuple[tuple[int, int], ...]
    holds: list[list[list[Hold]]]
    arrivals: list[Arrival] = field(default_factory=list)
    fault: str = ""
    wrong: tuple[int, int, int] | None = None
    lost: int = 0

    @property
    def rounds(self) -> int:
        return len(self.holds) - 1


def checked_moves(given: Sequence, values: int) -> list[list[Move]]:
    """`given` as a list of Moves per rank; a move may also be a tuple (to, sent, source, received, add).

    Raises LabError for what is no such list, and for ranks and ranges that are not there.
    """
    if callable(given) or not isinstance(given, Sequence) or isinstance(given, str) or len(given) < 2:
        raise LabError(f"moves={given!r:.60}", "give a list with one list of moves for each rank, for at least two")
    return [
        [_move(move, rank, number, len(given), values) for number, move in enumerate(moves)]
        for rank, moves in enumerate(given)
    ]


def _move(given: object, rank: int, number: int, ranks: int, values: int) -> Move:
    where = f"rank {rank}, move {number}"
    if not isinstance(given, tuple) or not 4 <= len(given) <= 5:
        raise LabError(f"{where}: {given!r:.60}", "give Move(to, sent, source, received, add)")
    move = Move(*given)
    for peer, part, what in ((move.to, move.sent, "sends to"), (move.source, move.received, "receives from")):
        if peer is None:
            continue
        if peer not in range(ranks) or peer == rank:
            raise LabError(f"{where} {what} rank {peer}", f"give another rank from 0 to {ranks - 1}, or None")
        if not 0 <= part[0] < part[1] <= values:
            raise LabError(f"{where}: the values {part} of a vector of {values}", "give (start, stop), stop excluded")
    return move


def cells(programs: Sequence[Sequence[Move]], values: int) -> tuple[tuple[int, int], ...]:
    """The parts of the vector between all places where a move cuts it; single values of a short one."""
    every = [move for moves in programs for move in moves]
    parts = [move.sent for move in every if move.to is not None]
    parts += [move.received for move in every if move.source is not None]
    inner = range(values) if values <= EACH_VALUE else (edge for part in parts for edge in part)
    cuts = sorted({0, values, *inner})
    if len(cuts) - 1 > MOST_CELLS:
        advice = f"choose fewer chunks or ranks: {MOST_CELLS} parts of a vector can be drawn"
        raise LabError(f"moves that cut the vector into {len(cuts) - 1} parts", advice)
    return tuple(pairwise(cuts))


def play(programs: Sequence[Sequence[Move]], values: int) -> Play:
    """Play the moves of all ranks; ends where no rank can go on."""
    ranks, parts = len(programs), cells(programs, values)
    own = [tuple(int(r == rank) for r in range(ranks)) for rank in range(ranks)]
    played = Play(ranks, parts, [[[hold] * len(parts) for hold in own]])
    places, sent = [0] * ranks, [False] * ranks
    mail: dict[tuple[int, int], deque] = defaultdict(deque)
    while not played.fault and any(place < len(moves) for place, moves in zip(places, programs, strict=True)):
        _round(played, programs, places, sent, mail)
    played.lost = sum(map(len, mail.values()))
    return played


def _round(played: Play, programs: Sequence, places: list[int], sent: list[bool], mail: dict) -> None:
    """One round of all ranks; without any progress it leaves a fault instead."""
    number, now = played.rounds + 1, played.holds[-1]
    current = {r: moves[places[r]] for r, moves in enumerate(programs) if places[r] < len(moves)}
    begun = [rank for rank, move in current.items() if move.to is not None and not sent[rank]]
    for rank in begun:
        mail[rank, current[rank].to].append((number, current[rank].sent, now[rank]))
        sent[rank] = True
    after, done = [list(hold) for hold in now], [rank for rank, move in current.items() if move.source is None]
    for rank, move in current.items():
        if move.source is not None and mail[move.source, rank]:
            left, part, held = mail[move.source, rank].popleft()
            arrival = Arrival(number, left, move.source, rank, part, move.received, bool(move.add))
            _take(played, arrival, held, after[rank])
            played.arrivals.append(arrival)
            done.append(rank)
    if not begun and not done:
        played.fault = _stuck(current)
        return
    for rank in done:
        places[rank], sent[rank] = places[rank] + 1, False
    played.holds.append(after)
    if number > MOST_ROUNDS:
        raise LabError(f"moves of more than {MOST_ROUNDS} rounds", "show fewer")


def _take(played: Play, arrival: Arrival, held: list[Hold], into: list[Hold]) -> None:
    """Put what arrives where it belongs; it leaves a fault where sender and receiver mean other values."""
    first, last = arrival.received[0], arrival.received[1] - 1
    inside = [number for number, (start, _) in enumerate(played.cells) if first <= start <= last]
    if arrival.sent != arrival.received:
        sends = f"rank {arrival.source} sends {span(arrival.sent)} to rank {arrival.to}"
        played.fault = f"Round {arrival.round}: {sends}, which puts them at {span(arrival.received)}."
        played.wrong = (arrival.to, inside[0], arrival.round)
        return
    for cell in inside:
        into[cell] = tuple(a + b for a, b in zip(into[cell], held[cell], strict=True)) if arrival.add else held[cell]


def span(part: tuple[int, int]) -> str:
    """'value 3' or 'values 3 to 5' of (start, stop)."""
    return f"value {part[0]}" if part[1] - part[0] == 1 else f"values {part[0]} to {part[1] - 1}"


def _stuck(current: dict[int, Move]) -> str:
    rank, move = next(iter(current.items()))
    waiting = f"rank {rank} waits for a message from rank {move.source}"
    return f"Deadlock: {waiting}, which sends none" + (f"; {len(current)} ranks wait." if len(current) > 1 else ".")


def parents(played: Play, root: int) -> list[int]:
    """Of each rank the one above it if messages run along a tree that branches (-1: the root); else an empty list."""
    edges = {frozenset((a.source, a.to)) for a in played.arrivals}
    near = defaultdict(list)
    for edge in edges:
        for rank in edge:
            near[rank] += edge - {rank}
    above, waiting = {root: -1}, [root]
    for rank in waiting:
        for other in sorted(near[rank]):
            if other not in above:
                above[other] = rank
                waiting.append(other)
    branches = max(map(len, near.values()), default=0) > 2 or len(near[root]) > 1
    tree = len(edges) == played.ranks - 1 and len(above) == played.ranks and branches
    return [above[rank] for rank in range(played.ranks)] if tree and played.ranks > 2 else []
