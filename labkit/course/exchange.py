"""Moves that a learner wrote, done by ranks: real messages between communicators, until they end or stand still.

A case of such an exercise is (ranks, values, where): every rank has a vector of its own of so many values. Ranks of one
process take turns, so that a standstill is found at once and for certain, without a clock: nobody's messages can arrive
any more. As in MPI libraries a short message is taken off its sender's hands, and a long one is over when its receiver
asks for it. `PROCESSES` has the same moves done by the MPI ranks of the cluster, where there is one of as many ranks.
"""

from collections.abc import Callable, Iterator, Sequence
from numbers import Integral

import numpy as np

from labkit.course.compare import Told
from labkit.course.exercise import is_stub_value
from labkit.errors import LabError
from labkit.run.communicators.protocol import Communicator
from labkit.run.communicators.threads import connect
from labkit.run.rank.waiting import Patience, wait
from labkit.schedule.collectives import Move

HERE, PROCESSES = "ranks of one process", "processes under MPI"
ALL_THERE = "all ranks come to their end"
TIMEOUT_S = 15.0
TAG = 1


class Unfit(LabError):
    """Moves that nobody can do: not a list of Moves, or ranks and values that are not there."""


def vectors(ranks: int, values: int) -> np.ndarray:
    """[ranks, values] of whole numbers as float32: the same for each call, different on every rank."""
    rng = np.random.default_rng(ranks * 7919 + values)
    return rng.integers(-999, 1000, (ranks, values)).astype(np.float32)


def programs_of(function: Callable, ranks: int, values: int) -> list[list[Move]]:
    """What a function (rank, ranks, values) -> moves gives for each rank, without moves that carry nothing.

    Raises Unfit for what is no list of moves. A stub comes back as it is.
    """
    given = [function(rank, ranks, values) for rank in range(ranks)]
    return given if is_stub_value(given) else [_checked(moves, r, ranks, values) for r, moves in enumerate(given)]


def outcome(function: Callable, args: tuple) -> object:
    """(whether all ranks end, in words; what they then hold [ranks, values]) for the arguments of a case."""
    ranks, values, where = args
    try:
        programs = programs_of(function, ranks, values)
    except Unfit as error:
        return Told(f"no moves: {error.what}", error.what, f"These are no moves: {error}."), vectors(ranks, values)
    if is_stub_value(programs):
        return programs
    held = vectors(ranks, values)
    if where == PROCESSES and _cluster_of(ranks):
        return Told(ALL_THERE), on_processes(programs, values)
    stood = in_turns(programs, held)
    return (stood or Told(ALL_THERE)), held.astype(float)


def expected(ranks: int, values: int, where: str) -> tuple:
    """What moves that sum over all ranks lead to."""
    return Told(ALL_THERE), np.tile(vectors(ranks, values).astype(float).sum(0), (ranks, 1))


def bytes_of(programs: Sequence[Sequence[Move]]) -> int:
    """Bytes that the rank sends that sends most."""
    return max(4 * sum(move.values_sent for move in moves) for moves in programs)


def played(function: Callable, ranks: int = 4, values: int = 8) -> object:
    """The moves of a learner's function as `widgets.topology`; a sentence while it is still a stub."""
    from labkit.widgets.topology import topology  # not needed by the ranks that do the moves

    try:
        programs = programs_of(function, ranks, values)
    except NotImplementedError:
        programs = [...]
    if is_stub_value(programs):
        from IPython.display import Markdown

        return Markdown("*Write your function first; then this cell shows its moves round by round.*")
    return topology("allreduce", moves=programs, values=values)


def in_turns(programs: Sequence[Sequence[Move]], held: np.ndarray) -> Told | None:
    """Do the moves on the vectors `held` [ranks, values]; how the ranks stand still, or None if they all end."""
    walkers = {
        communicator.rank: walk(communicator, moves, vector)
        for communicator, moves, vector in zip(connect(len(programs)), programs, held, strict=True)
    }
    at: dict[int, int] = {}
    while walkers:
        before = dict(at)
        for rank, walker in tuple(walkers.items()):
            try:
                at[rank] = next(walker)
            except StopIteration:
                del walkers[rank]
                at[rank] = -1
            except LabError as error:
                return Told(f"rank {rank}: {error.what}", f"rank {rank}: {error.what}", _UNLIKE)
        if at == before:
            return _standstill(programs, {rank: at[rank] for rank in walkers})
    return None


