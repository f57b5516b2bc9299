"""What collectives cost, in closed form: n bytes, p ranks, a = latency, b and c = seconds per byte sent and added.

    operation, algorithm   seconds                                                 bytes that one rank sends at most
    allreduce ring         2(p-1)a + 2(p-1)/p nb + (p-1)/p nc                      2(p-1)/p n
    allreduce tree         2 ceil(lg p)(a + nb) + ceil(lg p) nc                    ceil(lg p) n
    allreduce doubling     lg p (a + nb + nc)                                      lg p n
    allreduce halving      2 lg p a + 2(p-1)/p nb + (p-1)/p nc                     2(p-1)/p n
    reduce linear          a + nb + (p-2)n max(b, c) + nc                          n
    reduce tree            ceil(lg p)(a + nb + nc)                                 n
    bcast tree             ceil(lg p)(a + nb)                                      ceil(lg p) n
    bcast linear           a + (p-1)nb                                             (p-1)n
    bcast scatter          (ceil(lg p) + p-1)a + 2(p-1)/p nb                       2(p-1)/p n
    bcast chainK           (p-1)a + (p-2+K)/K nb                                   n
    bcast pipelineK        d a + 2(d+K-1)/K nb, less if p < 2^(d+1)-1              2n
    server 1               2[a + (p-1)nb] + nc                                     (p-1)n
    server sharded         2(p-1)a + 2(p-1)/p nb + (p-1)/p nc                      2(p-1)/p n

d = floor(lg p), and q = 2^d. Where p is no power of two, doubling and halving fold p - q ranks away: the forms hold
with q for p, and two more messages of all n bytes, one of them added (MPICH's comment keeps p in the second).
A parameter server is timed for one synchronous exchange of the whole model, without its update. "1": of p ranks one
serves and p - 1 work, and the gradients that come first are added to nothing; where adding is slower than sending, as
for reduce linear. "sharded": every rank works and serves 1/p; where several send to one rank at the same time, which
depends on the order of pushes and answers, their waiting for its port comes on top (up to 2(p-2)/p nb).

Sources: Thakur, Rabenseifner and Gropp 2005 and the comments of MPICH's src/mpi/coll/allreduce.c (doubling, halving);
Patarasuk and Yuan 2009 (ring); Barnett et al. 1994 (scatter); nccl-tests, doc/PERFORMANCE.md (the bound on bytes);
keuper-pfreundt-2016 section II (tree); convnet-strategies-mpi, method 1 (linear); chain, pipeline: derived here.

All hold for one port each way, as the table of textbooks does; but a latency is *overlapped*: a rank that sends message
after message pays for it once (`simulate`, and what an emulated network does). With overlap=False every message of a
rank waits until the one before has arrived, which is what textbooks write for linear and chain:

    reduce linear, bcast linear   (p-1)(a + nb + nc), (p-1)(a + nb)        server 1     2(p-1)(a + nb) + (p-2)nc
    bcast chainK                  (p-2+K)(a + nb/K)                        pipelineK    2(d+K-1)(a + nb/K)
"""

import re
from math import inf, sqrt
from typing import NamedTuple

from labkit.errors import LabError, suggest
from labkit.limits.forms import FORMS, Setting, lg, power_below, rounds
from labkit.machine.links import Link
from labkit.network.graph import FLOAT_BYTES
from labkit.schedule.collectives import ALGORITHMS, LIBRARY
from labkit.schedule.simulate import collective_seconds

SERVER = ("1", "sharded")
NAMES = {
    **{op: tuple(name for name in names if name != LIBRARY) for op, names in ALGORITHMS.items()},
    "server": SERVER,
}
MOST_CHUNKS = 256  # that `compare` tries


def seconds(
    op: str,
    algorithm: str,
    ranks: int,
    n_bytes: float,
    link: Link,
    reduce_bytes_per_s: float = inf,
    *,
    overlap: bool = True,
) -> float:
    """The closed form. `exact` tells where it is what `simulate` finds; elsewhere it is an upper bound, but for sharded
    servers.

    Raises LabError for unknown names, the library's own all-reduce, and fewer than 1 rank.
    """
    name, chunks = _named(op, algorithm, ranks)
    if ranks == 1:
        return 0.0
    setting = Setting(link.latency_s, n_bytes / link.bytes_per_s, n_bytes / reduce_bytes_per_s, chunks, overlap)
    return FORMS[op, name](ranks, setting)


def exact(op: str, algorithm: str, ranks: int) -> bool:
    """Whether `seconds` is what ranks take that begin together, with n divisible by what the algorithm cuts it into.

    Not for trees, doubling and scatter where p is no power of two: there some messages are under way early, and their
    latencies overlap. Nor for sharded servers, whose ports workers reach in their own order.
    """
    name, _ = _named(op, algorithm, ranks)
    return (name not in ("tree", "doubling", "scatter") or ranks & (ranks - 1) == 0) and name != "sharded"


def bytes_sent_max(op: str, algorithm: str, ranks: int, n_bytes: float) -> float:
    """Bytes that the rank sends that sends most."""
    name, _ = _named(op, algorithm, ranks)
    if ranks == 1:
        return 0.0
    q, folded = power_below(ranks), ranks & (ranks - 1) != 0
    shares = {
        "ring": 2 * (ranks - 1) / ranks,
        "doubling": lg(q) + folded,
        "halving": 2 * (q - 1) / q + folded,
        "scatter": 2 * (ranks - 1) / ranks,
        "sharded": 2 * (ranks - 1) / ranks,
        "tree": 1 if op == "reduce" else rounds(ranks),
        "linear": 1 if op == "reduce" else ranks - 1,
        "chain": 1,
        "pipeline": min(2, ranks - 1),
        "1": ranks - 1,
    }
    return shares[name] * n_bytes


