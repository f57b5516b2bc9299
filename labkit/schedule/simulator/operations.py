"""A schedule's instructions made ready to be timed: seconds, messages and bytes looked up once, not once per step."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from labkit.errors import LabError
from labkit.network.graph import FLOAT_BYTES
from labkit.schedule.collectives import LIBRARY, Move, moves
from labkit.schedule.costs import PHASES, Costs, Seconds
from labkit.schedule.instruction import ADD, COLLECTIVES, COMPUTE, MESSAGES, Instruction
from labkit.schedule.pieces import layer_ranges, overlapping
from labkit.schedule.schedule import Schedule

CALCULATE, TRANSFER, WAIT, PUSH, PULL, SERVE = range(6)
ACTIONS = {**dict.fromkeys(COMPUTE, CALCULATE), "wait": WAIT, "push": PUSH, "pull": PULL, "serve": SERVE}
KINDS = ("compute", "communicate", "wait", *["communicate"] * 3)  # of the events of each action
SUBJECTS = ("g", "w", "e", "push", "pull")  # what messages between two ranks can be about, for each piece
SHORT_BYTES = 2048  # up to here MPICH's all-reduce takes recursive doubling, above it halving (src/mpi/coll/allreduce)


class Rows(NamedTuple):
    """Messages of one instruction. rows: (to, bytes, source, bytes, bytes added) for each move, -1 where there is none.

    sent, received: bytes; messages: that are sent; peers: the other ranks.
    """

    rows: tuple[tuple[int, int, int, int, int], ...]
    sent: int
    received: int
    messages: int
    peers: tuple[int, ...]


@dataclass(slots=True, eq=False)
class Operation:
    """One instruction, on whichever ranks it means the same. action: what a lane does with it. spelling, lane, kind: as
    in `Event`.

    key, piece, peer: of the item, as in `Instruction`. tag: number of the item, which messages are matched by.
    size: bytes of the item. seconds: of computing. reads: pieces whose weights F uses, where a server will ask.
    """

    action: int
    spelling: str
    lane: str
    kind: str
    background: bool
    how: str
    key: str
    piece: int
    peer: int
    tag: int
    size: int
    messages: Rows
    seconds: float
    reads: tuple[int, ...]


NO_ROWS = Rows((), 0, 0, 0, ())


def operations(schedule: Schedule, costs: Costs) -> tuple[tuple[Operation, ...], ...]:
    """[ranks][instructions]. Raises LabError if the costs are those of a network with other layers."""
    if len(costs.compute.layers) != len(schedule.network):
        what = f"costs of {len(costs.compute.layers)} layers for {schedule.network.name!r}, which has"
        raise LabError(
            f"{what} {len(schedule.network)}", "take costs of this network, such as flops_costs(network, ...)"
        )
    if costs.slowed_s and len(costs.slowed_s) != schedule.size:
        what = f"slowed_s of {len(costs.slowed_s)} ranks for a schedule of {schedule.size}"
        raise LabError(what, "give seconds for each rank, or ()")
    maker = _Maker(schedule, costs)
    return tuple(tuple(maker.operation(rank, i) for i in program) for rank, program in enumerate(schedule.ranks))


class _Maker:
    """What the operations of one schedule are made with."""

    def __init__(self, schedule: Schedule, costs: Costs):
        self.schedule, self.costs = schedule, costs
        self.sums = {phase: _running(getattr(layer, phase) for layer in costs.compute.layers) for phase in PHASES}
        self.ranges = layer_ranges(schedule.network)
        self.served = any(i.op == "push" for program in schedule.ranks for i in program)
        self.made: dict[tuple[int, object], Operation] = {}  # by the instruction's id: ranks often share one list

    def operation(self, rank: int, i: Instruction) -> Operation:
        """Made once for all ranks that share the instruction, and for which it means the same."""
        if i.op in ("F", "B"):
            differs = (self.schedule.shares[rank][i.micro], self.slowed(rank, i))
        else:
            differs = rank if i.op in COLLECTIVES else i.peer == rank
        found = self.made.get((id(i), differs))
        return found or self.made.setdefault((id(i), differs), self.make(rank, i))

    def make(self, rank: int, i: Instruction) -> Operation:
        action, key = ACTIONS.get(i.op, TRANSFER), i.key
        size = self.schedule.bytes(i) if key else 0
        tag = tag_of(i.op if action in (PUSH, PULL) else i.item, i.piece) if key else -1
        peer = -1 if i.peer is None else i.peer
        messages = NO_ROWS
        if i.op in COLLECTIVES:
            messages = rows_of(i.op, i.how, rank, self.schedule.size, i.peer or 0, size // FLOAT_BYTES)
        elif i.op in MESSAGES and size and peer != rank:
            messages = _between_two(i.op, peer, size, size if i.how == ADD else 0)
        return Operation(
            *(action, str(i), i.lane, KINDS[action], i.background, i.how, key, i.piece, peer, tag, size, messages),
            seconds=self.seconds(rank, i) if action == CALCULATE else 0.0,
            reads=self.reads(i) if action == CALCULATE else (),
        )

    def reads(self, i: Instruction) -> tuple[int, ...]:
        """Pieces that F works with, where somebody will ask how old they were."""
        if not self.served or i.op != "F":
            return ()
        return overlapping(self.schedule.pieces, self.ranges[i.layers[0]].start, self.ranges[i.layers[1] - 1].stop)

    def seconds(self, rank: int, i: Instruction) -> float:
        """Of F, B or U."""
        compute, network = self.costs.compute, self.schedule.network
        if i.op == "U":
            first, end = i.layers or (0, 0)
            values = self.schedule.values(i) if i.item else self.ranges[end - 1].stop - self.ranges[first].start
            return values * compute.update_s_per_value
        samples = self.schedule.shares[rank][i.micro]
        if i.op == "F":
            return self.slowed(rank, i) + self.sum_of("fp", i.layers, samples)
        loss = compute.loss_s if samples and i.layers[1] == len(network) else 0.0
        return loss + self.sum_of("bp", i.layers, samples) + self.sum_of("ku", i.layers, samples)

    def slowed(self, rank: int, i: Instruction) -> float:
        """Seconds that are added to a forward pass, where it begins."""
        begins = i.op == "F" and i.layers[0] == 0 and self.schedule.shares[rank][i.micro]
        return self.costs.slowed_s[rank] if begins and self.costs.slowed_s else 0.0

    def sum_of(self, phase: str, layers: tuple[int, int], samples: int) -> float:
        before, upto = self.sums[phase][layers[0]], self.sums[phase][layers[1]]
        return max(0.0, Seconds(upto.fixed_s - before.fixed_s, upto.per_sample_s - before.per_sample_s).of(samples))


def tag_of(subject: str, piece: int) -> int:
    """A number for each of SUBJECTS and each piece."""
    return piece * len(SUBJECTS) + SUBJECTS.index(subject)


@lru_cache(maxsize=8192)
def rows_of(op: str, how: str, rank: int, ranks: int, root: int, values: int) -> Rows:
    """Of a collective. The library's own is timed as MPICH would do it, and counted as one call of all values."""
    if how != LIBRARY:
        return _summed(moves(op, how, rank, ranks, root, values))
    size = values * FLOAT_BYTES
    if ranks == 1 or not values:
        return NO_ROWS
    alike = moves(op, "doubling" if size <= SHORT_BYTES else "halving", rank, ranks, root, values)
    return Rows(_summed(alike).rows, size, size, 1, tuple(other for other in range(ranks) if other != rank))