def walk(communicator: Communicator, moves: Sequence[Move], vector: np.ndarray) -> Iterator[int]:
    """Do the moves of one rank; yields the number of the move that is not done yet, to be asked again."""
    for number, move in enumerate(moves):
        tickets, target, arriving = [], None, None
        if move.source is not None:
            target = vector[slice(*move.received)]
            arriving = np.empty_like(target)
            tickets.append(communicator.receive(arriving, move.source, TAG))
        if move.to is not None:
            tickets.append(communicator.send(vector[slice(*move.sent)].copy(), move.to, TAG))
        while not all(communicator.done(ticket) for ticket in tickets):
            yield number
        if arriving is not None:
            target[:] = target + arriving if move.add else arriving


def on_processes(programs: Sequence[Sequence[Move]], values: int) -> np.ndarray:
    """The same moves done by the MPI ranks of the cluster that is up, on the same vectors; [ranks, values] at the end.

    Raises LabError where they do not end within TIMEOUT_S.
    """
    from labkit.run.cluster.run import call_on_cluster

    orders = {"values": values, "programs": [[list(move) for move in moves] for moves in programs]}
    told = call_on_cluster(f"{__name__}:on_rank", orders, timeout_s=2 * TIMEOUT_S)
    return np.array([lines[-1][1] for lines in told])


def on_rank(seat) -> None:
    """What each process does (`seat`: see `run.mpi.rank_main.Seat`); tells what it holds at the end."""
    orders = seat.arguments
    vector = vectors(seat.ranks, orders["values"])[seat.rank]
    moves = [
        Move(to, tuple(sent), source, tuple(got), add) for to, sent, source, got, add in orders["programs"][seat.rank]
    ]
    walker = walk(seat.communicator, moves, vector)
    patience = Patience(TIMEOUT_S, 0.0, lambda: None)
    wait(lambda: next(walker, None) is None, patience, lambda: "a message of your moves")
    seat.stream.tell("vector", vector.tolist())


def _cluster_of(ranks: int) -> bool:
    from labkit.run import cluster

    found = cluster.status()
    return found.up and found.ranks == ranks


_UNLIKE = (
    "What one rank sends is not what the other expects. With its k-th message from a neighbour a rank has to receive "
    "the same chunk that the neighbour sends with its k-th."
)
_STILL = (
    "Every rank that is left waits for a message that nobody will send, or for somebody to take a long one. A move "
    "that only sends, or only receives, has to be over before the next one begins: give both directions in one Move."
)


def _standstill(programs: Sequence[Sequence[Move]], at: dict[int, int]) -> Told:
    """The ranks that wait for ever, and what for."""
    words = []
    for rank, number in sorted(at.items()):
        move = programs[rank][number]
        halves = [f"a message of rank {move.source}"] if move.source is not None else []
        halves += [f"rank {move.to} to take its own"] if move.to is not None else []
        words.append(f"rank {rank} waits in its move {number} for {' and '.join(halves)}")
    shown = words[:3] + ([f"and {len(words) - 3} more"] if len(words) > 3 else [])
    return Told(f"standstill: {'; '.join(words)}", f"a standstill: {'; '.join(shown)}", _STILL)


def _checked(moves: object, rank: int, ranks: int, values: int) -> list[Move]:
    """`moves` as Moves that carry something; Unfit names the first one that is none."""
    if not isinstance(moves, list | tuple):
        raise Unfit(f"rank {rank} gets {_named(moves)}", "return a list of Moves")
    kept = [_move(move, rank, number, ranks, values) for number, move in enumerate(moves)]
    return [move for move in kept if move.to is not None or move.source is not None]


def _move(given: object, rank: int, number: int, ranks: int, values: int) -> Move:
    where = f"rank {rank}, move {number}"
    if not isinstance(given, tuple) or not 4 <= len(given) <= 5:
        raise Unfit(f"{where} is {given!r:.40}", "give Move(to, sent, source, received, add)")
    to, sent, source, received, add = (*given, False)[:5]
    for peer, part in ((to, sent), (source, received)):
        if peer is None:
            continue
        if not isinstance(peer, Integral) or peer not in range(ranks) or peer == rank:
            raise Unfit(f"{where} names rank {peer!r}, and there are the ranks 0 to {ranks - 1}", "mend the number")
        fits = isinstance(part, tuple) and len(part) == 2 and all(isinstance(end, Integral) for end in part)
        if not fits or not 0 <= part[0] <= part[1] <= values:
            raise Unfit(f"{where} has the values {part!r:.40} of a vector of {values}", "give (start, stop)")
    to, source = (None if p is None or q[0] == q[1] else int(p) for p, q in ((to, sent), (source, received)))
    ends = [tuple(map(int, part)) if peer is not None else (0, 0) for peer, part in ((to, sent), (source, received))]
    return Move(to, ends[0], source, ends[1], bool(add))


def _named(value: object) -> str:
    return "nothing (is a return missing?)" if value is None else f"a value of type {type(value).__name__}"