def messages(op: str, algorithm: str, ranks: int) -> int:
    """Messages of all ranks together, where n is long enough for none of them to be empty."""
    name, chunks = _named(op, algorithm, ranks)
    q, p = power_below(ranks), ranks
    counts = {
        "ring": 2 * p * (p - 1),
        "doubling": q * lg(q) + 2 * (p - q),
        "halving": 2 * q * lg(q) + 2 * (p - q),
        "scatter": (p + 1) * (p - 1),
        "sharded": 2 * p * (p - 1),
        "tree": (2 if op == "allreduce" else 1) * (p - 1),
        "linear": p - 1,
        "chain": (p - 1) * chunks,
        "pipeline": (p - 1) * chunks,
        "1": 2 * (p - 1),
    }
    return counts[name]


def lower_bound(op: str, ranks: int, n_bytes: float, link: Link) -> float:
    """Seconds that no algorithm for 'allreduce', 'reduce' or 'bcast' can go below.

    allreduce: every value must be sent by p - 1 ranks on its way to the sum, and its sum to p - 1 others, so that one
    rank sends 2(p-1)/p n bytes at least (nccl-tests); and ceil(lg p) latencies, if a rank's messages follow each other
    (not for p - 1 messages sent at once: a linear reduce and broadcast of few bytes needs two). reduce and bcast: n
    bytes go through the root's port.
    """
    _named(op, ALGORITHMS[op][0] if op in ALGORITHMS else "", ranks)
    if ranks == 1:
        return 0.0
    send_s = n_bytes / link.bytes_per_s / link.ports
    if op == "allreduce":
        return max(rounds(ranks) * link.latency_s, 2 * (ranks - 1) / ranks * send_s)
    return link.latency_s + send_s


def best_chunks(algorithm: str, ranks: int, n_bytes: float, link: Link, message_s: float | None = None) -> float:
    """K* of 'chain' or 'pipeline', as a real number: more chunks fill the line sooner, and each costs `message_s` more.

    chain: sqrt((p-2)nb/a); pipeline: sqrt((d-1)nb/a). message_s: what one more message costs, in place of a; the
    latency (None) where nothing overlaps, the process's own overhead where latencies do. Infinite where it is 0.
    Raises LabError for other algorithms.
    """
    lengths = {"chain": ranks - 2, "pipeline": lg(power_below(ranks)) - 1}
    if algorithm not in lengths:
        raise LabError(f"{algorithm!r} sends no chunks", suggest(algorithm, lengths))
    each_s = link.latency_s if message_s is None else message_s
    behind_s = max(0, lengths[algorithm]) * n_bytes / link.bytes_per_s
    return max(1.0, sqrt(behind_s / each_s)) if each_s else (inf if behind_s else 1.0)


class Choice(NamedTuple):
    """An algorithm, and the seconds that it was simulated to take."""

    algorithm: str
    seconds: float


def compare(
    op: str, ranks: int, n_bytes: float, link: Link, reduce_bytes_per_s: float = inf, overhead_s: float = 0.0
) -> tuple[Choice, ...]:
    """All algorithms of 'allreduce', 'reduce' or 'bcast' by simulation, fastest first; K by powers of two.

    Raises LabError for another operation.
    """
    if op not in ALGORITHMS:
        raise LabError(f"there is no collective {op!r}", suggest(op, ALGORITHMS))
    values, names = max(1, round(n_bytes / FLOAT_BYTES)), []
    for name in NAMES[op]:
        numbers = [2**k for k in range(1, MOST_CHUNKS.bit_length())] if name.endswith("K") else [None]
        names += [name if number is None else f"{name[:-1]}{number}" for number in numbers]
    found = (Choice(n, collective_seconds(op, n, ranks, values, link, reduce_bytes_per_s, overhead_s)) for n in names)
    return tuple(sorted(found, key=lambda choice: choice.seconds))


def best(
    op: str, ranks: int, n_bytes: float, link: Link, reduce_bytes_per_s: float = inf, overhead_s: float = 0.0
) -> Choice:
    """The first of `compare`."""
    return compare(op, ranks, n_bytes, link, reduce_bytes_per_s, overhead_s)[0]


def _named(op: str, algorithm: str, ranks: int) -> tuple[str, int]:
    """Name and number of chunks of an algorithm that there is a form for."""
    if op not in NAMES:
        raise LabError(f"there is no collective {op!r}", suggest(op, NAMES))
    if not isinstance(ranks, int) or isinstance(ranks, bool) or ranks < 1:
        raise LabError(f"a collective of {ranks!r} ranks", "give a whole number of at least 1")
    match = re.fullmatch(r"([a-z]+)([1-9]\d*)", algorithm)
    if match and f"{match[1]}K" in NAMES[op]:
        return match[1], int(match[2])
    if algorithm not in NAMES[op] or algorithm.endswith("K"):
        raise LabError(f"{op!r} has no closed form for {algorithm!r}", suggest(algorithm, NAMES[op]))
    return algorithm, 1
