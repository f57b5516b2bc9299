"""What is wrong with a collective that was played, and where it went wrong first.

A cell that ends wrong may have got its content from another one, which had it from a third. So a mistake is traced back
along the messages to where a contribution was lost (replaced, though it was not in what arrived) or came in a second
time. The earliest such moment of all wrong cells is the first mistake.
"""

from typing import NamedTuple

from labkit.widgets._collective import Arrival, Hold, Play, span


class Mistake(NamedTuple):
    """In round `round` the cell of `rank` lost the contribution of rank `of`, or got it twice, by a message of
    `source`; source -1: none ever brought it. Sorted, the earliest comes first.
    """

    round: int
    rank: int
    cell: int
    of: int
    source: int
    twice: bool


def goal(op: str, ranks: int, root: int) -> dict[int, Hold]:
    """What every cell of a rank must hold at the end, for each rank whose result counts."""
    everything = (1,) * ranks
    if op == "reduce":
        return {root: everything}
    return dict.fromkeys(range(ranks), everything if op == "allreduce" else tuple(int(r == root) for r in range(ranks)))


def verdict(played: Play, op: str, root: int) -> tuple[str, tuple[int, int, int] | None]:
    """A sentence on the result, and (rank, cell, round) of the first mistake; None where there is none to be shown."""
    lost = f" Messages that nobody took: {played.lost}." if played.lost else ""
    if played.fault:
        return played.fault + lost, played.wrong
    wanted, last = goal(op, played.ranks, root), played.holds[-1]
    wrong = [(r, c) for r, hold in wanted.items() for c in range(len(played.cells)) if last[r][c] != hold]
    if not wrong:
        which = f"rank {root} holds" if op == "reduce" else "every rank holds"
        what = f"the values of rank {root}" if op == "bcast" else "the sum of all ranks, each counted once"
        return f"Right: after {played.rounds} rounds {which} {what}.{lost}", None
    found = [one for rank, cell in wrong for one in _mistakes(played, rank, cell, wanted[rank])]
    first = min(found, key=lambda one: (one.source < 0, one))
    rank, cell = (first.rank, first.cell) if (first.rank, first.cell) in wrong else wrong[0]
    end = f"At the end {span(played.cells[cell])} of rank {rank} hold{'s' * _single(played, cell)}"
    ends = f"{end} {spelled(last[rank][cell])}" + (f"; {len(wrong) - 1} more are wrong." if len(wrong) > 1 else ".")
    return f"First mistake: {_told(played, first)} {ends}{lost}", (first.rank, first.cell, first.round)


def _told(played: Play, one: Mistake) -> str:
    where, one_value = f"{span(played.cells[one.cell])} of rank {one.rank}", _single(played, one.cell)
    if one.source < 0:
        return f"the contribution of rank {one.of} never comes to {where}."
    if one.twice:
        return f"in round {one.round} a message of rank {one.source} brings what rank {one.of} gave to {where} again."
    verb = "is" if one_value else "are"
    return f"in round {one.round} {where} {verb} replaced by what rank {one.source} sends: rank {one.of} is lost there."


def _single(played: Play, cell: int) -> bool:
    return played.cells[cell][1] - played.cells[cell][0] == 1


def spelled(held: Hold) -> str:
    """'0 + 2 + 2 + 3': the ranks whose values are in a sum."""
    return " + ".join(str(rank) for rank, count in enumerate(held) for _ in range(min(count, 9))) or "nothing"


def _mistakes(played: Play, rank: int, cell: int, wanted: Hold) -> list[Mistake]:
    """The first mistake for each rank whose contribution ends wrong in a cell."""
    found = []
    for of, right in enumerate(wanted):
        count = played.holds[-1][rank][cell][of]
        if count != right:
            traced = _traced(played, rank, cell, of, too_many=count > right)
            found.append(min(traced, default=Mistake(_changed(played, rank, cell), rank, cell, of, -1, False)))
    return found


def _traced(played: Play, rank: int, cell: int, of: int, too_many: bool) -> list[Mistake]:
    """All moments on the way to the end's content at which the contribution of rank `of` was lost, or came twice."""
    found, waiting, seen = [], [(rank, played.rounds)], set()
    while waiting:
        here = waiting.pop()
        message = _last_message(played, here[0], cell, here[1])
        if message is None or (here[0], message.round) in seen:
            continue
        seen.add((here[0], message.round))
        before = played.holds[message.round - 1][here[0]][cell][of]
        got = played.holds[message.left - 1][message.source][cell][of]
        if (message.add and before and got) if too_many else (not message.add and before > got):
            found.append(Mistake(message.round, here[0], cell, of, message.source, too_many))
        waiting.append((message.source, message.left - 1))
        if message.add:
            waiting.append((here[0], message.round - 1))
    return found


def _last_message(played: Play, rank: int, cell: int, until: int) -> Arrival | None:
    """The last message up to round `until` that changed a cell."""
    start = played.cells[cell][0]
    into = [a for a in played.arrivals if a.to == rank and a.round <= until and a.received[0] <= start < a.received[1]]
    return into[-1] if into else None


def _changed(played: Play, rank: int, cell: int) -> int:
    message = _last_message(played, rank, cell, played.rounds)
    return message.round if message else 0
