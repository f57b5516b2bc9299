"""Broadcast: all end with what the root had.

A rank's *place* is its number counted from the root, which stands at place 0.
"""

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


def scatter(rank: int, ranks: int, root: int, values: int) -> list[Move]:
    """Scatter n/p values to each by a binomial tree, then hand them round the ring (Barnett et al. 1994; MPICH).

    The root takes part in the ring, and so is sent chunks that it has: that keeps all ranks alike.
    """
    chunk, place, found = cut(values, ranks), (rank - root) % ranks, []
    distance = 1 << ((ranks - 1).bit_length() - 1)
    while distance:
        if place % (2 * distance) == 0 and place + distance < ranks:
            found.append(send((place + distance + root) % ranks, _span(chunk, place + distance, distance)))
        elif place % (2 * distance) == distance:
            found.append(receive((place - distance + root) % ranks, _span(chunk, place, distance)))
        distance //= 2
    after, before = (rank + 1) % ranks, (rank - 1) % ranks
    for turn in range(ranks - 1):
        found.append(Move(after, chunk[(place - turn) % ranks], before, chunk[(place - turn - 1) % ranks]))
    return found


def _span(chunk: tuple[tuple[int, int], ...], first: int, count: int) -> tuple[int, int]:
    """Values of `count` chunks from number `first` on, as far as there are so many."""
    return chunk[first][0], chunk[min(first + count, len(chunk)) - 1][1]


def pipeline(rank: int, ranks: int, root: int, values: int, chunks: int) -> list[Move]:
    """A binary tree whose ranks pass a chunk on to two others while the next one arrives.

    Place i has the children 2i + 1 and 2i + 2: lg p steps deep where a chain has p - 1, but everything is sent twice.
    """
    place, parts = (rank - root) % ranks, cut(values, chunks)
    parent = ((place - 1) // 2 + root) % ranks if place else None
    children = [(child + root) % ranks for child in (2 * place + 1, 2 * place + 2) if child < ranks]
    found = [receive(parent, parts[0])] if place else []
    for turn in range(chunks):
        arriving = parts[turn + 1] if place and turn + 1 < chunks else NOTHING
        found += [send(child, parts[turn]) for child in children[:-1]]
        last = children[-1] if children else None
        found.append(Move(last, parts[turn] if children else NOTHING, parent, arriving))
    return found
