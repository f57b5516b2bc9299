"""Broadcast: all end with what the root had."""

from labkit.schedule.collectives.move import NOTHING, Move, cut, receive, send


def linear(rank: int, ranks: int, root: int, values: int) -> list[Move]:
    """The root sends to one after the other (convnet-strategies-mpi, method 1)."""
    whole = (0, values)
    if rank != root:
        return [receive(root, whole)]
    return [send(other, whole) for other in range(ranks) if other != root]


def tree(rank: int, ranks: int, root: int, values: int) -> list[Move]:
    """Binomial tree: in each round everyone who has the values gives them to one who has not."""
    whole, place, found = (0, values), (rank - root) % ranks, []
    distance = 1 << ((ranks - 1).bit_length() - 1)
    while distance:
        if place % (2 * distance) == 0 and place + distance < ranks:
            found.append(send((place + distance + root) % ranks, whole))
        elif place % (2 * distance) == distance:
            found.append(receive((place - distance + root) % ranks, whole))
        distance //= 2
    return found


def chain(rank: int, ranks: int, root: int, values: int, chunks: int) -> list[Move]:
    """A line of ranks: each passes a chunk on while it receives the next; p - 2 + K rounds of n/K values."""
    place, parts = (rank - root) % ranks, cut(values, chunks)
    before = (rank - 1) % ranks if place > 0 else None
    after = (rank + 1) % ranks if place < ranks - 1 else None
    found = []
    for turn in range(chunks + 1):
        arriving = parts[turn] if before is not None and turn < chunks else NOTHING
        number = turn - 1 if before is not None else turn
        leaving = parts[number] if after is not None and 0 <= number < chunks else NOTHING
        found.append(Move(after, leaving, before, arriving))
    return found