def _between_two(op: str, peer: int, size: int, added: int) -> Rows:
    """Of an instruction that sends to, or receives from, one other rank."""
    if op == "swap":
        return Rows(((peer, size, peer, size, added),), size, size, 1, (peer,))
    if op in ("send", "push"):
        return Rows(((peer, size, -1, 0, 0),), size, 0, 1, (peer,))
    return Rows(((-1, 0, peer, size, added),), 0, size, 0, (peer,))


def _summed(found: tuple[Move, ...]) -> Rows:
    rows = tuple(map(_row, found))
    peers = {move.to for move in found} | {move.source for move in found}
    sent, received = sum(row[1] for row in rows), sum(row[3] for row in rows)
    return Rows(rows, sent, received, sum(row[0] >= 0 for row in rows), tuple(sorted(peers - {None})))


def _row(move: Move) -> tuple[int, int, int, int, int]:
    out, into = move.values_sent * FLOAT_BYTES, move.values_received * FLOAT_BYTES
    to = -1 if move.to is None else move.to
    source = -1 if move.source is None else move.source
    return to, out, source, into, into if move.add else 0


def _running(pairs) -> list[Seconds]:
    """Sums of the first 0, 1, 2, ... pairs."""
    return list(accumulate(pairs, lambda a, b: Seconds(a[0] + b[0], a[1] + b[1]), initial=Seconds()))
