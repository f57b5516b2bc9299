"""All-reduce: every rank ends with the sum of what all had. `root` is unused: there is none.

n values, p ranks. Sources: ring (Patarasuk and Yuan 2009), recursive doubling and halving-doubling (Thakur et al. 2005;
Rabenseifner 2004), tree (keuper-pfreundt-2016 section II).
"""

from labkit.schedule.collectives import broadcast, reduce
from labkit.schedule.collectives.move import Move, cut, receive, send


def ring(rank: int, ranks: int, root: int, values: int) -> list[Move]:
    """Chunks of n/p travel round the ring: p - 1 rounds collect the sums, p - 1 rounds hand them out."""
    chunk, after, before = cut(values, ranks), (rank + 1) % ranks, (rank - 1) % ranks
    found = [
        Move(after, chunk[(rank - s) % ranks], before, chunk[(rank - s - 1) % ranks], True) for s in range(ranks - 1)
    ]
    found += [Move(after, chunk[(rank + 1 - s) % ranks], before, chunk[(rank - s) % ranks]) for s in range(ranks - 1)]
    return found


def tree(rank: int, ranks: int, root: int, values: int) -> list[Move]:
    """Binomial reduce to rank 0, then binomial broadcast: about 2 lg p rounds of all n values."""
    return [*reduce.tree(rank, ranks, 0, values), *broadcast.tree(rank, ranks, 0, values)]


def doubling(rank: int, ranks: int, root: int, values: int) -> list[Move]:
    """Pairs at distance 1, 2, 4, ... exchange all n values: lg p rounds."""
    whole = (0, values)
    return _folded(
        rank,
        ranks,
        values,
        lambda place, q, real: [
            Move(real(place ^ (1 << k)), whole, real(place ^ (1 << k)), whole, True) for k in range(q.bit_length() - 1)
        ],
    )


def halving(rank: int, ranks: int, root: int, values: int) -> list[Move]:
    """Pairs exchange halves of what they still sum, n/2, n/4, ...; then the same way back: 2 lg p rounds."""
    return _folded(rank, ranks, values, lambda place, q, real: _halving(place, q, real, values))


def _halving(place: int, q: int, real, values: int) -> list[Move]:
    found, (start, stop), back = [], (0, values), []
    distance = q // 2
    while distance:
        middle, peer = start + (stop - start) // 2, real(place ^ distance)
        low, high = (start, middle), (middle, stop)
        kept, given = (high, low) if place & distance else (low, high)
        found.append(Move(peer, given, peer, kept, True))
        back.append(Move(peer, kept, peer, given))
        (start, stop), distance = kept, distance // 2
    return found + back[::-1]


def _folded(rank: int, ranks: int, values: int, core) -> list[Move]:
    """`core(place, q, real)` over the largest power of two q <= p: the first 2(p - q) ranks first become p - q.

    Of each pair of them the even one gives all its values to the odd one, and gets the result at the end. `place` is
    the rank's number among the q that take part; `real(place)` turns it back.
    """
    q = 1 << (ranks.bit_length() - 1)
    extra, whole = ranks - q, (0, values)
    if rank < 2 * extra and rank % 2 == 0:
        return [send(rank + 1, whole), receive(rank + 1, whole)]

    def real(place: int) -> int:
        return 2 * place + 1 if place < extra else place + extra

    place = rank // 2 if rank < 2 * extra else rank - extra
    found = core(place, q, real)
    if rank < 2 * extra:
        return [receive(rank - 1, whole, True), *found, send(rank - 1, whole)]
    return found
