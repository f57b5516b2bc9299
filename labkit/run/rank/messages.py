"""What the instructions that send and receive do: collectives and pairs by their moves, pushes, pulls, a barrier.

Every received value goes where it belongs at once, or through a lane's own memory where it is added to what is there,
or where what is there is being sent at the same time.
"""

from collections import defaultdict

import numpy as np

from labkit.engine.arrays import Mirror
from labkit.network.graph import FLOAT_BYTES
from labkit.run.communicators.nccl import Nccl
from labkit.run.communicators.protocol import Communicator
from labkit.run.rank.lane import Lane
from labkit.run.rank.ready import Code
from labkit.run.rank.server import Answer, Push, Server
from labkit.run.rank.state import RankState
from labkit.run.tags import BARRIER, HEADER, version_tag
from labkit.schedule import Instruction, Schedule
from labkit.schedule.collectives import LIBRARY, Move
from labkit.schedule.instruction import COLLECTIVES, MESSAGES
from labkit.schedule.pieces import overlapping
from labkit.schedule.traffic import INSIDE_LIBRARY


class Messages:
    """The messages of one rank. Methods that do an instruction return the bytes it received.

    nccl: what carries the library's own all-reduce from GPU to GPU; None: `communicator` does, through the host.
    """

    def __init__(self, state: RankState, communicator: Communicator, server: Server | None, nccl: Nccl | None = None):
        self._state, self._communicator, self._server, self._nccl = state, communicator, server, nccl
        self._rank = state.rank
        self.mirrors = self._make_mirrors()
        self._open: dict[int, int] = defaultdict(int)  # pushes of a piece that are not answered yet
        self._pulls: dict[int, Code] = {}
        self._read: dict[tuple[int, int], int] = {}  # (step, piece) -> version of the weights that its F has read
        self._reads = pieces_read(state.schedule, state.rank)

    def moves(self, lane: Lane, step: int, code: Code) -> int:
        """send, recv, swap and all collectives that have moves."""
        if not code.moves:
            return 0
        mirror = self._fetched(lane, code)
        for move in code.moves:
            self._move(lane, code, move, mirror.values)
        if code.received:
            self._store(lane, mirror)
        return code.received

    def allreduce(self, lane: Lane, step: int, code: Code) -> int:
        """By its moves, or by the library."""
        return (self._library if code.instruction.how == LIBRARY else self.moves)(lane, step, code)

    def _library(self, lane: Lane, step: int, code: Code) -> int:
        """The library's own all-reduce."""
        size = self._state.range_of(code.instruction).values
        if self._communicator.size == 1 or not size:
            return 0
        lane.ledger.count(INSIDE_LIBRARY, code.position, size)
        if self._direct(code.instruction):
            lane.wait_for([self._nccl.allreduce(self._state.there(code.instruction))], self._nccl)
            return FLOAT_BYTES * size
        mirror = self._fetched(lane, code)
        lane.wait_for([self._communicator.allreduce(mirror.values)], self._communicator)
        self._store(lane, mirror)
        return FLOAT_BYTES * size

    def push(self, lane: Lane, step: int, code: Code) -> int:
        """Gradients of a piece to its server, with the version of the weights that they were computed with."""
        piece, to = code.instruction.piece, code.instruction.peer
        version = self._read.pop((step, piece), self._state.versions.get(piece, 0))
        if not self._state.range_of(code.instruction).values:
            return 0
        values = self._fetched(lane, code).values
        if to == self._rank:
            self._server.deliver(Push(to, step, piece, version, values.copy()))
        else:
            header = np.array([step, piece, version], np.int64)
            send = self._communicator.send
            tickets = [send(header, to, HEADER), send(values, to, code.tag)]
            lane.ledger.count(to, code.position, len(values))
            lane.wait_for(tickets, self._communicator)
        self._open[piece] += 1
        return 0

    def pull(self, lane: Lane, step: int, code: Code) -> int:
        """The weights after this rank's last push of the piece; nothing before the first push."""
        piece = code.instruction.piece
        if not self._open[piece]:
            self._pulls[piece] = code
            return 0
        mirror = self.mirrors[code.instruction.key]
        values = mirror.values
        answer = (
            self._own_answer(lane, piece) if code.instruction.peer == self._rank else self._answer(lane, code, values)
        )
        if answer.weights is not values:
            values[:] = answer.weights
        self._store(lane, mirror)
        self._state.versions[piece] = answer.version
        self._open[piece] -= 1
        return code.received

    def note_reading(self, step: int, code: Code) -> None:
        """An F begins: the gradients of its layers will be those of the weights that are there now."""
        for piece in self._reads.get(code.position, ()):
            self._read.setdefault((step, piece), self._state.versions.get(piece, 0))

    def take_answers(self, lane: Lane, step: int) -> None:
        """Pull what servers have not been asked for yet."""
        for piece, code in self._pulls.items():
            while self._open[piece]:
                self.pull(lane, step, code)

    def barrier(self, lane: Lane) -> None:
        """Return when all ranks have come here (dissemination: Hensgen et al. 1988)."""
        size, distance = self._communicator.size, 1
        out, into = np.zeros(1, np.int8), np.zeros(1, np.int8)
        while distance < size:
            before, after = (self._rank - distance) % size, (self._rank + distance) % size
            receive = self._communicator.receive(into, before, BARRIER)
            lane.wait_for([receive, self._communicator.send(out, after, BARRIER)], self._communicator)
            distance *= 2

    def _make_mirrors(self) -> dict[str, Mirror]:
        """Where messages find what they are about, on the host: for each piece's gradients and weights one mirror."""
        program = self._state.schedule.ranks[self._rank]
        sent = [i for i in program if i.op in MESSAGES or (i.op in COLLECTIVES and not self._direct(i))]
        return {key: self._state.mirror(i) for key, i in {i.key: i for i in sent}.items()}

    def _direct(self, instruction: Instruction) -> bool:
        """Whether it goes from GPU to GPU."""
        return self._nccl is not None and instruction.how == LIBRARY

    def _fetched(self, lane: Lane, code: Code) -> Mirror:
        """What the instruction works on, up to date on the host."""
        mirror = self.mirrors[code.instruction.key]
        if code.instruction.item == "e":
            self._state.take_error()
        if not _replaces_all(code.instruction, self._rank):
            mirror.fetch()
            lane.wait(mirror.done, self._rank, "the copy to the host of values")
        return mirror

    def _store(self, lane: Lane, mirror: Mirror) -> None:
        mirror.store()
        lane.wait(mirror.done, self._rank, "the copy from the host of values")

    def _move(self, lane: Lane, code: Code, move: Move, values: np.ndarray) -> None:
        """One message out, one in, or both at once."""
        tickets, target, into = [], None, None
        if move.source is not None:
            target = into = values[move.received[0] : move.received[1]]
            if move.add or (move.to is not None and _overlap(move.sent, move.received)):
                into = lane.scratch(len(target), values.dtype)
            tickets.append(self._communicator.receive(into, move.source, code.tag))
        if move.to is not None:
            part = values[move.sent[0] : move.sent[1]]
            tickets.append(self._communicator.send(part, move.to, code.tag))
            lane.ledger.count(move.to, code.position, len(part))
        lane.wait_for(tickets, self._communicator)
        if move.add and into is not None:  # a block of fewer values than ranks may be empty
            np.add(target, into, out=target)
        elif into is not target:
            target[:] = into

    def _own_answer(self, lane: Lane, piece: int) -> Answer:
        answers = self._server.answers[piece]
        lane.wait(lambda: answers, self._rank, "the answer of the server")
        return answers.popleft()

    def _answer(self, lane: Lane, code: Code, values: np.ndarray) -> Answer:
        server, version = code.instruction.peer, np.empty(1, np.int64)
        receive = self._communicator.receive
        tickets = [receive(version, server, version_tag(code.instruction.piece)), receive(values, server, code.tag)]
        lane.wait_for(tickets, self._communicator)
        return Answer(int(version[0]), values)


def pieces_read(schedule: Schedule, rank: int) -> dict[int, tuple[int, ...]]:
    """For each F of a rank that pushes, the pieces whose weights it reads, by its position."""
    from labkit.schedule.pieces import layer_ranges

    program, layers = schedule.ranks[rank], layer_ranges(schedule.network)
    pushed = {i.piece for i in program if i.op == "push"}
    found = {}
    for position, i in enumerate(program):
        if i.op == "F" and pushed:
            part = layers[i.layers[0]].start, layers[i.layers[1] - 1].stop
            found[position] = tuple(p for p in overlapping(schedule.pieces, *part) if p in pushed)
    return found


def _replaces_all(instruction: Instruction, rank: int) -> bool:
    """Whether every value that `rank` sends in it, if any, is one that it has received in it before."""
    plain = instruction.op == "recv" and not instruction.how
    return plain or (instruction.op == "bcast" and instruction.peer != rank)


def _overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] < b[1] and b[0] < a[1]
