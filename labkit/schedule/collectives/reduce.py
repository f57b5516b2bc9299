"""Reduce: the root ends with the sum of what all had; what the others then hold is of no use to anyone."""

from labkit.schedule.collectives.move import Move, receive, send


def linear(rank: int, ranks: int, root: int, values: int) -> list[Move]:
    """All send to the root, which receives from one after the other (convnet-strategies-mpi, method 1)."""
    whole = (0, values)
    if rank != root:
        return [send(root, whole)]
    return [receive(other, whole, True) for other in range(ranks) if other != root]


def tree(rank: int, ranks: int, root: int, values: int) -> list[Move]:
    """Binomial tree: in each round half of those that still have something to give send it all on."""
    whole, place, found, distance = (0, values), (rank - root) % ranks, [], 1
    while distance < ranks:
        if place & distance:
            return [*found, send((place - distance + root) % ranks, whole)]
        if place + distance < ranks:
            found.append(receive((place + distance + root) % ranks, whole, True))
        distance *= 2
    return found
