"""In[B/p, C] . W[C, K] -> Out[B/p, K]; Push(dW[C, K] > server); Pull(W < server)

Replicated: the weights. Split: the samples, and the update, by arrays. Sent: every array's gradients to its server as
soon as back-propagation has them, and its weights back. One server is a device of its own, rank 0 (eserol-2019 section
1.1.1); sharded, every rank is a worker and the server of some arrays (sections 2.6.1, 5.2.3).

    rank 0, server  |            serve |      serve |           serve |   serve |  ...
    rank 1, worker  | F0:3 | B2:3 | B0:2 |    wait w0 | F0:2 | wait w1 | F2:3 | B2:3 |
      its network   |             |- g1 ->|- g0 ->|<- w0 -|<- w1 -|
"""

from labkit.errors import LabError, suggest
from labkit.network import Network
from labkit.schedule import Schedule, equal_shares
from labkit.schedule.pieces import arrays
from labkit.schedule.schedule import program
from labkit.schemes.cost import Cost, Sends, cost_of
from labkit.schemes.cuts import ahead, back, check_trainable
from labkit.schemes.placement import owners_of

MODES = ("sync", "async", "ssp")


def parameter_server(
    network: Network,
    ranks: int,
    batch: int,
    *,
    servers: str | int = "1",
    placement: str | None = None,
    mode: str = "sync",
    bound: int | None = None,
    overlap: bool = True,
) -> Schedule:
    """Servers update, workers compute; every array is a piece.

    servers: 1 (rank 0 and nothing else) or 'sharded' over the workers. placement: of a sharded server's arrays,
    round-robin (the default) or greedy, see `place`. mode: sync adds up all workers' gradients before it updates; async
    updates with each at once; ssp too, but holds back a worker more than `bound` steps ahead of the slowest one.
    overlap: push while BP goes on and pull behind the next FP, else both after BP.

    Raises LabError for unknown names, options that do not go together, and one server with fewer than 2 ranks.
    """
    check_trainable(network)
    how, owners = _mode(mode, bound), owners_of(network, ranks, str(servers), placement)
    alone = str(servers) == "1"
    shares = ((), *equal_shares(batch, ranks - 1)) if alone else equal_shares(batch, ranks)
    workers = sum(map(bool, shares))

    def lines(rank: int) -> list[str]:
        serves = [f"serve {how}"] * (workers * owners.count(rank))
        return serves + (_worker(network, owners, overlap) if shares[rank] else [])

    named = " ".join(filter(None, ["parameter-server", str(servers), "" if alone else placement or "round-robin", how]))
    return Schedule(named, network, shares, arrays(network), tuple(program(lines(rank)) for rank in range(ranks)))


def _worker(network: Network, owners: tuple[int, ...], overlap: bool) -> list[str]:
    pieces, end = arrays(network), len(network)
    pulls = [f"pull w{n}<{owner}" for n, owner in enumerate(owners)]
    if not overlap:
        pushes = [f"push g{n}>{owners[n]}" for cut in back(network, pieces) for n in cut.pieces]
        return [f"F0:{end}; B0:{end}", *pushes, *pulls]
    lines = []
    for cut in ahead(network, pieces):
        lines += [*(f"wait w{n}" for n in cut.pieces), f"F{cut.first}:{cut.end}"]
    for cut in back(network, pieces):
        lines += [f"B{cut.first}:{cut.end}", *(f"push g{n}>{owners[n]} &" for n in cut.pieces)]
    return lines + [f"{pull} &" for pull in pulls]


def _mode(mode: str, bound: int | None) -> str:
    """Spelling of the mode in `serve`."""
    if mode not in MODES:
        raise LabError(f"no mode {mode!r} of a parameter server", suggest(mode, MODES))
    if (mode == "ssp") != (bound is not None) or (bound is not None and bound < 0):
        raise LabError(
            f"mode={mode!r} with bound={bound!r}", "give a bound from 0 up with mode='ssp', and none otherwise"
        )
    return f"ssp{bound}" if mode == "ssp" else mode


def cost(
    network: Network,
    ranks: int,
    batch: int,
    *,
    servers: str | int = "1",
    placement: str | None = None,
    **timing: object,
) -> Cost:
    """Messages in all: 2(p - 1)A. Bytes: 2(p - 1) times the model's. A arrays of n values; a with m are kept here.

    A rank sends A + (p - 2)a messages of n + (p - 2)m values: A - a pushes to others, and p - 1 answers for each array
    that it keeps. With one server, a = A there and 0 elsewhere. `mode`, `bound` and `overlap` change
    when they are sent, not how many.
    """
    owners, pieces = owners_of(network, ranks, str(servers), placement), arrays(network)
    sends = []
    for rank in range(ranks):
        kept = [piece.values for piece, owner in zip(pieces, owners, strict=True) if owner == rank]
        messages, values = len(pieces) + (ranks - 2) * len(kept), network.parameters + (ranks - 2) * sum(kept)
        sends.append(Sends(messages, values))
    return cost_of([sends], ranks)


REMARK = (
    "Staleness: none in mode sync, without a bound in mode async; with ssp S, every other worker adds at most 2S + 1 "
    "updates between the reading of the weights and the update. Memory: the optimiser's values on the servers only."
)
