"""A schedule: for every rank the list of what it does in one step of training, in order.

A scheme (`schemes/`) makes it, `validate` checks it, `simulate` times it, `run/` does it. It is a value: printable,
comparable, and as text it parses back.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from labkit.data import shard
from labkit.errors import LabError
from labkit.network import Network
from labkit.network.graph import FLOAT_BYTES
from labkit.schedule.collectives import Move, moves
from labkit.schedule.instruction import COLLECTIVES, MESSAGES, Instruction, parse
from labkit.schedule.pieces import Piece


@dataclass(frozen=True)
class Schedule:
    """What every rank does in one step.

    scheme: its name with the options that made it, such as 'allreduce ring'.
    network: what is trained.
    shares: [ranks][micro-batches] samples; a rank's micro-batches are its samples of the global batch, in order. Ranks
        that compute nothing (a parameter server) have none.
    pieces: what `g0`, `w0`, ... stand for.
    ranks: the instructions of each rank. A run repeats them step after step; the lanes of a rank never wait for a step
        to end, only for what a `wait` or a message asks of them.

    Raises LabError where lengths differ, a share is negative, a piece lies outside of the parameters, or an instruction
    names a layer, piece, rank or micro-batch that is not there.
    """

    scheme: str
    network: Network
    shares: tuple[tuple[int, ...], ...]
    pieces: tuple[Piece, ...]
    ranks: tuple[tuple[Instruction, ...], ...]

    def __post_init__(self) -> None:
        if not self.ranks or len(self.shares) != len(self.ranks):
            what = f"a schedule of {len(self.ranks)} ranks with shares for {len(self.shares)}"
            raise LabError(what, "give one list of instructions and one tuple of samples per rank, for at least one")
        self._check_parts()
        for rank, program in enumerate(self.ranks):
            for position, instruction in enumerate(program):
                fault = self._fault(rank, instruction)
                if fault:
                    raise LabError(f"rank {rank}, instruction {position} ({instruction}): {fault}", "mend the schedule")

    def _check_parts(self) -> None:
        """Refuse shares and pieces that cannot be."""
        for rank, share in enumerate(self.shares):
            if any(samples < 0 for samples in share):
                raise LabError(f"rank {rank} has a share of {share} samples", "give whole numbers from 0 up")
        values = self.network.parameters
        for number, (start, stop) in enumerate(self.pieces):
            if not 0 <= start <= stop <= values:
                what = f"piece {number} holds the values {start} to {stop} of {values:,}"
                raise LabError(what, f"let it start and stop between 0 and {values}")

    def __str__(self) -> str:
        head = f"{self.scheme}: {self.network.name}, batch {self.batch}, {self.size} ranks"
        width = len(str(self.size - 1))
        return "\n".join([head, *(f"{r:>{width}} | " + "; ".join(map(str, p)) for r, p in enumerate(self.ranks))])

    @property
    def size(self) -> int:
        """Number of ranks."""
        return len(self.ranks)

    @property
    def batch(self) -> int:
        """Samples of one step over all ranks: the global batch."""
        return sum(map(sum, self.shares))

    @property
    def workers(self) -> tuple[int, ...]:
        """Ranks that are given samples (possibly none of a small batch)."""
        return tuple(rank for rank, share in enumerate(self.shares) if share)

    def values(self, instruction: Instruction) -> int:
        """Number of values of what an instruction works on; 0 for layers."""
        if not instruction.item:
            return 0
        if instruction.item == "e":
            return self.network.output_shape[0]
        return self.pieces[instruction.piece].values

    def bytes(self, instruction: Instruction) -> int:
        """The same in bytes of float32."""
        return self.values(instruction) * FLOAT_BYTES

    def moves(self, rank: int, instruction: Instruction) -> tuple[Move, ...]:
        """The messages that an instruction means for `rank`, in order; none for computing, `serve` and `wait`.

        What a server sends depends on whose push arrives; `traffic` counts it. What a rank pushes to and pulls from a
        server of its own stays in its memory: no message.
        """
        n = self.values(instruction)
        if instruction.op in COLLECTIVES:
            return moves(instruction.op, instruction.how, rank, self.size, instruction.peer or 0, n)
        if instruction.op not in MESSAGES or not n or instruction.peer == rank:
            return ()
        peer, add, everything = instruction.peer, instruction.how == "+", (0, n)
        sends, receives = instruction.op in ("send", "push", "swap"), instruction.op in ("recv", "pull", "swap")
        return (Move(peer if sends else None, everything, peer if receives else None, everything, add),)

    def _fault(self, rank: int, i: Instruction) -> str:
        if i.layers is not None and i.layers[1] > len(self.network):
            return f"network {self.network.name!r} has {len(self.network)} layers"
        if i.op in ("F", "B") and i.micro >= len(self.shares[rank]):
            return f"the rank has {len(self.shares[rank])} micro-batches"
        if i.item in ("g", "w") and i.piece >= len(self.pieces):
            return f"there are {len(self.pieces)} pieces"
        if i.peer is not None and i.peer >= self.size:
            return f"there are {self.size} ranks"
        if i.peer == rank and i.op in ("send", "recv", "swap"):
            return "a rank sends nothing to itself"
        return ""


def equal_shares(batch: int, ranks: int, micro_batches: int = 1) -> tuple[tuple[int, ...], ...]:
    """Samples [ranks][micro_batches] of a global batch, as even as can be; see `data.shard`.

    Raises LabError for a batch, number of ranks or of micro-batches below 1.
    """
    for what, number in (("batch", batch), ("ranks", ranks), ("micro-batches", micro_batches)):
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise LabError(f"{what} of {number!r}", "give a whole number of at least 1")
    return tuple(
        tuple(length(shard(length(shard(batch, rank, ranks)), m, micro_batches)) for m in range(micro_batches))
        for rank in range(ranks)
    )


def length(part: slice) -> int:
    """Number of items of a slice with start and stop."""
    return part.stop - part.start


def program(lines: Sequence[str]) -> tuple[Instruction, ...]:
    """The instructions of one rank from their spellings, which may be joined by ';'."""
    return tuple(parse(text) for line in lines for text in line.split(";") if text.strip())
