"""Notebook 06: the moves of a ring all-reduce, tried with real messages."""

import numpy as np

from labkit.course import exchange
from labkit.course.exercise import Case, Exercise, Par, WrongSolution
from labkit.schedule.collectives import Move

SLACK = 1.3
NOTHING = (0, 0)


def ring_allreduce(rank, ranks, values):
    """p - 1 rounds that collect the sum of a chunk on one rank each, p - 1 rounds that hand the sums out."""
    chunk = [(i * values // ranks, (i + 1) * values // ranks) for i in range(ranks)]
    after, before = (rank + 1) % ranks, (rank - 1) % ranks
    moves = []
    for s in range(ranks - 1):
        moves.append(Move(after, chunk[(rank - s) % ranks], before, chunk[(rank - s - 1) % ranks], True))
    for s in range(ranks - 1):
        moves.append(Move(after, chunk[(rank + 1 - s) % ranks], before, chunk[(rank - s) % ranks]))
    return moves


def cases(rng: np.random.Generator) -> list[Case]:
    """Ragged chunks, fewer values than ranks, vectors too long to be taken off a sender's hands; then processes."""
    sizes = [(4, 8), (3, 10), (2, 7), (5, 13), (5, 3), (3, 1), (4, 5003), (2, 5001)]
    sizes.append((6, int(rng.integers(40, 90)) * 6 + 5))
    made = [_case(ranks, values) for ranks, values in sizes]
    late = Case((2, 5001, exchange.PROCESSES), "5,001 values on 2 ranks that are processes of their own", late=True)
    return [*made, late]


def _case(ranks: int, values: int) -> Case:
    return Case((ranks, values, exchange.HERE), f"{values:,} value{'s' * (values > 1)} on {ranks} ranks")


def most_sent(function, args: tuple) -> float:
    """Bytes of the rank that sends most, in per cent of what no all-reduce can go below."""
    ranks, values, _ = args
    programs = exchange.programs_of(function, ranks, values)
    return 100 * exchange.bytes_of(programs) / (4 * values * 2 * (ranks - 1) / ranks)


def _ring(first=0, second=1, adds=(True, False), rounds=(0, 0), cut=None, both=True):
    """The ring with one thing changed: where a phase begins, what is added, how many rounds, how chunks are cut."""

    def moves(rank, ranks, values):
        chunk = cut(values, ranks) if cut else [(i * values // ranks, (i + 1) * values // ranks) for i in range(ranks)]
        after, before = (rank + 1) % ranks, (rank - 1) % ranks
        made = []
        for phase, (begin, add, more) in enumerate(zip((first, second), adds, rounds, strict=True)):
            if phase and not both:
                break
            for s in range(ranks - 1 + more):
                sent, got = chunk[(rank + begin - s) % ranks], chunk[(rank + begin - s - 1) % ranks]
                made.append(Move(after, sent, before, got, add))
        return made

    return moves


def _apart(receive_first):
    """The ring, with a move that only receives and one that only sends in place of each move."""

    def moves(rank, ranks, values):
        made = []
        for to, sent, source, got, add in ring_allreduce(rank, ranks, values):
            halves = [Move(None, NOTHING, source, got, add), Move(to, sent, None, NOTHING)]
            made += halves if receive_first else halves[::-1]
        return made

    return moves


def _whole_vector(rank, ranks, values):
    """Everything goes round, and is added everywhere."""
    return [Move((rank + 1) % ranks, (0, values), (rank - 1) % ranks, (0, values), True)] * (ranks - 1)


def _to_everybody(rank, ranks, values):
    """A swap of everything with each of the others, one after the other."""
    return [Move(peer, (0, values), peer, (0, values), True) for peer in range(ranks) if peer != rank]


def _same_chunk(rank, ranks, values):
    chunk = [(i * values // ranks, (i + 1) * values // ranks) for i in range(ranks)]
    after, before = (rank + 1) % ranks, (rank - 1) % ranks
    made = [Move(after, chunk[(rank - s) % ranks], before, chunk[(rank - s) % ranks], True) for s in range(ranks - 1)]
    return made + [
        Move(after, chunk[(rank + 1 - s) % ranks], before, chunk[(rank - s) % ranks]) for s in range(ranks - 1)
    ]


def _one_neighbour(rank, ranks, values):
    after = (rank + 1) % ranks
    return [Move(to, sent, after, got, add) for to, sent, _, got, add in ring_allreduce(rank, ranks, values)]


def _equal_chunks(values, ranks):
    size = values // ranks
    return [(i * size, (i + 1) * size) for i in range(ranks)]


EXERCISE = Exercise(
    id="ring-allreduce",
    title="A ring all-reduce",
    prompt=(
        "Write `ring_allreduce(rank, ranks, values)`: the list of moves of one rank, after which every rank holds the "
        "sum of all ranks' vectors. A vector has `values` values; cut it into `ranks` chunks, also where they do not "
        "come out even.\n"
        "`Move(to, sent, source, received, add)` is a message out and a message in at the same time: the values "
        "`sent = (start, stop)` go to rank `to`, those that arrive from rank `source` are put at `received`, or added "
        "to what is there if `add` is True. A Move with empty ranges does nothing.\n"
        "The check has real messages sent, between ranks of this process and then between processes. Par is what the "
        "busiest rank sends."
    ),
    reference=ring_allreduce,
    cases=cases,
    run=exchange.outcome,
    oracle=exchange.expected,
    parts=("the ranks", "the vector of rank"),
    timeout_s=40.0,
    par=Par(
        what="bytes that the busiest rank sends, of what no all-reduce can go below",
        unit="%",
        cost=most_sent,
        bound=lambda args: 100.0,
        case=lambda rng: _case(3, 1000),
        why="2 (p - 1)/p of the vector: each value leaves a rank once on its way to a sum, and once as a sum",
        slack=SLACK,
        advice="The sums are right, but more travels than has to: whole vectors where a chunk would do, or a round too "
        "many.",
    ),
    wrong=(
        WrongSolution(
            "only the first phase",
            _ring(both=False),
            "You stop after the first p - 1 rounds. Then each rank has the sum of one chunk, and nobody else has it.",
            "Add p - 1 rounds in which the sums are handed on, without adding.",
        ),
        WrongSolution(
            "each chunk is one rank's own",
            _ring(second=0),
            "Each chunk ends as what one single rank had. Either add=True is missing in the first phase, or the second "
            "one hands out the wrong chunk: after the first phase rank r has the sum of chunk r + 1, and of chunk r "
            "only its own part.",
            "Follow one chunk on paper for p = 3: where is its sum complete?",
        ),
        WrongSolution(
            "adds in both phases",
            _ring(adds=(True, True)),
            "In the second phase you still add. What arrives there is the sum already, and contains what is there.",
            "add=False in the second phase: the sum replaces what is there.",
        ),
        WrongSolution(
            "one round too few",
            _ring(rounds=(-1, -1)),
            "You go p - 2 rounds. A chunk has to visit every rank but the one it begins at: p - 1 rounds.",
            "range(ranks - 1) for each phase.",
        ),
        WrongSolution(
            "chunks of equal length",
            _ring(cut=_equal_chunks),
            "Your chunks have values // ranks values each. What remains of 10 values in 3 chunks is never sent, and of "
            "3 values in 5 chunks nothing is.",
            "Chunk i from i * values // ranks to (i + 1) * values // ranks leaves nothing out.",
        ),
        WrongSolution(
            "the same chunk out and in",
            _same_chunk,
            "In a round you receive into the chunk that you send. The neighbour before you sends another one: the one "
            "before yours.",
            "If rank r sends chunk r - s, rank r - 1 sends chunk r - 1 - s. That is what arrives.",
        ),
        WrongSolution(
            "whole vectors round the ring",
            _whole_vector,
            "You send the whole vector on in every round, and what is sent on contains what has been added before: "
            "contributions are counted twice and more.",
            "Send one chunk in each round, the one that has just been added to.",
        ),
        WrongSolution(
            "everything to everybody",
            _to_everybody,
            "You swap the whole vector with every other rank. A message takes what is there when it is sent: after the "
            "first swap that contains what another rank has sent, and contributions are counted twice and more.",
            "On a ring a rank sends to one neighbour only, a chunk at a time.",
        ),
        WrongSolution(
            "everyone receives first",
            _apart(receive_first=True),
            "Every rank first waits for a message, and only then sends its own. So nobody ever sends: a deadlock. It "
            "goes well only where there is nothing to wait for.",
            "Give both directions in one Move.",
        ),
        WrongSolution(
            "everyone sends first",
            _apart(receive_first=False),
            "Every rank first sends, then receives. A short message is taken off its sender's hands, and all is well; "
            "a long one is over only when its receiver asks for it, and everybody is still sending.",
            "Give both directions in one Move.",
        ),
        WrongSolution(
            "to and from the same neighbour",
            _one_neighbour,
            "You send to the next rank and expect its messages as well. It sends to the one after it: on a ring, "
            "messages come from the rank before.",
            "source=before.",
        ),
    ),
    hints=(
        "First phase: in round s = 0, 1, ..., p - 2 rank r sends chunk r - s (mod p) to the rank after it, and adds "
        "what comes from the rank before it.",
        "The rank before is r - 1, so it sends chunk r - 1 - s: that is the chunk that arrives.",
        "After the first phase rank r has the sum of chunk r + 1. Second phase: it sends chunk r + 1 - s and receives "
        "chunk r - s, without adding.",
        "chunk[(rank - s) % ranks]: Python's % gives a number from 0 up for negative numbers, too.",
    ),
    next_step="Look at it: `played(ring_allreduce, ranks=3, values=6)` shows your moves round by round, and where the "
    "first of them goes wrong.",
)
