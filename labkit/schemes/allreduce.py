"""In[B/p, C] . W[C, K] -> Out[B/p, K]; AllReduce(dW[C, K])

Replicated: the weights and their update. Split: the samples. Sent: gradients, in buckets of whole layers, last layer
first: while a bucket travels, back-propagation goes on with the layers before it.

    rank 0   | F0:9 | B6:9 | B3:6 | B0:3 |     wait g0; U w0 | wait g1; U w1 | wait g2; U w2 |
    network  |             |-- g0 --|-- g1 --|-- g2 --|
"""

from labkit.errors import LabError, suggest
from labkit.network import Network
from labkit.schedule import Schedule, equal_shares
from labkit.schedule.collectives import ALGORITHMS
from labkit.schedule.pieces import buckets
from labkit.schedule.schedule import program
from labkit.schemes.cost import Cost, all_to_all, cost_of
from labkit.schemes.cuts import back, check_trainable

BUCKET_BYTES = 2**20  # long enough for the bandwidth to count more than the latency


def allreduce(
    network: Network,
    ranks: int,
    batch: int,
    *,
    algorithm: str = "ring",
    bucket_bytes: int = BUCKET_BYTES,
    overlap: bool = True,
    micro_batches: int = 1,
) -> Schedule:
    """Synchronous data parallelism; keuper-pfreundt-2016 section II is the case algorithm='tree'.

    algorithm: ring, tree, doubling, halving, or mpi for the library's own. bucket_bytes: gradients that travel
    together, 0 for one bucket per layer. overlap: exchange while BP goes on, else after it. micro_batches: that each
    rank's share is computed in; only the last one's BP can overlap.

    Raises LabError for an unknown algorithm or numbers out of range.
    """
    check_trainable(network)
    check_algorithm(algorithm)
    shares = equal_shares(batch, ranks, micro_batches)
    pieces, end, last = buckets(network, bucket_bytes), len(network), micro_batches - 1
    lines = [f"F0:{end}#{m}; B0:{end}#{m}" for m in range(last)] + [f"F0:{end}#{last}"]
    if overlap:
        for cut in back(network, pieces):
            lines.append(f"B{cut.first}:{cut.end}#{last}")
            lines += [f"allreduce g{n} {algorithm} &" for n in cut.pieces]
        lines += [f"wait g{n}; U w{n}" for n in range(len(pieces))]
    else:
        lines.append(f"B0:{end}#{last}")
        lines += [f"allreduce g{n} {algorithm}" for n in range(len(pieces))]
        lines.append(f"U0:{end}")
    return Schedule(f"allreduce {algorithm}", network, shares, pieces, (program(lines),) * ranks)


def check_algorithm(name: str) -> None:
    """Refuse a name that no all-reduce has."""
    if name not in ALGORITHMS["allreduce"]:
        raise LabError(f"no all-reduce algorithm {name!r}", suggest(name, ALGORITHMS["allreduce"]))


def cost(
    network: Network,
    ranks: int,
    batch: int,
    *,
    algorithm: str = "ring",
    bucket_bytes: int = BUCKET_BYTES,
    **timing: object,
) -> Cost:
    """Bytes: 2(p - 1)/p of the model's per rank by ring, 2(p - 1) of them in all by ring and tree; see `schemes.cost`.

    Messages: those of one all-reduce for each bucket, 2(p - 1) per rank and bucket by ring. Neither `overlap` nor
    `micro_batches` changes them.
    """
    check_algorithm(algorithm)
    return cost_of((all_to_all(algorithm, ranks, piece.values) for piece in buckets(network, bucket_bytes)), ranks)


REMARK = (
    "Staleness: none; the same step as one process with the whole batch. Memory: weights, gradients and the optimiser's"
    " values on every rank."
)
